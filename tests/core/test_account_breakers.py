"""A 401 for one account while another is good: who goes on, and what the canary request decides."""

import pytest

from astra_mirror.core.account_breakers import CANARY_INTERVAL
from astra_mirror.core.circuit import State
from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.tickets import Purpose
from tests.core.breakers import AWAY, BREAKER, ERROR, OK, UNAUTHORIZED, Connection


def test_a_401_stops_its_own_account(good: Connection) -> None:
    """The others go on, and a canary for the one that was good last goes at once."""
    good.ask(UNAUTHORIZED, "A", 10)
    assert good.hold("A") == BREAKER
    assert good.hold("B") is None
    assert good.breakers.state(10) is State.CLOSED
    assert good.breakers.open_breakers == 1
    assert good.breakers.canary_at == 10
    assert good.breakers.canary_account() == "C"


def test_the_canary_is_for_the_account_that_was_good_last(good: Connection) -> None:
    """Not for the one that was good first, or named last."""
    good.ask(OK, "B", 5)
    good.ask(UNAUTHORIZED, "A", 10)
    assert good.breakers.canary_account() == "B"
    good.ask(UNAUTHORIZED, "B", 11)
    assert good.breakers.canary_account() == "C"


def test_a_canary_that_proves_the_token_leaves_the_others_alone(good: Connection) -> None:
    """And the refused account stays refused."""
    good.ask(UNAUTHORIZED, "A", 10)
    good.ask(OK, "C", 10, Purpose.CANARY)
    assert good.hold("A") == BREAKER
    assert good.hold("B") is None
    assert good.breakers.canary_at is None


def test_a_canary_that_is_refused_opens_the_connection(good: Connection) -> None:
    """Everybody waits, also those of whom nobody has asked."""
    good.ask(UNAUTHORIZED, "A", 10)
    good.ask(UNAUTHORIZED, "C", 10, Purpose.CANARY)
    assert [good.hold(each) for each in "ABCD"] == [BREAKER] * 4
    assert good.breakers.open_breakers == 1
    assert good.breakers.state(10) is State.OPEN
    assert good.breakers.probe_at("B") == 70


@pytest.mark.parametrize("answer", [AWAY, ERROR, Failed(SyncReason.UNEXPECTED_RESPONSE, "302", code=302)])
def test_a_canary_that_says_nothing_decides_nothing(good: Connection, answer: Failed) -> None:
    """Neither way."""
    good.ask(UNAUTHORIZED, "A", 10)
    good.ask(answer, "C", 10, Purpose.CANARY)
    assert good.hold("A") == BREAKER
    assert good.hold("B") is None
    assert good.breakers.canary_at is None


def test_one_canary_in_ten_seconds(good: Connection) -> None:
    """A 401 in between waits for the next one, its account refused meanwhile."""
    good.ask(UNAUTHORIZED, "A", 10)
    canary = good.send("C", 10, Purpose.CANARY)
    good.ask(UNAUTHORIZED, "B", 11)
    assert good.hold("B") == BREAKER
    assert good.breakers.canary_at == 10 + CANARY_INTERVAL
    good.breakers.record(canary, OK, 12)
    assert good.breakers.canary_at == 10 + CANARY_INTERVAL
    good.ask(UNAUTHORIZED, "D", 13)
    assert good.breakers.canary_at == 10 + CANARY_INTERVAL
    assert good.hold("C") is None


def test_the_probe_of_a_refused_account_needs_no_canary(good: Connection) -> None:
    """That it is refused is known."""
    good.ask(UNAUTHORIZED, "A", 10)
    good.ask(OK, "C", 10, Purpose.CANARY)
    assert good.breakers.probe_at("A") == 70
    probe = good.send("A", 70, Purpose.PROBE)
    assert good.breakers.probe_at("A") is None
    good.breakers.record(probe, UNAUTHORIZED, 71)
    assert good.breakers.canary_at is None
    assert good.breakers.probe_at("A") == 131
    good.ask(OK, "A", 131, Purpose.PROBE)
    assert good.hold("A", 131) is None


def test_the_last_good_accounts_own_401_opens_the_connection() -> None:
    """There is nobody to compare with."""
    only = Connection()
    only.ask(OK)
    only.ask(UNAUTHORIZED, now=10)
    assert only.breakers.is_open
    assert only.breakers.canary_at is None


def test_an_account_without_a_ref_is_no_canary(good: Connection) -> None:
    """It does not count as good any more; without any the connection is open."""
    good.ask(UNAUTHORIZED, "A", 10)
    good.breakers.no_canary("C", 10)
    assert good.breakers.canary_account() == "B"
    good.breakers.no_canary("B", 10)
    assert good.breakers.is_open


def test_an_answer_from_before_the_refusal_proves_nothing(good: Connection) -> None:
    """A token that is revoked while requests are under way is not good because of them."""
    before = good.send("A", 9)
    good.ask(UNAUTHORIZED, "A", 10)
    good.breakers.record(before, OK, 11)
    assert good.hold("A", 11) == BREAKER
