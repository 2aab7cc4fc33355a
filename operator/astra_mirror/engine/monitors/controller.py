"""What the leader does for monitors beside polling and writing statuses: deadlines, due lists, refs."""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from astra_mirror.core.monitor.listing import SECOND, nanoseconds_of
from astra_mirror.core.schedule import Pace
from astra_mirror.engine.monitors.deadlines import Deadlines
from astra_mirror.engine.monitors.late_judge import LateJudge, memory_of
from astra_mirror.engine.monitors.news import MonitorNews
from astra_mirror.engine.monitors.ports import RefAPI, RefInformer
from astra_mirror.engine.monitors.ref_rounds import RefRounds
from astra_mirror.engine.monitors.remote import ListKeeper
from astra_mirror.engine.monitors.watching import OwnRefs, Watched
from astra_mirror.engine.next_report import next_report
from astra_mirror.engine.performer import Performer
from astra_mirror.engine.state.tracked import Tracked
from astra_mirror.support.time_slices import TimeSlice

_LOOK_SECONDS: Final = 1.0
"""How often the wall clock is looked at: it may be set."""
_AFTER_DEADLINE: Final = 0.001
_ROUND_SECONDS: Final = 1.0
"""How often at most a monitor has a round because something has changed."""
_WORKERS: Final = 8
"""How many namespaces are written to at a time."""

logger = logging.getLogger(__name__)


class MonitorController:
    """The controller of monitors.

    Args:
        performer: performs effects in the engine.
        monitors: the monitors that were seen.
        refs: the refs of all monitors.
        lists: Astra Control, with the last lists.
        api: the refs on the API server.
        informer: of the refs.
        pace: the administrator's intervals.
    """

    def __init__(
        self,
        performer: Performer,
        monitors: Watched,
        refs: OwnRefs,
        *,
        lists: ListKeeper,
        api: RefAPI,
        informer: RefInformer,
        pace: Pace,
    ) -> None:
        self._performer = performer
        self._index = performer.parts.objects.index
        self._monitors = monitors
        self._refs = refs
        self._lists = lists
        self._clocks = clocks = performer.parts.clocks
        self._pace = pace
        self._deadlines = Deadlines(performer.parts.objects, performer.parts.queues, lists, clocks, pace)
        self._judge = LateJudge(performer, clocks, pace)
        self._rounds = RefRounds(api, refs, self._index, clocks)
        self._informer = informer
        self._news = MonitorNews(self._index, monitors, refs)
        self._due: dict[str, float] = {}
        self._began: dict[str, float] = {}

    async def run(self) -> None:
        """Work until cancelled, while this process leads."""
        self._news.forget()
        self._due.clear()
        # Deadlines that passed while another process led are asked about anew.
        self._deadlines.forget()
        self._rounds.begin({uid: _list_of(self._index.get(uid)) for uid in self._monitors})
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_WORKERS):
                tasks.create_task(self._write())
            while True:
                try:
                    await self._look()
                except Exception:  # a defect here must not end what the engine does for refs, nor happen all the time
                    logger.exception("The deadlines of monitors could not be looked at")
                    await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self) -> None:
        """Look at all monitors, then wait until a deadline has passed, and a second at most."""
        time_slice, now = TimeSlice(), self._clocks.monotonic()
        for app, backups in self._lists.take_completed().items():
            steps, is_waiting = self._deadlines.list_is_due(app)
            for step in steps:
                self._performer.perform(step)
            if is_waiting:
                # Its answer may be of before: then another one follows.
                self._lists.note_completed(app, backups)
        found = await self._news.look(self._clocks.utcnow(), time_slice)
        for uid in found.changed:
            self._submit(uid)
        self._forget(found.gone)
        async for each in self._deadlines.passed(found.passed, time_slice):
            self._performer.perform(each)
        self._submit_due()
        ends = now + _LOOK_SECONDS
        if found.ahead is not None:
            seconds = (found.ahead * SECOND - nanoseconds_of(self._clocks.utcnow())) / SECOND
            ends = min(ends, self._clocks.monotonic() + seconds + _AFTER_DEADLINE)
        await self._wait(ends)

    def _forget(self, monitors: Iterable[str]) -> None:
        for uid in monitors:
            self._due.pop(uid, None)
            self._began.pop(uid, None)
            self._rounds.forget(uid)

    async def _wait(self, ends: float) -> None:
        """Wait until then; meanwhile, monitors whose refs have changed get a round."""
        while (now := self._clocks.monotonic()) < ends:
            is_waiting = self._informer.not_ready_reason is not None
            due = ends if is_waiting else min(self._due.values(), default=ends)
            with suppress(TimeoutError):
                async with asyncio.timeout(max(min(ends, due) - now, 0.0)):
                    await self._refs.has_changed.wait()
            # What is taken first is not taken again after an exception.
            changed = self._refs.take_changed()
            for uid in changed:
                self._submit(uid)
            self._submit_due()

    # Rounds.

    def _submit(self, uid: str, at: float = 0.0) -> None:
        """Let a monitor have a round then, and a second after its last one at the earliest."""
        at = max(at, self._began.get(uid, float("-inf")) + _ROUND_SECONDS)
        self._due[uid] = min(at, self._due.get(uid, at))

    def _submit_due(self) -> None:
        if self._informer.not_ready_reason is not None:
            # A ref that is not known yet would be made a second time, where its backup has another name by now.
            return
        now = self._clocks.monotonic()
        for uid in [uid for uid, at in self._due.items() if at <= now]:
            del self._due[uid]
            tracked = self._index.get(uid)
            if tracked is not None and uid in self._news:
                self._rounds.submit(tracked.namespace, uid)

    async def _write(self) -> None:
        while True:
            namespace, uid = await self._rounds.next()
            try:
                await self._round(uid)
            except Exception:  # a defect in one round must not end the others
                logger.exception(
                    "The refs of a monitor in the namespace %s could not be written",
                    namespace,
                    extra={"namespaces": [namespace]},
                )
            finally:
                self._rounds.end(namespace)

    async def _round(self, uid: str) -> None:
        tracked = self._index.get(uid)
        number = _list_of(tracked)
        if tracked is None or number is None or self._rounds.is_of_before(uid, number):
            return
        self._began[uid] = self._clocks.monotonic()
        tracked = await self._judge.judged(tracked)
        ended = await self._rounds.round(tracked)
        tracked = self._index.get(uid)
        if tracked is None:
            # What the round has noted of it is of no use any more.
            self._forget([uid])
            return
        if ended.again_in == 0:
            self._rounds.submit(tracked.namespace, uid)
        elif ended.again_in is not None:
            self._submit(uid, self._clocks.monotonic() + ended.again_in)
        memory, report = memory_of(tracked), ended.report
        known = None if memory is None else memory.refs
        # What was found for another spec says nothing about this one.
        if report is not None and report != known and report.generation == tracked.desire.generation:
            self._performer.perform(next_report(tracked, report, self._clocks.moment(), self._pace))


def _list_of(tracked: Tracked | None) -> int | None:
    """When the last list of a monitor was requested, which tells it from others; None without one."""
    memory = memory_of(tracked)
    return None if memory is None else memory.number
