"""The engine: joins the two sides. Refs come in from the watch, polls go out when they are due, statuses are written.

One direction: watch, timer, request, answer, status, patch. What is decided is decided in astra_mirror.core; this
module keeps the refs and their timers, and all of it runs in one event loop.
"""

import asyncio
import logging
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError

from astra_mirror.core.breaker import State
from astra_mirror.core.connection import TLS
from astra_mirror.core.resource import AppBackupRefSpec
from astra_mirror.core.schedule import Pace
from astra_mirror.core.shard import Shard
from astra_mirror.core.status import forget
from astra_mirror.polls import Polls
from astra_mirror.reads import Remote, Secrets
from astra_mirror.reconcile import Clocks, Reconciler, Tell
from astra_mirror.ref import Ref, is_newer, parsed, requested_at, status_json
from astra_mirror.refs import Refs
from astra_mirror.timers import Timers
from astra_mirror.turn import Turn
from astra_mirror.writer import StatusAPI, Writer

MAX_SLEEP: Final = 60.0
GATHER_SECONDS: Final = 0.05
"""How long after the last new ref their first polls start: those that come in one go are to share their requests."""
MAX_GATHER_SECONDS: Final = 0.25

logger = logging.getLogger(__name__)


class Mirror:
    """All refs, their timers and what becomes of their answers."""

    def __init__(
        self, *, remote: Remote, secrets: Secrets, api: StatusAPI, clocks: Clocks, pace: Pace, shard: Shard, tell: Tell
    ) -> None:
        self._clocks = clocks
        self._pace = pace
        self._shard = shard
        self._refs = Refs()
        self._timers: Timers[str] = Timers()
        self._gathered: dict[Ref, None] = {}
        self._gather_from, self._gather_until = 0.0, 0.0
        self._wake = asyncio.Event()
        self._runs = False
        self._runs_since = 0.0
        self._writer = Writer(api, observe=self._written, gone=self._drop, utcnow=clocks.utcnow)
        self._reconciler = Reconciler(
            refs=self._refs,
            secrets=secrets,
            clocks=clocks,
            pace=pace,
            poll_at=self._poll_at,
            write=self._writer.submit,
            tell=tell,
        )
        self._polls = Polls(
            remote=remote,
            secrets=secrets,
            refs=self._refs,
            listener=self._reconciler,
            clock=clocks.monotonic,
            draw=clocks.draw,
        )

    def states(self) -> Iterator[str | None]:
        """The state of each ref's backup, for the metrics."""
        return (ref.state for ref in self._refs)

    def open_breakers(self) -> int:
        """How many breakers hold requests back, for the metrics."""
        return self._polls.open_breakers

    def connections(self) -> Mapping[State, int]:
        """How many connections are in each state, for the metrics."""
        return self._polls.connections()

    async def run(self) -> None:
        """Poll and write until cancelled, perhaps more than once: for each time that this process leads.

        What the watch reported before has only been taken note of.
        """
        self._runs = True
        self._runs_since = now = self._clocks.monotonic()
        for ref in self._refs:
            ref.fresh_at = ref.next_poll = now
            # What was under way when this process ceased to lead has ended without an answer.
            ref.reading = None
            self._gathered[ref] = None
            self._writer.submit(ref)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._writer.run())
                tasks.create_task(self._poll_when_due())
        finally:
            self._runs = False
            await self._polls.close()

    async def _poll_when_due(self) -> None:
        while True:
            self._wake.clear()
            now = self._clocks.monotonic()
            await self._polls.start(await self._due(now))
            sleep = max(self._next_due() - self._clocks.monotonic(), 0.0)
            try:
                async with asyncio.timeout(min(sleep, MAX_SLEEP)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _due(self, now: float) -> dict[Ref, float]:
        """The refs whose polls start now, each with its time; the others' timers that ran out are set again."""
        due: dict[Ref, float] = {}
        gathered: dict[Ref, None] = {}
        if self._gathered and now >= self._gather_until:
            gathered, self._gathered = self._gathered, {}
        with Turn() as turn:
            for uid, since in list(self._timers.pop_due(now)):
                await turn.may_end()
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
                await turn.may_end()
                if self._refs.get(ref.uid) is not ref:
                    continue
                if ref.spec.suspend:
                    self._reconciler.settle(ref, now)
                else:
                    due.setdefault(ref, max(self._gather_until, self._runs_since))
        return due

    def _poll_at(self, ref: Ref, due: float) -> None:
        self._timers.set(ref.uid, due)
        self._wake.set()

    def _next_due(self) -> float:
        times = [self._timers.next_due(), self._gather_until if self._gathered else None]
        return min((each for each in times if each is not None), default=math.inf)

    # What the watch reports.

    def is_news(self, metadata: Mapping[str, Any]) -> bool:
        """Whether this version of an object has not been seen yet."""
        ref = self._refs.get(metadata["uid"])
        return ref is None or is_newer(metadata["resourceVersion"], ref.version)

    def observe(self, body: Mapping[str, Any], *, listed: bool = False) -> None:
        """Take in an object as the API server has it.

        Args:
            body: the object.
            listed: it comes from a list: the API server's versions may have gone back, after a restored backup.
        """
        metadata = body["metadata"]
        ref = self._refs.get(metadata["uid"])
        if not listed and not self.is_news(metadata):
            return None
        if ref is not None and not self._runs:
            # Another process writes the statuses, and will have written newer ones before this one takes over.
            self._drop(ref)
            ref = None
        if ref is not None and metadata["generation"] == ref.generation:
            return self._update(ref, body, ref.spec)
        try:
            spec = AppBackupRefSpec.model_validate(body["spec"])
        except ValidationError as error:
            # Only with a CRD that is not ours: the API server refuses such a spec.
            logger.warning("Ignored: %s/%s: %s", metadata["namespace"], metadata["name"], error)
            return self.forget(metadata["uid"])
        if not self._shard.owns(spec.account_id, spec.app_id):
            return self.forget(metadata["uid"])
        if ref is None:
            return self._add(body, spec)
        return self._update(ref, body, spec)

    def _written(self, body: Mapping[str, Any], *, listed: bool) -> None:
        # A ref that was deleted meanwhile stays deleted.
        if self._refs.get(body["metadata"]["uid"]) is not None:
            self.observe(body, listed=listed)

    def forget(self, uid: str) -> None:
        """Stop polling a ref: it was deleted, or is not ours."""
        if ref := self._refs.get(uid):
            self._drop(ref)

    def uids(self) -> set[str]:
        """The refs that are polled."""
        return self._refs.uids()

    def objects(self) -> dict[str, tuple[str, str]]:
        """The refs that are polled: uid to namespace and name."""
        return {ref.uid: (ref.namespace, ref.name) for ref in self._refs}

    def secret_names(self) -> set[tuple[str, str]]:
        """The Secrets in use, by namespace and name."""
        return self._refs.secrets()

    def secret_changed(self, namespace: str, name: str) -> None:
        """Poll the refs that use this Secret now."""
        for ref in self._refs.of_secret(namespace, name):
            self._reconciler.poll_soon(ref)

    def drop_unused(self) -> set[TLS]:
        """Forget the connections, breakers and limits that no ref uses any more; the TLS settings still in use."""
        return {connection.tls for connection in self._polls.drop_unused()}

    def _add(self, body: Mapping[str, Any], spec: AppBackupRefSpec) -> None:
        metadata, now = body["metadata"], self._clocks.monotonic()
        held = parsed(body.get("status") or {})
        ref = Ref(
            uid=metadata["uid"],
            namespace=metadata["namespace"],
            name=metadata["name"],
            generation=metadata["generation"],
            version=metadata["resourceVersion"],
            spec=spec,
            requested_at=requested_at(body),
            cluster=status_json(body.get("status")),
            fresh_at=now,
            next_poll=now,
        )
        if ref.requested_at is not None and ref.requested_at != held.last_handled_reconcile_at:
            ref.asked = now
        # Nobody can tell what was edited while no operator ran: an observation of another generation may be one of
        # another backup.
        ref.want(held if held.observed_generation == ref.generation else forget(held), self._pace)
        ref.is_of_app = ref.state is not None
        self._refs.add(ref)
        if not self._gathered:
            self._gather_from = now
        self._gathered[ref] = None
        self._gather_until = min(now + GATHER_SECONDS, self._gather_from + MAX_GATHER_SECONDS)
        self._wake.set()

    def _update(self, ref: Ref, body: Mapping[str, Any], spec: AppBackupRefSpec) -> None:
        target, suspended = ref.target, ref.spec.suspend
        asked, edited = requested_at(body), body["metadata"]["generation"] != ref.generation
        asked_anew = asked is not None and asked != ref.requested_at
        ref.version = body["metadata"]["resourceVersion"]
        ref.generation = body["metadata"]["generation"]
        cluster = status_json(body.get("status"))
        if cluster != ref.cluster:
            # Whoever wrote it: the next poll compares it with what should be there.
            ref.cluster, ref.digest = cluster, None
        ref.requested_at = asked
        if edited:
            self._refs.remove(ref)
            ref.spec = spec
            self._refs.add(ref)
        if ref.target != target:
            ref.want(forget(ref.status), self._pace)
            ref.forget_target()
        if ref.target != target or suspended:
            ref.fresh_at = self._clocks.monotonic()
        if edited:
            self._reconciler.poll_soon(ref)
        elif asked_anew:
            self._reconciler.poll_requested(ref)

    def _drop(self, ref: Ref) -> None:
        self._refs.remove(ref)
        self._timers.drop(ref.uid)
        self._gathered.pop(ref, None)
        self._writer.drop(ref)
        ref.reading = None
