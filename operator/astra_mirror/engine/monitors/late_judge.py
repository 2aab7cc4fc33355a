"""Judges the lists for which it takes long to find out which of their backups count for a monitor.

A list may have thousands of names, and a monitor 16 patterns of a hundred wildcards each. Meanwhile the status stands.
"""

from dataclasses import replace

from astra_mirror.core.monitor.memory import Memory
from astra_mirror.core.monitor.selection import ordering
from astra_mirror.core.schedule import Pace
from astra_mirror.engine.effects import CheckAt, Step
from astra_mirror.engine.kinds.app_backup_monitor import MonitorSpec
from astra_mirror.engine.monitors.steps import in_slices
from astra_mirror.engine.next_report import next_report
from astra_mirror.engine.performer import Performer
from astra_mirror.engine.ports import Clocks
from astra_mirror.engine.state import polling
from astra_mirror.engine.state.tracked import Tracked
from astra_mirror.support.time_slices import TimeSlice


class LateJudge:
    """Judges such lists.

    Args:
        performer: performs effects in the engine.
        clocks: the clocks.
        pace: the administrator's intervals.
    """

    def __init__(self, performer: Performer, clocks: Clocks, pace: Pace) -> None:
        self._performer = performer
        self._clocks = clocks
        self._pace = pace

    async def judged(self, tracked: Tracked) -> Tracked:
        """The monitor, after its last list has been judged if that was put off."""
        memory, spec = memory_of(tracked), tracked.spec
        if memory is None or memory.later is None or not isinstance(spec, MonitorSpec):
            return tracked
        read, time_slice = memory.later.read, TimeSlice(tracked.namespace)
        found = await in_slices(ordering(read, spec.model.select, memory.ordered), time_slice)
        now = self._performer.parts.objects.index.get(tracked.uid)
        memory = memory_of(now)
        # Another poll may have brought the same list meanwhile.
        later = None if memory is None else memory.later
        if now is None or now.spec is not spec or later is None or later.read.whole is not read.whole:
            return now or tracked
        moment = self._clocks.moment()
        step = next_report(
            now,
            replace(later.read, ordered=found.backups),
            moment,
            self._pace,
            handled=later.handled,
            has_new_secret=later.has_new_secret,
        )
        self._performer.perform(step)
        return self._polled_in_time(step.tracked)

    def _polled_in_time(self, tracked: Tracked) -> Tracked:
        """When it was polled last, it was not known yet whether a backup is under way."""
        before = tracked.polling
        at = before.last_request_at + tracked.reported.interval
        if before.next_poll_at <= at or self._performer.parts.objects.in_flight.request_of(tracked.uid) is not None:
            return tracked
        changed = tracked.but(polling=polling.next_at(before, at))
        self._performer.perform(Step(changed, (CheckAt(tracked.uid, at),)))
        return changed


def memory_of(tracked: Tracked | None) -> Memory | None:
    """What is remembered of a monitor."""
    memory = tracked.reported.memory if tracked is not None else None
    return memory if isinstance(memory, Memory) else None
