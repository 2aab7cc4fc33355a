"""What the leader does for monitors beside polling and writing statuses: deadlines, due lists, refs."""

import asyncio
import logging
from contextlib import suppress
from typing import Final

from astra_mirror.core.monitor.listing import nanoseconds_of
from astra_mirror.core.schedule import Pace
from astra_mirror.engine.kinds.app_backup_monitor import Memory
from astra_mirror.engine.monitors.deadlines import Deadlines
from astra_mirror.engine.monitors.ports import RefAPI
from astra_mirror.engine.monitors.ref_rounds import REPEAT_SECONDS, RefRounds
from astra_mirror.engine.monitors.remote import ListKeeper
from astra_mirror.engine.monitors.watching import OwnRefs, Watched
from astra_mirror.engine.next_report import next_report
from astra_mirror.engine.performer import Performer
from astra_mirror.engine.ports import Clocks

_LOOK_SECONDS: Final = 1.0
"""How often the wall clock is looked at: it may be set."""
_AFTER_DEADLINE: Final = 0.001
_WORKERS: Final = 4
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
        clocks: the clocks and the random samples.
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
        clocks: Clocks,
        pace: Pace,
    ) -> None:
        self._performer = performer
        self._index = performer.parts.objects.index
        self._monitors = monitors
        self._refs = refs
        self._lists = lists
        self._clocks = clocks
        self._pace = pace
        self._deadlines = Deadlines(performer.parts.objects, clocks, pace)
        self._rounds = RefRounds(api, refs, clocks)
        self._seen: dict[str, tuple[object, object]] = {}
        self._repeat: dict[str, float] = {}

    async def run(self) -> None:
        """Work until cancelled, while this process leads."""
        self._seen.clear()
        self._repeat.clear()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_WORKERS):
                tasks.create_task(self._write())
            while True:
                try:
                    self._look()
                except Exception:  # a defect here must not end what the engine does for refs
                    logger.exception("The deadlines of monitors could not be looked at")
                await self._wait()

    async def _wait(self) -> None:
        """Wait until a ref has changed, or a deadline has passed, and a second at most."""
        at, now = self._deadlines.next_at(self._monitors), nanoseconds_of(self._clocks.utcnow())
        seconds = _LOOK_SECONDS if at is None else min(_LOOK_SECONDS, (at - now) / 1e9 + _AFTER_DEADLINE)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._refs.has_changed.wait()

    def _look(self) -> None:
        for step in self._deadlines.list_is_due(self._lists.take_completed(), self._monitors):
            self._performer.perform(step)
        for each in self._deadlines.passed(self._monitors):
            self._performer.perform(each)
        self._submit_rounds()

    # Refs.

    def _submit_rounds(self) -> None:
        """Let each monitor have a round that has a new list or a new spec, or whose refs have changed."""
        now, changed = self._clocks.monotonic(), set(self._refs.take_changed())
        changed |= {uid for uid, at in self._repeat.items() if at <= now}
        present = set[str]()
        for uid in self._monitors:
            tracked = self._index.get(uid)
            if tracked is None:
                continue
            present.add(uid)
            memory = tracked.reported.memory
            state = (memory.read if isinstance(memory, Memory) else None, tracked.spec)
            before = self._seen.get(uid)
            if uid in changed or before is None or any(a is not b for a, b in zip(state, before, strict=True)):
                self._seen[uid] = state
                self._repeat.pop(uid, None)
                self._rounds.submit(tracked.namespace, uid)
        if len(self._seen) > len(present):
            self._seen = {uid: each for uid, each in self._seen.items() if uid in present}
            self._repeat = {uid: each for uid, each in self._repeat.items() if uid in present}
            self._rounds.retain(present)

    async def _write(self) -> None:
        while True:
            namespace, uid = await self._rounds.next()
            try:
                await self._round(uid)
            except Exception:  # a defect in one round must not end the others
                logger.exception("The refs of a monitor in the namespace %s could not be written", namespace)
            finally:
                self._rounds.end(namespace)

    async def _round(self, uid: str) -> None:
        tracked = self._index.get(uid)
        if tracked is None:
            return
        report, is_to_be_repeated = await self._rounds.round(tracked)
        if is_to_be_repeated:
            self._repeat[uid] = self._clocks.monotonic() + REPEAT_SECONDS
        tracked = self._index.get(uid)
        memory = tracked.reported.memory if tracked is not None else None
        known = memory.refs if isinstance(memory, Memory) else None
        if tracked is not None and report is not None and report != known:
            self._performer.perform(next_report(tracked, report, self._clocks.moment(), self._pace))
