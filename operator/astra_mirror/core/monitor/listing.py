"""The list of an app's backups as a whole, as an answer for monitors, and the times in it.

Times are nanoseconds since 1970 in UTC: a deadline is rounded up, which a float could do twice.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from astra_mirror.core.outcome import Described, Failed

SECOND: Final = 1_000_000_000
_AHEAD: Final = 300 * SECOND
"""How far ahead of the operator's clock a backup's time may be."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIMESTAMP: Final = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)
_MISSING: Final = "0001-01-01"
"""The day that a server writes where it has no time."""


class ListedBackup(NamedTuple):
    """A backup as a list describes it. IDs are in lower case.

    Attributes:
        id: its ID.
        name: its name; None if the list has none.
        state: its state, verbatim.
        schedule_id: the schedule that made it; empty if none did.
        time: when it was taken; None if that is missing or unreadable.
        total_bytes: its size; None if the list has none.
        hook_state: whether the execution hooks succeeded, verbatim; None if the list has none.
    """

    id: str
    name: str | None
    state: str
    schedule_id: str
    time: int | None
    total_bytes: int | None = None
    hook_state: str | None = None

    def is_usable_at(self, now: int) -> bool:
        """Whether its time is known, and not ahead of the operator's clock."""
        return self.time is not None and self.time <= now + _AHEAD

    @property
    def usable_from(self) -> int | None:
        """When its time is ahead of the clock no more; None if that is not known."""
        return None if self.time is None else self.time - _AHEAD


@dataclass(frozen=True, slots=True, weakref_slot=True)
class WholeList(Described):
    """All backups in a complete list.

    Attributes:
        total: the number of all of them, also of those that are not described validly.
        backups: the others, each once, the latest first.
        size: the bytes that it takes in memory.
    """

    total: int
    backups: tuple[ListedBackup, ...]
    size: int = 0


@dataclass(frozen=True, slots=True)
class ListRead(Described):
    """A list, and when its request was sent: what it says is judged as of then, and again each time it is delivered.

    Attributes:
        whole: the list.
        sent: when it was requested, in nanoseconds since 1970.
        ordered: for one monitor, its selected backups in their order, if these were found out beforehand.
    """

    whole: WholeList
    sent: int
    ordered: tuple[ListedBackup, ...] | None = None


@dataclass(frozen=True, slots=True)
class NotKept(Failed):
    """There is no memory for a list. What is kept of the one before goes as well."""


def nanoseconds_of(moment: datetime) -> int:
    """`moment`, which has a time zone, in nanoseconds."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def read_time(value: object) -> int | None:
    """The time that a JSON value denotes in RFC 3339, also without a zone, which is UTC then; None for any other."""
    found = _TIMESTAMP.fullmatch(value) if isinstance(value, str) else None
    if found is None or found[1] == _MISSING:
        return None
    zone = (found[4] or "Z").upper()
    try:
        moment = datetime.fromisoformat(f"{found[1]}T{found[2]}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return nanoseconds_of(moment) + int((found[3] or "0")[:9].ljust(9, "0"))


def seconds_text(seconds: int) -> str:
    """A time in whole seconds since 1970 as RFC 3339."""
    # Not strftime: it writes a year before 1000 with fewer digits.
    return (_EPOCH + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def time_text(time: int) -> str:
    """A time as RFC 3339, in whole seconds that have passed."""
    return seconds_text(time // SECOND)
