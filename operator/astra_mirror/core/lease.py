"""Leader election as client-go decides it: whether a candidate may take a Lease.

A Lease has expired when its record has not changed for a while, measured by this process's monotonic clock. The times
in the record are never compared, because the clocks of two machines differ.
"""

from dataclasses import dataclass
from typing import Final

LEASE_DURATION: Final = 15.0
"""Seconds without a renewal after which another candidate may take the Lease."""
RENEW_DEADLINE: Final = 10.0
"""Seconds after its last renewal at which a holder has to stop; shorter than LEASE_DURATION."""
RENEW_PERIOD: Final = 2.0
"""Seconds between renewals."""
RETRY_PERIOD: Final = 1.0
"""Seconds between attempts to take the Lease, and between attempts to renew it after a failure."""


@dataclass(frozen=True, slots=True)
class Record:
    """A Lease as read: its holder, "" for none, and its resourceVersion, which changes with each renewal."""

    holder: str
    version: str


@dataclass(frozen=True, slots=True)
class ObservedRecord:
    """A record, and when it was first read, in monotonic seconds."""

    record: Record
    at: float


def observe(record: Record, last: ObservedRecord | None, now: float) -> ObservedRecord:
    """`record` with the time of its first read: `last` while the record has not changed."""
    return last if last is not None and last.record == record else ObservedRecord(record, now)


def may_take(observed: ObservedRecord, identity: str, now: float) -> bool:
    """Whether the candidate `identity` may take or renew the Lease."""
    holder = observed.record.holder
    return holder in {"", identity} or now - observed.at > LEASE_DURATION
