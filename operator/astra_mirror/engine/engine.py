"""The engine: joins the two sides. Refs come in from the watch, polls go out when they are due, statuses are written.

One direction: watch, timer, request, answer, status, patch. What is decided is decided in astra_mirror.core; this
module keeps the refs and their timers, and all of it runs in one event loop.
"""

import asyncio
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from astra_mirror.core.circuit import State
from astra_mirror.core.connection import TLS
from astra_mirror.core.schedule import Pace
from astra_mirror.core.shard import Shard
from astra_mirror.engine.desired_status import Tell
from astra_mirror.engine.index import Refs
from astra_mirror.engine.intake import Intake, Timing
from astra_mirror.engine.poller import Polls
from astra_mirror.engine.ref import Ref
from astra_mirror.engine.requests import Remote, Secrets
from astra_mirror.engine.result_handler import Clocks, Reconciler
from astra_mirror.engine.status_write import StatusAPI, Writes
from astra_mirror.engine.status_writer import Writer
from astra_mirror.engine.timers import Timers
from astra_mirror.support.time_slices import TimeSlice

MAX_SLEEP: Final = 60.0
GATHER_SECONDS: Final = 0.05
"""How long after the last new ref their first polls start: those that come in one go are to share their requests."""
MAX_GATHER_SECONDS: Final = 0.25
UNSAID_SECONDS: Final = 5.0
"""After how long without any answer a ref of which nothing is known has a status that says so."""


class Mirror:
    """All refs, their timers and what becomes of their answers."""

    def __init__(
        self,
        *,
        remote: Remote,
        secrets: Secrets,
        api: StatusAPI,
        clocks: Clocks,
        pace: Pace,
        shard: Shard,
        tell: Tell,
    ) -> None:
        self._clocks = clocks
        self._refs = Refs()
        self._timers: Timers[str] = Timers()
        self._unsaid: Timers[str] = Timers()
        self._gathered: dict[Ref, None] = {}
        self._gather_from, self._gather_until = 0.0, 0.0
        self._wake = asyncio.Event()
        self._changed_secrets: dict[tuple[str, str], float] = {}
        self._runs_since = 0.0
        writes = Writes(api, observe=self._answered, clock=clocks.monotonic, utcnow=clocks.utcnow)
        self._writer = Writer(writes, availability=api.availability, gone=self._drop, clock=clocks.monotonic)
        self._reconciler = Reconciler(
            refs=self._refs,
            secrets=secrets,
            clocks=clocks,
            pace=pace,
            poll_at=self._poll_at,
            write=self._writer.submit,
            tell=tell,
        )
        self._intake = self._new_intake(pace, shard)
        self._polls = Polls(
            remote=remote,
            secrets=secrets,
            refs=self._refs,
            listener=self._reconciler,
            clock=clocks.monotonic,
            draw=clocks.draw,
        )

    def _new_intake(self, pace: Pace, shard: Shard) -> Intake:
        return Intake(
            refs=self._refs,
            clocks=self._clocks,
            pace=pace,
            shard=shard,
            reconciler=self._reconciler,
            writer=self._writer,
            timing=Timing(gather=self._gather, expect=self._expect, drop=self._drop),
        )

    def states(self) -> Iterator[str | None]:
        """The state of each ref's backup, for the metrics."""
        return (ref.state for ref in (*self._refs, *self._refs.unreadable()))

    def open_breakers(self) -> int:
        """How many breakers hold requests back, for the metrics."""
        return self._polls.open_breakers

    def pending(self) -> tuple[int, float]:
        """How many statuses wait to be written, and for how many seconds the oldest has, for the metrics.

        None where another process leads: it may know better, and nothing here would ever be written.
        """
        return self._writer.pending() if self._intake.runs else (0, 0.0)

    def connections(self) -> Mapping[State, int]:
        """How many connections are in each state, for the metrics."""
        return self._polls.connections()

    async def run(self) -> None:
        """Poll and write until cancelled, perhaps more than once: for each time that this process leads.

        What the watch reported before has only been taken note of.
        """
        try:
            await self._begin()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._writer.run())
                tasks.create_task(self._poll_when_due())
        finally:
            self._intake.runs = False
            await self._polls.close()

    async def _begin(self) -> None:
        self._intake.runs = True
        self._runs_since = now = self._clocks.monotonic()
        time_slice = TimeSlice()
        for ref in [*self._refs, *self._refs.unreadable()]:
            await time_slice.checkpoint()
            found = self._refs.get(ref.uid)
            if found is None or found is not ref:
                continue
            if self._refs.is_polled(ref):
                ref.fresh_at = ref.next_poll = now
                self._gather(ref, now)
                self._writer.submit(ref)
                self._unsaid.drop(ref.uid)
                self._expect(ref)
            else:
                self._reconciler.unreadable(ref)

    async def drain(self, seconds: float) -> None:
        """Write the statuses that wait, for at most that long; while `run` runs."""
        if self._intake.runs:
            await self._writer.drain(seconds)

    async def _poll_when_due(self) -> None:
        while True:
            self._wake.clear()
            await self._poll_with_changed_secrets()
            now = self._clocks.monotonic()
            await self._say_what_waits(now)
            await self._polls.start(await self._due(now))
            sleep = max(self._next_due() - self._clocks.monotonic(), 0.0)
            try:
                async with asyncio.timeout(min(sleep, MAX_SLEEP)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _poll_with_changed_secrets(self) -> None:
        changed, self._changed_secrets = self._changed_secrets, {}
        time_slice = TimeSlice()
        for (namespace, name), at in changed.items():
            for ref in self._refs.of_secret(namespace, name):
                await time_slice.checkpoint()
                # Meanwhile it may have been deleted, or name another Secret.
                if self._refs.get(ref.uid) is ref and ref.spec.secret_ref.name == name:
                    ref.secret_at = at
                    self._reconciler.poll_soon(ref)

    async def _say_what_waits(self, now: float) -> None:
        """Give a status to the refs that have waited for a while without any answer."""
        time_slice = TimeSlice()
        for uid, _ in list(self._unsaid.pop_due(now)):
            await time_slice.checkpoint()
            ref = self._refs.get(uid)
            if ref is not None and self._refs.is_polled(ref):
                self._reconciler.nothing_yet(ref)

    async def _due(self, now: float) -> dict[Ref, float]:
        """The refs whose polls start now, each with its time; the others' timers that ran out are set again."""
        due: dict[Ref, float] = {}
        gathered: dict[Ref, None] = {}
        gathered_at = self._gather_until
        if self._gathered and now >= gathered_at:
            gathered, self._gathered = self._gathered, {}
        time_slice = TimeSlice()
        for uid, since in list(self._timers.pop_due(now)):
            await time_slice.checkpoint()
            ref = self._refs.get(uid)
            if ref is None:
                continue
            if ref.next_poll <= now and not ref.spec.suspend:
                # A process that has just taken over is not late for what was due before.
                due[ref] = max(since, self._runs_since)
            # One that waits for its turn with a failure may grow stale meanwhile.
            if ref not in due or (ref.reading is not None and ref.failure is not None):
                self._reconciler.settle(ref, now)
        for ref in gathered:
            await time_slice.checkpoint()
            if self._refs.get(ref.uid) is not ref:
                continue
            if ref.spec.suspend:
                self._reconciler.settle(ref, now)
            else:
                due.setdefault(ref, max(gathered_at, self._runs_since))
        return due

    def _poll_at(self, ref: Ref, due: float) -> None:
        self._timers.set(ref.uid, due)
        self._wake.set()

    def _next_due(self) -> float:
        gathered = self._gather_until if self._gathered else None
        times = [self._timers.next_due(), self._unsaid.next_due(), gathered]
        return min((each for each in times if each is not None), default=math.inf)

    # What the watch and the lists report.

    def is_news(self, metadata: Mapping[str, Any]) -> bool:
        """Whether this version of an object has not been seen yet."""
        return self._intake.is_news(metadata)

    def observe(self, body: Mapping[str, Any], *, listed: bool = False) -> None:
        """Take in an object as the API server has it.

        Args:
            body: the object.
            listed: it comes from a list: the API server's versions may have gone back, after a restored backup.
        """
        self._intake.observe(body, listed=listed)

    def forget(self, uid: str) -> None:
        """Stop looking after an object: it was deleted."""
        self._intake.forget(uid)

    def knows(self, uid: str) -> bool:
        """Whether that ref is looked after."""
        return self._refs.get(uid) is not None

    def objects(self) -> dict[str, tuple[str, str]]:
        """The refs that are looked after: uid to namespace and name."""
        return {ref.uid: (ref.namespace, ref.name) for ref in (*self._refs, *self._refs.unreadable())}

    def secret_names(self) -> set[tuple[str, str]]:
        """The Secrets in use, by namespace and name."""
        return self._refs.secrets()

    def secret_changed(self, namespace: str, name: str) -> None:
        """Poll the refs that use this Secret now, in time slices: there may be thousands."""
        self._changed_secrets[namespace, name] = self._clocks.monotonic()
        self._wake.set()

    def drop_unused(self) -> set[TLS]:
        """Forget the connections, breakers and limits that no ref uses any more; the TLS settings still in use."""
        return {connection.tls for connection in self._polls.drop_unused()}

    def _expect(self, ref: Ref) -> None:
        """Let something be said of a ref of which nothing is known, if no answer comes for a while."""
        if not ref.is_observed and ref.uid not in self._unsaid:
            self._unsaid.set(ref.uid, self._clocks.monotonic() + UNSAID_SECONDS)
            self._wake.set()

    def _answered(self, body: Mapping[str, Any], *, is_own: bool) -> None:
        self._intake.answered(body, is_own=is_own)

    def _gather(self, ref: Ref, now: float) -> None:
        if not self._gathered:
            self._gather_from = now
        self._gathered[ref] = None
        self._gather_until = min(now + GATHER_SECONDS, self._gather_from + MAX_GATHER_SECONDS)
        self._wake.set()

    def _drop(self, ref: Ref) -> None:
        self._refs.remove(ref)
        self._timers.drop(ref.uid)
        self._unsaid.drop(ref.uid)
        self._gathered.pop(ref, None)
        self._writer.drop(ref)
        ref.reading = None
