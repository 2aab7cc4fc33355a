"""Which backups of a list count for a monitor, their order, and their number by state."""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from operator import is_
from typing import Final

from astra_mirror.api.app_backup_monitor import Backups, Select
from astra_mirror.core.monitor.listing import ListedBackup, ListRead, WholeList

UNDER_WAY = frozenset({"pending", "discovering", "running"})
"""The states of a backup that may still complete."""
COMPLETED = "completed"
_FAILED = "failed"
_MAX_KEPT: Final = 2000
"""How many backups are kept in an order of their own: each monitor of an app has one."""
_MAX_COMPARED: Final = 8_000_000
"""How many characters of names and patterns are compared at once: a few milliseconds at the worst."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """The backups of a list that count, in their order. A list is sorted once for its status and its refs.

    Attributes:
        read: the list.
        select: which of its backups count.
        backups: those.
    """

    read: ListRead
    select: Select | None
    backups: tuple[ListedBackup, ...]

    @property
    def if_small(self) -> "Ordered | None":
        """None if it takes memory that is not counted with its list."""
        is_own = self.backups is not self.read.whole.backups
        return None if is_own and len(self.backups) > _MAX_KEPT else self


def ordered(read: ListRead, select: Select | None, known: Ordered | None) -> Ordered:
    """The backups that count; `known` is what was found last, of the same list or of another one."""
    steps = ordering(read, select, known)
    while True:
        try:
            next(steps)
        except StopIteration as ended:
            found: Ordered = ended.value
            return found


def ordering(read: ListRead, select: Select | None, known: Ordered | None) -> Generator[None, None, Ordered]:
    """The same in steps, some of them for many backups each."""
    if known is None or not is_known(read, select, known):
        backups = yield from _selecting(read.whole, select)
        return Ordered(read, select, _in_order(read.whole, backups, read.sent))
    # Which of them count has not changed, and is not asked again; which times are usable may have.
    return known if known.read is read else Ordered(read, select, _in_order(read.whole, known.backups, read.sent))


def is_known(read: ListRead, select: Select | None, known: Ordered | None) -> bool:
    """Whether it is known which backups of the list count."""
    return known is not None and known.read.whole is read.whole and known.select is select


def is_costly(read: ListRead, select: Select | None) -> bool:
    """Whether it takes so long to find out which backups count that others would have to wait.

    Each name is searched for each part of each pattern, which may compare each character with each: 16 patterns of 253
    characters take a second for a thousand names of a thousand characters.
    """
    length = _length(select)
    return length > 0 and length * sum(map(_weight, read.whole.backups)) > _MAX_COMPARED


def _length(select: Select | None) -> int:
    return 0 if select is None else sum(map(len, select.names or ()))


def _weight(backup: ListedBackup) -> int:
    return 1 + len(backup.name or "")


def selected(whole: WholeList, select: Select | None, now: int) -> tuple[ListedBackup, ...]:
    """The backups that count: the latest first, those of one time by their IDs, those without a usable time last."""
    return ordered(ListRead(whole, now), select, None).backups


def _selecting(whole: WholeList, select: Select | None) -> Generator[None, None, list[ListedBackup]]:
    found, length, compared = [], _length(select), 0
    for each in whole.backups:
        if select is None or is_selected(each, select):
            found.append(each)
        compared += length * _weight(each)
        if compared > _MAX_COMPARED:
            compared = 0
            yield
    return found


def _in_order(whole: WholeList, backups: Sequence[ListedBackup], now: int) -> tuple[ListedBackup, ...]:
    found = sorted(backups, key=lambda each: _rank(each, now))
    # Where the order is that of the list, there is no need for another one.
    return whole.backups if len(found) == len(whole.backups) and all(map(is_, found, whole.backups)) else tuple(found)


def _rank(backup: ListedBackup, now: int) -> tuple[bool, int, str]:
    if backup.time is None or not backup.is_usable_at(now):
        return (True, 0, backup.id)
    return (False, -backup.time, backup.id)


def is_selected(backup: ListedBackup, select: Select) -> bool:
    """Whether the backup counts: its schedule and its name both match, where they are asked for."""
    if select.schedule_ids and backup.schedule_id not in select.schedule_ids:
        return False
    return not select.names or any(is_match(each, backup.name or "") for each in select.names)


def is_match(pattern: str, name: str) -> bool:
    """Whether the whole name matches: * stands for any characters, and nothing else is special.

    Each part between wildcards is looked for once, from left to right, where it first occurs.
    """
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == name
    *middle, last = rest
    if not name.startswith(first):
        return False
    at = len(first)
    for part in middle:
        found = name.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return len(name) - at >= len(last) and name.endswith(last)


def is_good(backup: ListedBackup, now: int) -> bool:
    """Whether the backup is complete, and when it was taken is known."""
    return backup.state == COMPLETED and backup.is_usable_at(now)


def newest(ordered: Iterable[ListedBackup], now: int) -> ListedBackup | None:
    """The first of these, in their order, whose time is usable."""
    return next((each for each in ordered if each.is_usable_at(now)), None)


def counted(whole: WholeList, found: Sequence[ListedBackup]) -> Backups:
    """How many there are, and of the selected ones by state."""
    states = [each.state for each in found]
    completed, failed = states.count(COMPLETED), states.count(_FAILED)
    in_progress = sum(each in UNDER_WAY for each in states)
    return Backups(
        total=whole.total,
        selected=len(states),
        completed=completed,
        in_progress=in_progress,
        failed=failed,
        other=len(states) - completed - in_progress - failed,
    )
