"""Breakers and pauses: what a bad token, a forbidden app and a Retry-After cost."""

import pytest

from astra_mirror.core.gate import MAX_RETRY_AFTER, Gate, Go, Refused, WaitForProbe
from astra_mirror.core.outcome import Failed, NotFound, SyncReason

UNAUTHORIZED = Failed(SyncReason.UNAUTHORIZED, "no")
FORBIDDEN = Failed(SyncReason.FORBIDDEN, "no")
OK = NotFound("an answer to a good token")


@pytest.fixture
def gate() -> Gate:
    """A gate whose token has proven good."""
    gate = Gate()
    assert gate.admit("a", 0) == Go()
    gate.record("a", OK, 0)
    return gate


def test_a_new_connection_is_tried_by_one_request() -> None:
    """Until the first answer only one request is under way; then all may go."""
    gate = Gate()
    assert gate.admit("a", 0) == Go()
    assert gate.admit("b", 0) == WaitForProbe()
    gate.record("a", OK, 1)
    assert gate.admit("a", 1) == Go()
    assert gate.admit("b", 1) == Go()
    assert gate.open_breakers == 0


def test_a_401_closes_the_connection_but_for_a_probe_a_minute(gate: Gate) -> None:
    """Every app waits, and is told why; after a minute one request finds out."""
    gate.admit("a", 10)
    gate.record("a", UNAUTHORIZED, 10)
    assert gate.admit("b", 11) == Refused(UNAUTHORIZED, 70)
    assert gate.open_breakers == 1
    assert gate.admit("b", 70) == Go()
    assert gate.admit("c", 70) == WaitForProbe()
    gate.record("b", UNAUTHORIZED, 71)
    assert gate.admit("c", 72) == Refused(UNAUTHORIZED, 131)
    assert gate.admit("c", 131) == Go()
    gate.record("c", OK, 131)
    assert gate.admit("a", 131) == Go()


def test_a_403_closes_one_app_only(gate: Gate) -> None:
    """The other apps of the connection go on."""
    gate.admit("a", 10)
    gate.record("a", FORBIDDEN, 10)
    assert gate.admit("a", 11) == Refused(FORBIDDEN, 70)
    assert gate.admit("b", 11) == Go()
    assert gate.admit("a", 70) == Go()
    assert gate.admit("a", 70) == WaitForProbe()
    gate.record("a", OK, 70)
    assert gate.admit("a", 70) == Go()


def test_a_403_proves_a_new_token() -> None:
    """A service that forbids one app knows who asks: the other apps need no probe."""
    gate = Gate()
    gate.admit("a", 0)
    gate.record("a", FORBIDDEN, 0)
    assert gate.admit("b", 0) == Go()
    assert gate.admit("c", 0) == Go()


@pytest.mark.parametrize(("asked", "waited"), [(30, 30), (999_999, MAX_RETRY_AFTER)])
def test_retry_after_holds_the_connection(gate: Gate, asked: float, waited: float) -> None:
    """Everybody waits as long as the remote asks, an hour at the most, and a shorter wish does not cut it."""
    failure = Failed(SyncReason.RATE_LIMITED, "slowly", asked)
    gate.admit("a", 0)
    gate.admit("b", 0)
    gate.record("a", failure, 0)
    gate.record("b", Failed(SyncReason.RATE_LIMITED, "slowly", 1), 0)
    assert gate.admit("b", waited - 1) == Refused(failure, waited)
    assert gate.admit("b", waited) == Go()


def test_an_outage_says_nothing_of_the_token() -> None:
    """A new connection whose server is away stays half open: one request at a time."""
    gate = Gate()
    gate.admit("a", 0)
    gate.record("a", Failed(SyncReason.UNREACHABLE, "away"), 10)
    assert gate.admit("a", 10) == Go()
    assert gate.admit("b", 10) == WaitForProbe()


def test_a_cancelled_probe_lets_the_next_one_go() -> None:
    """A request that ends without an answer does not block the connection for ever."""
    gate = Gate()
    gate.admit("a", 0)
    gate.abandon("a")
    assert gate.admit("b", 0) == Go()
