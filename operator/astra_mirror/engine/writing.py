"""Writes statuses: as soon as something changes, when a delay ends, and not while the API server is away.

engine.status_writer decides what is written. Objects read after a conflict, and deletions found by a write, go to the
inbox.
"""

import asyncio
import logging
from functools import partial
from typing import Final

from astra_mirror.core.write_results import Gone, Refused, Stored, WriteResult
from astra_mirror.engine.effects import Moved, SendPatch
from astra_mirror.engine.inbox import Inbox, Seen
from astra_mirror.engine.patcher import Patcher
from astra_mirror.engine.ports import Availability, Clocks
from astra_mirror.engine.state.tracked import Tracked
from astra_mirror.engine.status_writer import OVERDUE_SECONDS, StatusWriter
from astra_mirror.support.scheduler import spawn

_AT_LATEST: Final = 3600.0
"""The longest sleep of the write loop, in seconds."""

logger = logging.getLogger(__name__)

PatchTask = asyncio.Task[tuple[WriteResult, Stored | None]]


class Writing:
    """The write loop.

    Args:
        writer: decides what is written.
        patcher: sends patches.
        availability: whether the API server is away.
        inbox: receives objects read after a conflict, and deletions.
        clocks: the clocks and the random samples.
    """

    def __init__(
        self, writer: StatusWriter, patcher: Patcher, availability: Availability, inbox: Inbox, clocks: Clocks
    ) -> None:
        self._writer = writer
        self._patcher = patcher
        self._availability = availability
        self._inbox = inbox
        self._clocks = clocks
        self._wake, self._idle = asyncio.Event(), asyncio.Event()
        self._tasks: set[PatchTask] = set()
        self._was_away = True

    def moved(self, uid: str, moved: Moved) -> None:
        """Something has changed about an object."""
        self._writer.moved(uid, moved, self._clocks.monotonic())
        self._wake.set()

    def forget(self, tracked: Tracked) -> None:
        """Write nothing more for an object."""
        self._writer.drop(tracked)

    def pending(self) -> tuple[int, float]:
        """How many statuses wait to be written, and for how many seconds the oldest has waited."""
        return self._writer.pending(self._clocks.monotonic())

    # The loop.

    async def run(self) -> None:
        """Write until cancelled."""
        # While this process did not lead, it did not notice whether the API server was away.
        self._was_away = True
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._notice_absence())
                tasks.create_task(self._write())
        finally:
            for each in self._tasks:
                each.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _write(self) -> None:
        while True:
            if self._was_away or self._availability.is_away:
                await self._availability.wait_until_back()
                self._was_away = False
                self._writer.came_back()
                self._patcher.give_up()
            self._wake.clear()
            if self._writer.run_timers(self._clocks.monotonic()):
                # The probe tells whether the API server is away, or only this PATCH hangs.
                self._availability.request_probe()
            patches, is_more = self._writer.start(self._clocks.moment())
            for each in patches:
                self._tasks.add(spawn(self._patcher.send(each), partial(self._ended, each)))
            if is_more:
                await asyncio.sleep(0)
            else:
                await self._sleep()

    async def _sleep(self) -> None:
        now = self._clocks.monotonic()
        if not self._writer.is_busy(now):
            self._idle.set()
        due = self._writer.next_due(now)
        times = [now + _AT_LATEST if due is None else due]
        if self._tasks:
            # Wake in time for a patch that hangs, perhaps because the API server is away.
            times.append(now + OVERDUE_SECONDS)
        try:
            async with asyncio.timeout(max(min(times) - now, 0.0)):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _notice_absence(self) -> None:
        """Notice that the API server is away, even if nothing is written meanwhile."""
        while True:
            await self._availability.wait_until_away()
            self._was_away = True
            self._wake.set()
            await self._availability.wait_until_back()

    async def drain(self, seconds: float) -> None:
        """Write all queued and delayed statuses, for at most that long. `run` must be running."""
        self._writer.hurry(self._clocks.monotonic())
        self._wake.set()
        try:
            async with asyncio.timeout(seconds):
                while self._writer.is_busy(self._clocks.monotonic()):
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            number, _ = self.pending()
            logger.warning("Stopping before %d statuses could be written", number)

    # How a write ends.

    def _ended(self, patch: SendPatch, task: PatchTask) -> None:
        self._tasks.discard(task)
        result: WriteResult | None = None
        if task.cancelled():
            self._writer.cancelled(patch)
            return
        if error := task.exception():
            # A bug in the operator: it must not end the writes of all other objects.
            logger.error("The status of %s could not be written", patch.about.label, exc_info=error)
        else:
            result, found = task.result()
            self._show(patch, result, found)
        self._writer.ended(patch, result, self._clocks.monotonic())
        self._wake.set()

    def _show(self, patch: SendPatch, result: WriteResult, found: Stored | None) -> None:
        if isinstance(result, Gone):
            self._inbox.delete(patch.about.uid, patch.about.namespace)
        elif isinstance(result, Refused) and result.suggests_outage:
            self._availability.request_probe()
        is_latest = self._inbox.pending(patch.about.uid) is None and self._patcher.is_latest(patch)
        # Ignore what was read if a watch event has arrived meanwhile: it is older.
        if found is not None and is_latest:
            self._inbox.put(Seen(patch.about.kind, found.object, self._clocks.monotonic()))
