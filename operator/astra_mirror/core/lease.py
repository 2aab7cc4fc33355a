"""Leader election's decision, the one that client-go's elector makes: who holds a Lease, and may it be taken?

What counts is how long a record has stood unchanged by the own monotonic clock, never the times inside it: clocks of
two machines differ.
"""

from dataclasses import dataclass
from typing import Final

DURATION: Final = 15.0
"""Seconds that a holder may go without renewing before another takes over."""
RENEW_DEADLINE: Final = 10.0
"""Seconds after the last renewal at which a holder must consider itself deposed; shorter than DURATION."""
RETRY: Final = 2.0
"""Seconds between renewals."""
ATTEMPT: Final = 1.0
"""Seconds between attempts to take it, or to renew it when that has failed."""


@dataclass(frozen=True, slots=True)
class Record:
    """A Lease as read: its holder ("" for none), and its version, which changes with each renewal."""

    holder: str
    version: str


@dataclass(frozen=True, slots=True)
class Sighting:
    """When a record was first seen, monotonic seconds."""

    record: Record
    at: float


def sight(record: Record, last: Sighting | None, now: float) -> Sighting:
    """The sighting of `record`: the last one while the record stays the same."""
    return last if last is not None and last.record == record else Sighting(record, now)


def may_take(sighting: Sighting, identity: str, now: float) -> bool:
    """Whether `identity` may write itself into the Lease."""
    holder = sighting.record.holder
    return holder in {"", identity} or now - sighting.at > DURATION
