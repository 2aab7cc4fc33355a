"""The rounds of writes for the refs of all monitors: who is next, how many writes a second, and what a status says.

Monitors wait by turns over namespaces. A round that waits for the API server delays no other namespace.
"""

import asyncio
from collections.abc import Container
from dataclasses import replace
from datetime import datetime
from typing import Final

from astra_mirror.core.fair import FairQueue, Others
from astra_mirror.core.monitor.listing import ListRead
from astra_mirror.core.monitor.ref_plan import context_of, missed, plan
from astra_mirror.core.monitor.ref_report import report_of
from astra_mirror.core.monitor.refs import Owner, WantedRef, wanted_refs
from astra_mirror.core.monitor.report import RefsReport
from astra_mirror.core.monitor.selection import selected
from astra_mirror.engine.kinds.app_backup_monitor import Memory, MonitorSpec
from astra_mirror.engine.monitors.attempts import Attempts
from astra_mirror.engine.monitors.ports import RefAPI
from astra_mirror.engine.monitors.ref_round import NamespaceIsTerminatingError, RefRound, still_being_deleted
from astra_mirror.engine.monitors.watching import OwnRefs
from astra_mirror.engine.ports import Clocks
from astra_mirror.engine.state.tracked import Tracked

WRITES_PER_SECOND: Final = 20.0
REPEAT_SECONDS: Final = 5.0
"""After how long a round is repeated that may do better then."""

Since = dict[str, datetime]
"""Since when the list lacks the backup of a ref, by the ref's uid."""


class RefRounds:
    """The rounds.

    Args:
        api: the refs on the API server.
        refs: the own refs of all monitors.
        clocks: the clocks.
    """

    def __init__(self, api: RefAPI, refs: OwnRefs, clocks: Clocks) -> None:
        self._api = api
        self._refs = refs
        self._clocks = clocks
        self._attempts = Attempts()
        self._next_write_at = 0.0
        self._waiting: FairQueue[str, None] = FairQueue()
        self._busy: set[str] = set()
        self._missed: dict[str, Since] = {}
        self._has_waiting = asyncio.Event()

    def submit(self, namespace: str, uid: str) -> None:
        """Let the monitor have a round."""
        self._waiting.put((namespace,), uid, None, self._clocks.monotonic())
        self._has_waiting.set()

    async def next(self) -> tuple[str, str]:
        """The namespace and the uid of the monitor whose round is next; `end` has to follow."""
        while True:
            taken = self._waiting.take(Others(self._busy))
            if taken is not None:
                namespace = str(taken.path[0])
                self._busy.add(namespace)
                return namespace, taken.item
            self._has_waiting.clear()
            await self._has_waiting.wait()

    def end(self, namespace: str) -> None:
        """The round has ended: the next one of its namespace may begin."""
        self._busy.discard(namespace)
        self._has_waiting.set()

    async def round(self, tracked: Tracked) -> tuple[RefsReport | None, bool]:
        """One round for a monitor.

        Returns:
            What its status says of its refs, None for nothing new; and whether another round soon may do better.
        """
        spec, memory = tracked.spec, tracked.reported.memory
        read = memory.read if isinstance(memory, Memory) else None
        if not isinstance(spec, MonitorSpec) or not tracked.desire.is_polled or read is None:
            return None, False
        owner = Owner(tracked.uid, tracked.namespace, tracked.identity.name)
        try:
            return await self._round(owner, spec, read)
        except NamespaceIsTerminatingError:
            return None, False

    async def _round(self, owner: Owner, spec: MonitorSpec, read: ListRead) -> tuple[RefsReport | None, bool]:
        model, own = spec.model, self._refs.of(owner.uid)
        if model.mirror is None and not own:
            return report_of(0, {}, (), existing=0, has_mirror=False), False
        ordered = selected(read.whole, model.select, read.sent)
        wanted, now = wanted_refs(owner, model, ordered), self._clocks.utcnow()
        for each in own:
            self._attempts.exists(owner.uid, each.backup_id)
        before = self._missed.get(owner.uid, {})
        context = context_of(model, wanted, read.whole.backups, ordered, before)
        self._missed[owner.uid] = since = missed(context, own, now)
        context = replace(context, missed_since=since)
        one = RefRound(self._api, owner, context, read, refs=self._refs, attempts=self._attempts, clocks=self._clocks)
        async for _ in one.perform(plan(context, own, now)):
            await self._turn()
        return self._report(owner, spec, wanted, one), one.is_to_be_repeated

    async def _turn(self) -> None:
        """Wait until another write may be sent."""
        now = self._clocks.monotonic()
        at = max(self._next_write_at, now)
        # The next one waits for longer, although this one has not been sent yet.
        self._next_write_at = at + 1 / WRITES_PER_SECOND
        if at > now:
            await asyncio.sleep(at - now)

    def _report(self, owner: Owner, spec: MonitorSpec, wanted: tuple[WantedRef, ...], one: RefRound) -> RefsReport:
        own = self._refs.of(owner.uid)
        alive = [each for each in own if not each.is_deleting]
        problems = [*one.problems, *(still_being_deleted(each.name) for each in own if each.is_deleting)]
        return report_of(
            len(wanted),
            {each.backup_id: each.name for each in alive},
            problems,
            existing=len(alive),
            has_mirror=spec.model.mirror is not None,
        )

    def retain(self, monitors: Container[str]) -> None:
        """Forget other monitors."""
        self._attempts.retain(monitors)
        self._missed = {uid: each for uid, each in self._missed.items() if uid in monitors}
