"""The rounds of writes for the refs of all monitors: who is next, how many writes a second, and what a status says.

Monitors wait by turns over namespaces, and a round ends after a second's writes: what is left waits for another turn.
So neither a round that waits for the API server nor one with thousands of writes delays another namespace for long.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

from astra_mirror.core.fair import FairQueue, Others
from astra_mirror.core.monitor.listing import ListRead
from astra_mirror.core.monitor.memory import Memory
from astra_mirror.core.monitor.ref_plan import Context, Plan, context_of, planning
from astra_mirror.core.monitor.ref_report import Problem, Trouble, report_of
from astra_mirror.core.monitor.refs import Owner, OwnRef, wanted_refs
from astra_mirror.core.monitor.report import RefsReport
from astra_mirror.core.monitor.selection import UNDER_WAY, ordering
from astra_mirror.core.refusals import Refusals
from astra_mirror.engine.index import Index
from astra_mirror.engine.kinds.app_backup_monitor import MonitorSpec
from astra_mirror.engine.monitors.attempts import Attempts
from astra_mirror.engine.monitors.findings import Findings, NamespaceIsTerminatingError
from astra_mirror.engine.monitors.ports import RefAPI
from astra_mirror.engine.monitors.ref_round import RefRound
from astra_mirror.engine.monitors.repeats import Repeats
from astra_mirror.engine.monitors.steps import in_slices
from astra_mirror.engine.monitors.watching import OwnRefs
from astra_mirror.engine.ports import Clocks
from astra_mirror.engine.state.tracked import Tracked
from astra_mirror.support.time_slices import TimeSlice

WRITES_PER_SECOND: Final = 20
ROUND_SECONDS: Final = 5.0
"""How long a round lasts at most, and one call: a webhook of its namespace may hang."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a round has ended.

    Attributes:
        report: what the status says of the refs; None for nothing new.
        again_in: the seconds after which another round may do more; None if only a change can.
    """

    report: RefsReport | None = None
    again_in: float | None = None


class RefRounds:
    """The rounds.

    Args:
        api: the refs on the API server.
        refs: the own refs of all monitors.
        index: all objects.
        clocks: the clocks.
    """

    def __init__(self, api: RefAPI, refs: OwnRefs, index: Index, clocks: Clocks) -> None:
        self._api = api
        self._refs = refs
        self._index = index
        self._clocks = clocks
        self._attempts: dict[str, Attempts] = {}
        self._earlier: dict[str, int | None] = {}
        self._missed: dict[str, dict[str, float]] = {}
        self._repeats = Repeats(clocks)
        self._logged = Refusals()
        self._next_write_at = 0.0
        self._waiting: FairQueue[str, None] = FairQueue()
        self._busy: set[str] = set()
        self._has_waiting = asyncio.Event()

    # Who is next.

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

    def begin(self, earlier: Mapping[str, int | None]) -> None:
        """This process leads from now on.

        Args:
            earlier: all monitors, each with the number of the list that it had before, see `Memory.number`.
        """
        self._waiting = FairQueue()
        self._busy.clear()
        for uid in {*self._earlier, *self._attempts, *self._missed} - set(earlier):
            # It was deleted while another process led.
            self.forget(uid)
        self._earlier = dict(earlier)

    def is_of_before(self, uid: str, number: int) -> bool:
        """Whether a monitor has had this list since before this process leads: it is for no round."""
        return self._earlier.get(uid) == number

    # A round.

    async def round(self, tracked: Tracked) -> Ended:
        """One round for a monitor."""
        spec, memory = tracked.spec, tracked.reported.memory
        read = memory.read if isinstance(memory, Memory) else None
        if not isinstance(spec, MonitorSpec) or not tracked.desire.is_polled or read is None:
            return Ended()
        try:
            return await self._round(tracked, spec, read)
        except NamespaceIsTerminatingError:
            return Ended()

    async def _round(self, tracked: Tracked, spec: MonitorSpec, read: ListRead) -> Ended:
        uid, model, own = tracked.uid, spec.model, self._refs.of(tracked.namespace, tracked.uid)
        generation = tracked.desire.generation
        if model.mirror is None and not own:
            return Ended(report_of(0, {}, (), existing=0, has_mirror=False, generation=generation))
        owner = Owner(uid, tracked.namespace, tracked.identity.name)
        time_slice, memory = TimeSlice(tracked.namespace), tracked.reported.memory
        known = memory.ordered if isinstance(memory, Memory) else None
        backups = (await in_slices(ordering(read, model.select, known), time_slice)).backups
        wanted = wanted_refs(owner, model, backups)
        context = await self._knowing(context_of(model, wanted, read.whole.backups, backups), uid, own, time_slice)
        found = await in_slices(planning(context, own, self._clocks.monotonic()), time_slice)
        self._missed[uid] = dict(found.missed)
        attempts = self._attempts.setdefault(uid, Attempts())
        for _, each in (*found.kept, *found.repair):
            attempts.exists(each.backup_id)
        findings = Findings(attempts, read.sent, self._clocks)
        one = RefRound(self._api, owner, context, refs=self._refs, findings=findings, clocks=self._clocks)
        turns, ends = 0, self._clocks.monotonic() + ROUND_SECONDS
        async with aclosing(one.perform(found)) as steps:
            async for is_look in steps:
                if is_look and turns and (turns == WRITES_PER_SECOND or self._clocks.monotonic() >= ends):
                    # The ref that was about to be looked at, and those after it, have to wait.
                    findings.problems.append(Problem(Trouble.PENDING, count=one.remaining + 1))
                    is_shown = self._repeats.is_shown_before_the_end(uid)
                    report = await self._report(tracked, spec, context, found, findings, time_slice)
                    return Ended(report if is_shown else None, again_in=0.0)
                if is_look:
                    turns += 1
                    await self._turn()
                if not self._is_current(tracked, read):
                    return Ended()
        report = await self._report(tracked, spec, context, found, findings, time_slice)
        return Ended(report, self._repeats.again_in(uid, findings))

    async def _knowing(self, context: Context, monitor: str, own: list[OwnRef], time_slice: TimeSlice) -> Context:
        """`context` with what is known of each ref: by its own status, and by earlier rounds."""
        under_way, gone, names, ids = set[str](), set[str](), set[str](), set(context.wanted_ids)
        names |= {each.name for each in context.wanted}
        for each in own:
            await time_slice.checkpoint()
            names.add(each.name)
            ids.add(each.backup_id)
            tracked = self._index.get(each.uid)
            if tracked is not None and tracked.reported.state in UNDER_WAY:
                under_way.add(each.uid)
            elif tracked is not None and tracked.reported.is_observed and tracked.reported.state is None:
                gone.add(each.uid)
        if monitor in self._attempts:
            self._attempts[monitor].retain(names, ids)
        return replace(context, missed_since=self._missed.get(monitor, {}), under_way=under_way, gone=gone)

    def _is_current(self, tracked: Tracked, read: ListRead) -> bool:
        """Whether the monitor still asks for what the round does, and its list is still the last one."""
        now = self._index.get(tracked.uid)
        if now is None or now.spec is not tracked.spec or not now.desire.is_polled:
            return False
        memory = now.reported.memory
        return isinstance(memory, Memory) and memory.read is not None and memory.read.whole is read.whole

    async def _turn(self) -> None:
        """Wait until another write may be sent."""
        now = self._clocks.monotonic()
        at = max(self._next_write_at, now)
        # The next one waits for longer, although this one has not been sent yet.
        self._next_write_at = at + 1 / WRITES_PER_SECOND
        if at > now:
            await asyncio.sleep(at - now)

    # How it has ended.

    async def _report(
        self,
        tracked: Tracked,
        spec: MonitorSpec,
        context: Context,
        found: Plan,
        findings: Findings,
        time_slice: TimeSlice,
    ) -> RefsReport:
        problems, names, existing = list(findings.problems), dict[str, str](), 0
        for each in self._refs.of(tracked.namespace, tracked.uid):
            await time_slice.checkpoint()
            if each.is_deleting:
                problems.append(Problem(Trouble.PENDING, f"{each.name} is still being deleted."))
            else:
                existing += 1
                if each.backup_id in context.listed:
                    names.setdefault(each.backup_id, each.name)
        self._log(tracked.namespace, problems)
        return report_of(
            len(context.wanted),
            names,
            problems,
            existing=existing,
            has_mirror=spec.model.mirror is not None,
            generation=tracked.desire.generation,
            lacking=len(found.lacking),
        )

    def _log(self, namespace: str, problems: list[Problem]) -> None:
        for each in {one.text for one in problems if one.trouble is Trouble.FORBIDDEN}:
            if self._logged.is_news(namespace, each, self._clocks.monotonic()):
                logger.warning(
                    "The refs of monitors in the namespace %s are not as they should be: %s",
                    namespace,
                    each,
                    extra={"namespaces": [namespace]},
                )

    def forget(self, monitor: str) -> None:
        """Forget a monitor that exists no more."""
        for each in (self._attempts, self._missed, self._earlier):
            each.pop(monitor, None)
        self._repeats.forget(monitor)
