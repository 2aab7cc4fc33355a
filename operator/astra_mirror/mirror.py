"""The engine: joins the two sides. Refs come in from the watch, polls go out when they are due, statuses are written.

One direction: watch, timer, request, outcome, status, patch. What is decided is decided in astra_mirror.core; this
module keeps the refs, the timers and the lanes, and all of it runs in one event loop.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, Protocol

from pydantic import ValidationError

from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Failed, Observed, Outcome, SyncReason
from astra_mirror.core.progress import next_sample
from astra_mirror.core.resource import AppBackupRefSpec, AppBackupRefStatus
from astra_mirror.core.schedule import Pace, backoff, interval_of, jittered, stale_after
from astra_mirror.core.shard import Shard
from astra_mirror.core.status import Event, forget, is_observed, next_status
from astra_mirror.lane import Lane, Read
from astra_mirror.metrics import OBSERVATIONS, POLL_LATENESS
from astra_mirror.ref import Ref, is_newer, requested_at
from astra_mirror.timers import Timers
from astra_mirror.writer import StatusAPI, Writer, parsed

MAX_SLEEP: Final = 60.0

logger = logging.getLogger(__name__)


class Remote(Protocol):
    """What the engine needs of the remote side."""

    async def get_backup(self, connection: Connection, spec: AppBackupRefSpec) -> Outcome:
        """Read the backup that `spec` names."""


class Secrets(Protocol):
    """What the engine needs of the Secrets."""

    def connection(self, namespace: str, name: str) -> Connection | Failed | None:
        """The connection that a Secret describes, or why there is none; None while that is not known yet."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """Time and chance: monotonic seconds, UTC, and draws from 0 to 1."""

    monotonic: Callable[[], float]
    utcnow: Callable[[], datetime]
    draw: Callable[[], float]


@dataclass(frozen=True, slots=True)
class _Poll:
    """A poll that has begun: what its end is compared with."""

    ref: Ref
    spec: AppBackupRefSpec
    target: tuple[str, ...]
    requested_at: str | None
    started: float
    draw: float


class Mirror:
    """All refs, their timers and their lanes."""

    def __init__(
        self, *, remote: Remote, secrets: Secrets, api: StatusAPI, clocks: Clocks, pace: Pace, shard: Shard
    ) -> None:
        self._remote = remote
        self._secrets = secrets
        self._clocks = clocks
        self._pace = pace
        self._shard = shard
        self._refs: dict[str, Ref] = {}
        self._timers: Timers[str] = Timers()
        self._lanes: dict[Connection, Lane] = {}
        self._wake = asyncio.Event()
        self._writer = Writer(api, observe=self.observe, gone=self._drop, utcnow=clocks.utcnow)

    def states(self) -> Iterator[str | None]:
        """The state of each ref's backup, for the metrics."""
        return (ref.wanted.state for ref in self._refs.values())

    def open_breakers(self) -> int:
        """How many breakers hold requests back, for the metrics."""
        return sum(lane.gate.open_breakers for lane in self._lanes.values())

    async def run(self) -> None:
        """Poll and write until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._writer.run())
                tasks.create_task(self._poll_when_due())
        finally:
            for lane in self._lanes.values():
                await lane.close()

    async def _poll_when_due(self) -> None:
        while True:
            self._wake.clear()
            now = self._clocks.monotonic()
            for uid, due in list(self._timers.pop_due(now)):
                ref = self._refs[uid]
                if ref.next_poll <= now and not ref.spec.suspend:
                    POLL_LATENESS.observe(now - due)
                    self._poll(ref, now)
                else:
                    self._settle(ref, now)
            next_due = self._timers.next_due()
            sleep = MAX_SLEEP if next_due is None else min(max(next_due - self._clocks.monotonic(), 0.0), MAX_SLEEP)
            try:
                async with asyncio.timeout(sleep):
                    await self._wake.wait()
            except TimeoutError:
                continue

    # What the watch reports.

    def observe(self, body: Mapping[str, Any]) -> None:
        """Take in an object as the API server has it."""
        metadata = body["metadata"]
        ref = self._refs.get(metadata["uid"])
        if ref is not None and not is_newer(metadata["resourceVersion"], ref.version):
            return None
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

    def forget(self, uid: str) -> None:
        """Stop polling a ref: it was deleted, or is not ours."""
        if ref := self._refs.get(uid):
            self._drop(ref)

    def uids(self) -> set[str]:
        """The refs that are polled."""
        return set(self._refs)

    def secret_names(self) -> set[str]:
        """The names of the Secrets in use."""
        return {ref.spec.secret_ref.name for ref in self._refs.values()}

    def secret_changed(self, namespace: str | None, name: str) -> None:
        """Poll the refs that use this Secret now; None stands for all namespaces."""
        for ref in self._refs.values():
            if namespace in {None, ref.namespace} and ref.spec.secret_ref.name == name:
                self._poll_soon(ref)
        used = {self._secrets.connection(ref.namespace, ref.spec.secret_ref.name) for ref in self._refs.values()}
        for connection in [each for each, lane in self._lanes.items() if each not in used and lane.idle]:
            del self._lanes[connection]

    def _add(self, body: Mapping[str, Any], spec: AppBackupRefSpec) -> None:
        metadata, cluster, now = body["metadata"], body.get("status") or {}, self._clocks.monotonic()
        held = parsed(cluster)
        ref = Ref(
            uid=metadata["uid"],
            namespace=metadata["namespace"],
            name=metadata["name"],
            generation=metadata["generation"],
            version=metadata["resourceVersion"],
            spec=spec,
            requested_at=requested_at(body),
            cluster=cluster,
            # Nobody can tell what was edited while no operator ran: an observation of another generation may be one
            # of another backup.
            wanted=held if held.observed_generation == metadata["generation"] else forget(held),
            fresh_at=now,
            next_poll=now,
        )
        self._refs[ref.uid] = ref
        self._poll_soon(ref)

    def _update(self, ref: Ref, body: Mapping[str, Any], spec: AppBackupRefSpec) -> None:
        target, suspended = ref.target, ref.spec.suspend
        asked, edited = requested_at(body), body["metadata"]["generation"] != ref.generation
        asked_anew = asked is not None and asked != ref.requested_at
        ref.version = body["metadata"]["resourceVersion"]
        ref.generation = body["metadata"]["generation"]
        ref.cluster = body.get("status") or {}
        ref.spec, ref.requested_at = spec, asked
        if ref.target != target:
            ref.wanted, ref.outcome, ref.failures, ref.sample = forget(ref.wanted), None, 0, None
        if ref.target != target or suspended:
            ref.fresh_at = self._clocks.monotonic()
        if edited or asked_anew:
            self._poll_soon(ref)

    def _poll_soon(self, ref: Ref) -> None:
        ref.next_poll = self._clocks.monotonic()
        self._timers.set(ref.uid, ref.next_poll)
        self._wake.set()

    def _drop(self, ref: Ref) -> None:
        self._refs.pop(ref.uid, None)
        self._timers.drop(ref.uid)
        self._writer.drop(ref)

    # A poll, from its beginning to its end.

    def _poll(self, ref: Ref, now: float) -> None:
        if ref.reading:
            return
        connection = self._secrets.connection(ref.namespace, ref.spec.secret_ref.name)
        poll = _Poll(ref, ref.spec, ref.target, ref.requested_at, now, self._clocks.draw())
        if connection is None:
            return
        if isinstance(connection, Failed):
            self._ended(poll, connection, None)
            return
        ref.reading = True
        lane = self._lanes.get(connection)
        if lane is None:
            lane = self._lanes[connection] = Lane(self._clocks.monotonic)
        request = partial(self._remote.get_backup, connection, ref.spec)
        lane.submit(Read(ref.spec.app_id, request, partial(self._ended, poll), partial(self._slow, poll)))

    def _slow(self, poll: _Poll) -> None:
        ref = poll.ref
        if ref.reading and ref.target == poll.target and ref.outcome is None and not is_observed(ref.wanted):
            self._settle(ref, self._clocks.monotonic())

    def _ended(self, poll: _Poll, outcome: Outcome, held_until: float | None) -> None:
        ref, now = poll.ref, self._clocks.monotonic()
        ref.reading = False
        if self._refs.get(ref.uid) is not ref:
            return
        if ref.target != poll.target or ref.spec.suspend:
            self._poll_soon(ref)
            return
        if held_until is None:
            OBSERVATIONS.labels(outcome.reason if isinstance(outcome, Failed) else SyncReason.OBSERVED).inc()
        failed = isinstance(outcome, Failed)
        if not failed:
            ref.fresh_at = now
        ref.failures = 0 if not failed else ref.failures + (held_until is None)
        ref.outcome = outcome
        # The rate is taken against the old sample, which is replaced only then.
        wanted = self._next_status(ref, now, poll.requested_at if held_until is None else None)
        if isinstance(outcome, Observed):
            ref.sample = next_sample(ref.sample, outcome.backup.bytes_done, now)
        ref.wanted = wanted
        interval = interval_of(ref.spec, wanted, self._pace)
        if held_until is not None:
            ref.next_poll = held_until
        elif failed:
            ref.next_poll = poll.started + backoff(interval, ref.failures, poll.draw)
        else:
            ref.next_poll = poll.started + jittered(interval, poll.draw)
        if ref.requested_at != poll.requested_at and held_until is None:
            ref.next_poll = now
        self._schedule(ref, now)
        self._writer.submit(ref)

    def _settle(self, ref: Ref, now: float) -> None:
        """Bring the status up to date without a poll: it grew stale, was suspended, or waits for a slow answer."""
        ref.wanted = self._next_status(ref, now, None)
        if not ref.spec.suspend and not ref.reading:
            self._schedule(ref, now)
        self._writer.submit(ref)

    def _schedule(self, ref: Ref, now: float) -> None:
        due = ref.next_poll
        stale_at = ref.fresh_at + stale_after(interval_of(ref.spec, ref.wanted, self._pace), self._pace)
        if isinstance(ref.outcome, Failed) and stale_at > now:
            due = min(due, stale_at)
        self._timers.set(ref.uid, due)
        self._wake.set()

    def _next_status(self, ref: Ref, now: float, handled: str | None) -> AppBackupRefStatus:
        limit = stale_after(interval_of(ref.spec, ref.wanted, self._pace), self._pace)
        return next_status(
            ref.wanted,
            Event(
                generation=ref.generation,
                spec=ref.spec,
                outcome=ref.outcome,
                now=self._clocks.utcnow(),
                at=now,
                sample=ref.sample,
                stale_after=limit if now - ref.fresh_at >= limit else None,
                handled=handled,
            ),
        )
