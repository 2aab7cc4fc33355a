"""Pauses of a connection, because its server asks for one or seems to be away: how long, and how they end."""

import pytest

from astra_mirror.core.circuit import State
from astra_mirror.core.connection_pause import RETRY_INTERVAL
from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.tickets import Hold
from tests.core.breakers import AWAY, BREAKER, ERROR, OK, UNAUTHORIZED, Connection

# Pauses.


@pytest.mark.parametrize(("asked", "waited"), [(30, 30), (999_999, 3600)])
@pytest.mark.parametrize("reason", [SyncReason.RATE_LIMITED, SyncReason.SERVER_ERROR])
def test_retry_after_holds_the_connection(good: Connection, reason: SyncReason, asked: float, waited: float) -> None:
    """Everybody waits as long as the remote asks, an hour at the most, and a shorter wish does not cut it."""
    failure = Failed(reason, "slowly", asked)
    tickets = good.send("A"), good.send("B")
    good.breakers.record(tickets[0], failure, 0)
    good.breakers.record(tickets[1], Failed(reason, "slowly", 1), 0)
    assert good.hold("C", waited - 1) == Hold(failure)
    assert good.breakers.state(waited - 1) is State.PAUSED
    assert good.hold("C", waited) is None


def test_a_pause_ends_with_one_request(good: Connection) -> None:
    """The others wait for its answer."""
    good.ask(Failed(SyncReason.RATE_LIMITED, "slowly", 30), "A", 0)
    assert good.breakers.state(30) is State.HALF_OPEN
    assert good.breakers.may_start(30)
    first = good.send("B", 30)
    assert not good.breakers.may_start(30)
    good.breakers.record(first, OK, 31)
    assert good.breakers.may_start(31)
    assert good.breakers.state(31) is State.CLOSED


def test_a_pause_that_is_asked_for_again_goes_on(good: Connection) -> None:
    """One request each time."""
    slowly = Failed(SyncReason.RATE_LIMITED, "slowly", 30)
    good.ask(slowly, "A", 0)
    good.ask(slowly, "B", 30)
    assert good.hold("C", 59) == Hold(slowly)
    assert good.hold("C", 60) is None


@pytest.mark.parametrize("retry_after", [0.0, -3.0, None])
def test_a_429_without_a_time_is_a_short_pause_for_all(good: Connection, retry_after: float | None) -> None:
    """Nobody goes on at full speed against a server that asks for fewer requests."""
    limited = Failed(SyncReason.RATE_LIMITED, "no", retry_after)
    good.ask(limited, "A", 10)
    assert good.hold("B", 11) == Hold(limited)
    assert good.hold("B", 10 + RETRY_INTERVAL) is None


def test_a_refusal_is_what_is_shown_in_a_pause(good: Connection) -> None:
    """It lasts longer, and needs the user."""
    good.ask(UNAUTHORIZED, "A", 0)
    good.ask(Failed(SyncReason.RATE_LIMITED, "slowly", 30), "B", 0)
    assert good.hold("A", 1) == BREAKER


# A server that is away.


def test_an_outage_says_nothing_of_the_token(new: Connection) -> None:
    """A new connection whose server is away stays half open: one request at a time, and those who wait are told."""
    new.ask(AWAY, now=10)
    assert new.hold(now=10) == Hold(AWAY)
    assert new.breakers.open_breakers == 0
    new.send(now=10 + RETRY_INTERVAL)
    assert not new.breakers.may_start(10 + RETRY_INTERVAL)


def test_a_server_that_only_fails_counts_as_away(new: Connection) -> None:
    """Nobody waits in a long line for one error after the other; but one alone may be about one backup."""
    for number in range(3):
        assert new.hold(now=number) is None
        new.ask(ERROR, now=number)
    assert new.hold("B", 3) == Hold(ERROR)


def test_a_server_that_names_its_own_pause_is_asked_when_that_ends(new: Connection) -> None:
    """However often it fails: a pause of the operator's own does not come on top."""
    busy = Failed(SyncReason.SERVER_ERROR, "no", 3, 503)
    for number in range(5):
        assert new.hold(now=3 * number) is None
        new.ask(busy, now=3 * number)
        assert new.hold(now=3 * number + 2.9) == Hold(busy)
    assert new.hold(now=15) is None
