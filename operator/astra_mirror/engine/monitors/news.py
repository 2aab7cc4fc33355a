"""What is new of monitors: lists, specs, and deadlines that have passed. All of them are looked at once a second."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from astra_mirror.core.monitor.listing import SECOND, nanoseconds_of
from astra_mirror.engine.index import Index
from astra_mirror.engine.kinds.app_backup_monitor import MonitorSpec
from astra_mirror.engine.monitors.deadlines import deadline_of
from astra_mirror.engine.monitors.late_judge import memory_of
from astra_mirror.engine.monitors.watching import OwnRefs, Watched
from astra_mirror.engine.state.desire import Desire
from astra_mirror.engine.state.tracked import Tracked
from astra_mirror.support.time_slices import TimeSlice

_AT_ONCE: Final = 64
"""How many monitors are looked at before the time slice is: for most there is nothing to do."""


class _Seen(NamedTuple):
    """What was seen of a monitor last.

    Attributes:
        memory: what is remembered of it.
        desire: what it asks for.
        number: which list it has, see `Memory.number`.
        deadline: its earliest one, in seconds since 1970.
    """

    memory: object
    desire: Desire
    number: int | None
    deadline: int | None


@dataclass(slots=True)
class Found:
    """What a look has found.

    Attributes:
        passed: the uids of the monitors whose deadline has passed.
        ahead: the earliest deadline of the others, in seconds since 1970; None without one.
        changed: the uids of those that have a new list or a new spec, by which their refs may have to change.
        gone: the uids of those that exist no more.
    """

    passed: list[str] = field(default_factory=list)
    ahead: int | None = None
    changed: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


class MonitorNews:
    """Looks at all monitors.

    Args:
        index: all objects.
        monitors: the monitors that were seen.
        refs: the refs of all monitors.
    """

    def __init__(self, index: Index, monitors: Watched, refs: OwnRefs) -> None:
        self._index = index
        self._monitors = monitors
        self._refs = refs
        self._seen: dict[str, _Seen] = {}

    def __contains__(self, uid: str) -> bool:
        """Whether that is a monitor that was looked at."""
        return uid in self._seen

    def forget(self) -> None:
        """Everything is new at the next look."""
        self._seen.clear()

    async def look(self, utc: datetime, time_slice: TimeSlice) -> Found:
        """What is new at that time since the last look."""
        found, now, count = Found(), nanoseconds_of(utc), 0
        for uid in self._monitors:
            tracked, seen = self._index.get(uid), self._seen.get(uid)
            if tracked is None:
                continue
            count += 1
            if not count % _AT_ONCE:
                await time_slice.checkpoint()
            if seen is None or seen.memory is not tracked.reported.memory or seen.desire is not tracked.desire:
                seen = self._look_at(tracked, seen, found)
            if seen.deadline is None:
                continue
            if now > seen.deadline * SECOND:
                found.passed.append(uid)
            elif found.ahead is None or seen.deadline < found.ahead:
                found.ahead = seen.deadline
        if len(self._seen) > count:
            present = set(self._monitors)
            found.gone = [uid for uid in self._seen if uid not in present]
            for uid in found.gone:
                del self._seen[uid]
        return found

    def _look_at(self, tracked: Tracked, before: _Seen | None, found: Found) -> _Seen:
        uid, memory = tracked.uid, memory_of(tracked)
        number = None if memory is None else memory.number
        seen = self._seen[uid] = _Seen(tracked.reported.memory, tracked.desire, number, deadline_of(tracked))
        is_same = before is not None and before.number == number and before.desire.spec is tracked.spec
        if not is_same and (not _has_no_refs(tracked) or self._refs.of(tracked.namespace, uid)):
            found.changed.append(uid)
        return seen


def _has_no_refs(tracked: Tracked) -> bool:
    """Whether a monitor makes no refs, and a round has found that it has none."""
    spec, memory = tracked.spec, memory_of(tracked)
    if not isinstance(spec, MonitorSpec) or spec.model.mirror is not None or memory is None or memory.later is not None:
        return False
    return memory.refs is not None and not memory.refs.is_shown and memory.refs.generation == tracked.desire.generation
