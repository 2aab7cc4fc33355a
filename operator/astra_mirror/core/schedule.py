"""When a ref is polled next, and when what was observed is too old to count.

Every duration is in seconds. Draws are numbers from 0 to 1, passed in: one for an app and round, so that the refs of an
app stay together and cost one request.
"""

from dataclasses import dataclass
from typing import Final

from astra_mirror.api.app_backup_ref import AppBackupRefSpec, AppBackupRefStatus
from astra_mirror.core.backup import is_settled
from astra_mirror.core.circuit import PROBE_INTERVAL
from astra_mirror.core.outcome import Failed
from astra_mirror.core.reasons import Retry
from astra_mirror.core.status import is_observed

JITTER: Final = 0.1
MAX_BACKOFF: Final = 15 * 60.0
_STALE_INTERVALS: Final = 3
_SOON: Final = 0.5
"""The share of its interval before a ref's time in which it is as well served now."""
_URGENT_SECONDS, _ACTIVE_SECONDS, _SETTLED_SECONDS = 0.0, 5.0, 60.0


@dataclass(frozen=True, slots=True)
class Pace:
    """The administrator's intervals: --interval, --settled-interval, --stale-after."""

    interval: float = 15.0
    settled_interval: float = 900.0
    stale_after: float = 900.0


def is_at_rest(status: AppBackupRefStatus) -> bool:
    """Whether nothing is expected to change soon."""
    # Without a state, an observed status is that of a backup which does not exist: a settled matter as well.
    return is_settled(status.state) if status.state is not None else is_observed(status)


def interval_of(spec: AppBackupRefSpec, status: AppBackupRefStatus, pace: Pace) -> float:
    """The interval in force, without jitter and backoff."""
    active = spec.interval or pace.interval
    return max(pace.settled_interval, active) if is_at_rest(status) else active


def jittered(interval: float, draw: float) -> float:
    """`interval` ±10%."""
    return interval * (1 - JITTER + 2 * JITTER * draw)


def backoff(interval: float, failures: int, draw: float) -> float:
    """The delay after the `failures`-th failure in a row: exponential, with full jitter up to 15 minutes.

    Never shorter than the interval: an error is no reason to ask more often.
    """
    ceiling = max(interval, min(MAX_BACKOFF, interval * 2.0 ** min(failures, 20)))
    return interval + (ceiling - interval) * draw


def after_failure(failure: Failed, interval: float, failures: int, draw: float, ended: float) -> float:
    """How many seconds after its request was sent a ref that failed is asked again.

    With a Retry-After when that ends, but no sooner than the ref's interval or a minute, whichever is less; refused,
    when a probe is due; else after a backoff.

    Args:
        failure: how its poll has failed.
        interval: the ref's, in seconds.
        failures: how many polls have failed in a row.
        draw: from 0 to 1.
        ended: seconds from the request to its answer.
    """
    if failure.pause is not None:
        return max(ended + failure.pause, min(interval, PROBE_INTERVAL))
    if failure.reason.facts.retry is Retry.PROBE:
        return max(ended, PROBE_INTERVAL)
    return backoff(interval, failures, draw)


def stale_after(interval: float, pace: Pace) -> float:
    """How old the last success may be: --stale-after, but never less than three intervals."""
    return max(pace.stale_after, _STALE_INTERVALS * interval)


def is_due_soon(next_poll: float, interval: float, now: float) -> bool:
    """Whether a ref that is not due yet is as well served by an answer that is on its way now."""
    return next_poll - now < _SOON * interval


def urgency(*, is_observed: bool, is_at_rest: bool) -> float:
    """For how many seconds a poll may wait behind others: without a status, of an active backup, of a settled one."""
    if not is_observed:
        return _URGENT_SECONDS
    return _SETTLED_SECONDS if is_at_rest else _ACTIVE_SECONDS
