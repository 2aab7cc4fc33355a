"""When a ref is polled next, and when its observation is stale.

Durations are in seconds. A draw is a random number from 0 to 1. All refs of an app have the same draw in each round, so
that they stay together and share a request.
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
"""The last part of its interval in which a ref also shares another ref's request."""
_URGENT_SECONDS, _ACTIVE_SECONDS, _SETTLED_SECONDS = 0.0, 5.0, 60.0


@dataclass(frozen=True, slots=True)
class Pace:
    """The administrator's intervals: --interval, --settled-interval, --stale-after, --monitor-interval."""

    interval: float = 15.0
    settled_interval: float = 900.0
    stale_after: float = 900.0
    monitor_interval: float = 300.0


def is_at_rest(status: AppBackupRefStatus) -> bool:
    """Whether nothing is expected to change soon."""
    # An observed status without a state is that of a backup which does not exist, which is settled as well.
    return is_settled(status.state) if status.state is not None else is_observed(status)


def interval_of(spec: AppBackupRefSpec, status: AppBackupRefStatus, pace: Pace) -> float:
    """The interval that applies, without jitter and backoff."""
    active = spec.interval or pace.interval
    return max(pace.settled_interval, active) if is_at_rest(status) else active


def jittered(interval: float, draw: float) -> float:
    """`interval` ±10%."""
    return interval * (1 - JITTER + 2 * JITTER * draw)


def backoff(interval: float, failures: int, draw: float) -> float:
    """The delay after the `failures`-th failure in a row: exponential, with full jitter up to 15 minutes.

    It is never shorter than the interval, because an error is no reason to poll more often.
    """
    ceiling = max(interval, min(MAX_BACKOFF, interval * 2.0 ** min(failures, 20)))
    return interval + (ceiling - interval) * draw


def after_failure(failure: Failed, interval: float, failures: int, draw: float, ended: float) -> float:
    """How many seconds after its request was sent a failed ref is polled again.

    With a Retry-After: when that has passed, but no sooner than after the interval or a minute, whichever is less.
    After a refusal: when a probe is due. After any other failure: after a backoff.

    Args:
        failure: the failure of its poll.
        interval: the interval of the ref.
        failures: the number of polls that failed in a row.
        draw: a random number from 0 to 1.
        ended: seconds from the request to its end.
    """
    if failure.pause is not None:
        return max(ended + failure.pause, min(interval, PROBE_INTERVAL))
    if failure.reason.facts.retry is Retry.PROBE:
        return max(ended, PROBE_INTERVAL)
    return backoff(interval, failures, draw)


def stale_after(interval: float, pace: Pace) -> float:
    """How old the last success may be: --stale-after, but never less than three intervals."""
    return max(pace.stale_after, _STALE_INTERVALS * interval)


def shares_from(next_poll: float, interval: float) -> float:
    """From when on a ref that is not due yet shares another ref's request."""
    return next_poll - _SOON * interval


def urgency(*, is_observed: bool, is_at_rest: bool) -> float:
    """How many seconds a poll may be delayed in favour of others: none for a new ref, most for a settled backup."""
    if not is_observed:
        return _URGENT_SECONDS
    return _SETTLED_SECONDS if is_at_rest else _ACTIVE_SECONDS
