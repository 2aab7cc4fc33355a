"""Intervals, jitter, backoff and staleness."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astra_mirror.api.app_backup_ref import AppBackupRefStatus
from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.schedule import (
    MAX_BACKOFF,
    Pace,
    after_failure,
    backoff,
    interval_of,
    jittered,
    stale_after,
    urgency,
)
from tests.core.cases import ROWS, spec

PACE = Pace(15, 900, 900)


@pytest.mark.parametrize("row", ["nothing-yet", "pending", "running", "deleting", "unknown", "unrecognized"])
def test_what_is_not_settled_is_polled_at_the_refs_interval(row: str) -> None:
    """The ref's own interval, else the administrator's."""
    status = AppBackupRefStatus.model_validate(ROWS[row])
    assert interval_of(spec(), status, PACE) == 15
    assert interval_of(spec(interval="90s"), status, PACE) == 90


@pytest.mark.parametrize("row", ["completed", "failed", "removed", "not-found", "failing-not-found"])
def test_what_is_settled_is_polled_slowly(row: str) -> None:
    """The settled interval, but never shorter than the ref's own."""
    status = AppBackupRefStatus.model_validate(ROWS[row])
    assert interval_of(spec(interval="5s"), status, PACE) == 900
    assert interval_of(spec(interval="1h"), status, PACE) == 3600


@given(st.floats(1, 86400), st.floats(0, 1))
def test_jitter_is_ten_percent(interval: float, draw: float) -> None:
    """A jittered interval is within ±10%."""
    assert 0.899 * interval <= jittered(interval, draw) <= 1.101 * interval


@given(st.floats(1, 86400), st.integers(0, 10_000), st.floats(0, 1))
def test_backoff_is_never_hasty_and_never_endless(interval: float, failures: int, draw: float) -> None:
    """From the interval to 15 minutes, or the interval where that is longer; and growing."""
    delay = backoff(interval, failures, draw)
    assert interval <= delay <= max(interval, MAX_BACKOFF) * 1.000001
    assert backoff(interval, failures + 1, draw) >= delay


def test_staleness_leaves_time_for_three_polls() -> None:
    """--stale-after, and three intervals where that is longer."""
    assert stale_after(15, PACE) == 900
    assert stale_after(900, PACE) == 2700


def test_who_comes_first() -> None:
    """New refs before running backups, these before settled ones; and none waits for ever."""
    new, active = urgency(is_observed=False, is_at_rest=False), urgency(is_observed=True, is_at_rest=False)
    assert new < active < urgency(is_observed=True, is_at_rest=True) < 3600


@given(st.floats(1, 86400), st.integers(0, 1000), st.floats(0, 1), st.floats(0, 10))
def test_after_a_retry_after_a_ref_is_asked_when_it_ends(
    interval: float, failures: int, draw: float, ended: float
) -> None:
    """No backoff beside it, however often it has failed; but never sooner than its interval or a minute."""
    for pause in (1.0, 30.0, 3600.0, 99_999.0):
        for reason in (SyncReason.SERVER_ERROR, SyncReason.UNAUTHORIZED, SyncReason.RATE_LIMITED):
            delay = after_failure(Failed(reason, "no", retry_after=pause), interval, failures, draw, ended)
            assert delay == max(ended + min(pause, 3600), min(interval, 60))


@pytest.mark.parametrize("reason", [SyncReason.UNAUTHORIZED, SyncReason.FORBIDDEN, SyncReason.TLS_VERIFICATION_FAILED])
def test_who_is_refused_is_asked_again_in_a_minute(reason: SyncReason) -> None:
    """With the probe, however often that has failed."""
    assert after_failure(Failed(reason, "no"), 15, 1000, 0.99, 0.1) == 60


@given(st.floats(1, 86400), st.integers(0, 1000), st.floats(0, 1))
def test_after_any_other_failure_there_is_a_backoff(interval: float, failures: int, draw: float) -> None:
    """Also where the remote has sent a Retry-After of no time."""
    for failure in (Failed(SyncReason.SERVER_ERROR, "no"), Failed(SyncReason.SERVER_ERROR, "no", retry_after=0)):
        assert after_failure(failure, interval, failures, draw, 0.1) == backoff(interval, failures, draw)
