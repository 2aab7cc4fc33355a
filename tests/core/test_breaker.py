"""The circuit breakers of one connection: what a 403 or a failed list changes, and what is forgotten."""

import pytest

from astra_mirror.core.circuit import State
from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.tickets import Hold, Purpose
from tests.core.breakers import ERROR, EXPIRED, FORBIDDEN, OK, UNAUTHORIZED, Connection

# Forbidden apps.


def test_a_403_closes_one_app_only(good: Connection) -> None:
    """The other apps of the account go on, and so does its list."""
    good.ask(FORBIDDEN, "A", 10)
    assert good.hold("A") == Hold(FORBIDDEN)
    assert good.hold("A", app="other") is None
    assert good.hold("A", app=None) is None
    assert good.breakers.apps.of(("A", "app")) is not None
    assert good.breakers.probe_at("A", ("A", "app")) == 70
    good.ask(OK, "A", 70, Purpose.PROBE)
    assert good.hold("A") is None


@pytest.mark.parametrize("refusal", [UNAUTHORIZED, FORBIDDEN])
@pytest.mark.parametrize("reason", ["Unreachable", "ServerError", "RateLimited", "UnexpectedResponse", "URLNotAllowed"])
def test_a_probe_that_proves_nothing_leaves_the_next_one_a_minute_away(
    good: Connection, refusal: Failed, reason: str
) -> None:
    """Whatever else goes wrong, a refused account or app costs one request a minute."""
    good.ask(refusal, "A", 0)
    good.ask(Failed(SyncReason(reason), "no"), "A", 60, Purpose.PROBE)
    assert good.hold("A", 62) is not None
    assert good.breakers.probe_at("A", ("A", "app")) == 120


# Lists.


@pytest.mark.parametrize("retry_after", [None, 3600.0])
@pytest.mark.parametrize(
    "reason",
    ["Unauthorized", "Forbidden", "InvalidRequest", "RateLimited", "ServerError", "UnexpectedResponse", "Unreachable"],
)
def test_a_list_that_fails_concerns_that_list(
    good: Connection, new: Connection, reason: str, retry_after: float | None
) -> None:
    """It refuses nobody, pauses nothing, and leaves the way to the single request."""
    failure = Failed(SyncReason(reason), "no", retry_after)
    good.ask(failure, app=None)
    assert good.hold() is None
    assert good.breakers.state(0) is State.CLOSED
    new.ask(failure, app=None)
    assert new.hold() is None
    assert new.breakers.may_start(0)


def test_a_403_for_a_list_closes_nothing(good: Connection) -> None:
    """It proves the token, and only means that the backups have to be asked for one by one."""
    good.ask(FORBIDDEN, "A", app=None)
    assert good.hold() is None
    assert good.breakers.apps.of(("A", "app")) is None


# What is cancelled, and what is forgotten.


def test_a_cancelled_request_lets_the_next_one_go(new: Connection, good: Connection) -> None:
    """A request that ends without an answer does not block the connection for ever."""
    new.breakers.abandon(new.send())
    assert new.breakers.may_start(0)
    good.ask(Failed(SyncReason.RATE_LIMITED, "slowly", 30), "A", 0)
    good.breakers.abandon(good.send("B", 30))
    assert good.breakers.may_start(30)
    good.ask(OK, "B", 30)
    good.ask(UNAUTHORIZED, "A", 31)
    good.breakers.abandon(good.send("A", 91, Purpose.PROBE))
    assert good.breakers.probe_at("A") == 91


def test_what_nobody_names_any_more_is_forgotten(good: Connection) -> None:
    """Wrong accounts and forbidden apps of refs that are gone hold nothing, and cost nothing."""
    good.ask(UNAUTHORIZED, "A")
    good.ask(FORBIDDEN, "B")
    good.breakers.retain({"B", "C"}, set())
    assert good.breakers.open_breakers == 0
    assert good.hold("A") is None


def test_the_version_moves_with_what_holds(good: Connection) -> None:
    """And with nothing else: a poll that goes well costs no second look."""
    before = good.breakers.version
    good.ask(OK, "A")
    good.ask(ERROR, "A")
    assert good.breakers.version == before
    for answer in (UNAUTHORIZED, FORBIDDEN, EXPIRED):
        good.ask(answer, "B")
        assert good.breakers.version > before
        before = good.breakers.version
