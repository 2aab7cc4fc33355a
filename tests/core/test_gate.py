"""Breakers and pauses: what a bad token, a forbidden app and a Retry-After cost."""

import pytest

from astra_mirror.core.gate import (
    BURST,
    MAX_RETRY_AFTER,
    REQUESTS_PER_SECOND,
    RETRY_INTERVAL,
    Gate,
    Go,
    Refused,
    WaitForProbe,
    WaitUntil,
)
from astra_mirror.core.outcome import Failed, NotFound, SyncReason

UNAUTHORIZED = Failed(SyncReason.UNAUTHORIZED, "no")
FORBIDDEN = Failed(SyncReason.FORBIDDEN, "no")
PROBE = Go(is_probe=True)
OK = NotFound("an answer to a good token")


@pytest.fixture
def gate() -> Gate:
    """A gate whose token has proven good."""
    gate = Gate()
    assert gate.admit("a", 0) == Go()
    gate.record("a", PROBE, OK, 0)
    return gate


def test_a_new_connection_is_tried_by_one_request() -> None:
    """Until the first answer only one request is under way; then all may go."""
    gate = Gate()
    assert gate.admit("a", 0) == Go()
    assert gate.admit("b", 0) == WaitForProbe()
    gate.record("a", PROBE, OK, 1)
    assert gate.admit("a", 1) == Go()
    assert gate.admit("b", 1) == Go()
    assert gate.open_breakers == 0


def test_a_401_closes_the_connection_but_for_a_probe_a_minute(gate: Gate) -> None:
    """Every app waits, and is told why; after a minute one request finds out."""
    gate.admit("a", 10)
    gate.record("a", PROBE, UNAUTHORIZED, 10)
    assert gate.admit("b", 11) == Refused(UNAUTHORIZED, 70)
    assert gate.open_breakers == 1
    assert gate.admit("b", 70) == Go()
    assert gate.admit("c", 70) == WaitForProbe()
    gate.record("b", PROBE, UNAUTHORIZED, 71)
    assert gate.admit("c", 72) == Refused(UNAUTHORIZED, 131)
    assert gate.admit("c", 131) == Go()
    gate.record("c", PROBE, OK, 131)
    assert gate.admit("a", 131) == Go()


def test_a_403_closes_one_app_only(gate: Gate) -> None:
    """The other apps of the connection go on."""
    gate.admit("a", 10)
    gate.record("a", PROBE, FORBIDDEN, 10)
    assert gate.admit("a", 11) == Refused(FORBIDDEN, 70)
    assert gate.admit("b", 11) == Go()
    assert gate.admit("a", 70) == Go()
    assert gate.admit("a", 70) == WaitForProbe(of_app=True)
    gate.record("a", PROBE, OK, 70)
    assert gate.admit("a", 70) == Go()


def test_a_403_proves_a_new_token() -> None:
    """A service that forbids one app knows who asks: the other apps need no probe."""
    gate = Gate()
    gate.admit("a", 0)
    gate.record("a", PROBE, FORBIDDEN, 0)
    assert gate.admit("b", 0) == Go()
    assert gate.admit("c", 0) == Go()


@pytest.mark.parametrize(("asked", "waited"), [(30, 30), (999_999, MAX_RETRY_AFTER)])
def test_retry_after_holds_the_connection(gate: Gate, asked: float, waited: float) -> None:
    """Everybody waits as long as the remote asks, an hour at the most, and a shorter wish does not cut it."""
    failure = Failed(SyncReason.RATE_LIMITED, "slowly", asked)
    gate.admit("a", 0)
    gate.admit("b", 0)
    gate.record("a", PROBE, failure, 0)
    gate.record("b", PROBE, Failed(SyncReason.RATE_LIMITED, "slowly", 1), 0)
    assert gate.admit("b", waited - 1) == Refused(failure, waited)
    assert gate.admit("b", waited) == Go()


def test_an_outage_says_nothing_of_the_token() -> None:
    """A new connection whose server is away stays half open: one request at a time, and those who wait are told."""
    away = Failed(SyncReason.UNREACHABLE, "away")
    gate = Gate()
    gate.admit("a", 0)
    gate.record("a", PROBE, away, 10)
    assert gate.admit("a", 10) == Refused(away, 10 + RETRY_INTERVAL)
    assert gate.open_breakers == 0
    assert gate.admit("a", 10 + RETRY_INTERVAL) == Go()
    assert gate.admit("b", 10 + RETRY_INTERVAL) == WaitForProbe()


def test_a_list_that_fails_leaves_the_way_to_the_single_request() -> None:
    """It may be too large for the server; a new connection is judged by the request for one backup."""
    gate = Gate()
    gate.admit(None, 0)
    gate.record(None, PROBE, Failed(SyncReason.UNREACHABLE, "cut off"), 10)
    assert gate.admit("a", 10) == Go()


def test_an_outage_does_not_close_a_breaker(gate: Gate) -> None:
    """A refused token stays refused while the server is away, and is tried once a minute."""
    gate.admit("a", 0)
    gate.record("a", PROBE, UNAUTHORIZED, 0)
    assert gate.admit("a", 60) == Go()
    gate.record("a", PROBE, Failed(SyncReason.UNREACHABLE, "away"), 65)
    assert gate.admit("a", 66) == Refused(UNAUTHORIZED, 125)
    assert gate.open_breakers == 1


@pytest.mark.parametrize("reason", ["Unreachable", "ServerError", "RateLimited", "UnexpectedResponse", "URLNotAllowed"])
@pytest.mark.parametrize("refusal", [UNAUTHORIZED, FORBIDDEN])
def test_a_probe_that_proves_nothing_leaves_the_next_one_a_minute_away(
    gate: Gate, refusal: Failed, reason: str
) -> None:
    """Whatever else goes wrong, a refused token or app costs one request a minute."""
    gate.admit("a", 0)
    gate.record("a", PROBE, refusal, 0)
    assert gate.admit("a", 60) == Go()
    gate.record("a", PROBE, Failed(SyncReason(reason), "no"), 61)
    assert gate.admit("a", 62) == Refused(refusal, 121)
    assert gate.admit("a", 121) == Go()
    gate.record("a", PROBE, OK, 122)
    assert gate.admit("a", 122) == Go()


def test_only_the_probe_ends_the_probing(gate: Gate) -> None:
    """A request from before the breaker opened may end while the probe is under way."""
    before = gate.admit("a", 0)
    assert isinstance(before, Go)
    gate.admit("b", 0)
    gate.record("b", PROBE, UNAUTHORIZED, 0)
    assert gate.admit("c", 60) == Go()
    gate.record("a", before, Failed(SyncReason.UNREACHABLE, "away"), 61)
    assert gate.admit("d", 62) == WaitForProbe()


def test_a_cancelled_probe_lets_the_next_one_go() -> None:
    """A request that ends without an answer does not block the connection for ever."""
    gate = Gate()
    gate.admit("a", 0)
    gate.abandon("a", PROBE)
    assert gate.admit("b", 0) == Go()


def test_a_403_for_a_list_closes_nothing(gate: Gate) -> None:
    """It proves the token, and only means that the backups have to be asked for one by one."""
    assert gate.admit(None, 1) == Go()
    gate.record(None, PROBE, FORBIDDEN, 1)
    assert gate.admit("a", 1) == Go()
    assert not gate.is_guarded("a")


def test_a_list_can_prove_a_new_token() -> None:
    """Or show that it is refused."""
    gate = Gate()
    assert gate.admit(None, 0) == Go()
    assert gate.admit("a", 0) == WaitForProbe()
    gate.record(None, PROBE, UNAUTHORIZED, 0)
    assert gate.admit("a", 1) == Refused(UNAUTHORIZED, 60)


def test_no_more_than_so_many_requests_a_second(gate: Gate) -> None:
    """A burst goes at once, and what is beyond it waits for its turn."""
    for _ in range(int(BURST)):
        assert gate.admit("a", 100) == Go()
    assert gate.admit("a", 100) == WaitUntil(100 + 1 / REQUESTS_PER_SECOND)
    assert gate.admit("a", 100.5) == Go()
    later = [gate.admit("a", 101.5) for _ in range(int(REQUESTS_PER_SECOND) + 1)]
    assert later.count(Go()) == REQUESTS_PER_SECOND


def test_a_429_without_a_time_is_a_short_pause_for_all(gate: Gate) -> None:
    """Nobody goes on at full speed against a server that asks for fewer requests."""
    limited = Failed(SyncReason.RATE_LIMITED, "no")
    gate.record("a", Go(), limited, 10)
    assert gate.admit("b", 11) == Refused(limited, 10 + RETRY_INTERVAL)
    assert gate.admit("b", 10 + RETRY_INTERVAL) == Go()


def test_a_server_that_only_fails_counts_as_away() -> None:
    """Nobody waits in a long line for one error after the other; but one alone may be about one backup."""
    gate, error = Gate(), Failed(SyncReason.SERVER_ERROR, "no")
    for number in range(3):
        assert gate.admit("a", number) == Go()
        gate.record("a", PROBE, error, number)
    assert gate.admit("b", 3) == Refused(error, 2 + RETRY_INTERVAL)
