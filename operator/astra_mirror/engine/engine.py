"""The engine: pure functions decide what follows from each input, and the engine performs the effects they return.

Data flows one way: object or timer, request, answer, status, patch. All of it runs in one event loop.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from astra_mirror.core.circuit import State
from astra_mirror.core.connection import TLS
from astra_mirror.core.reachability import Reach
from astra_mirror.core.schedule import Pace
from astra_mirror.core.shard import Shard
from astra_mirror.engine.connection.queues import ConnectionQueues
from astra_mirror.engine.echo import counts_as_listed
from astra_mirror.engine.effects import Forget
from astra_mirror.engine.entrance import Entrance
from astra_mirror.engine.exchange import Exchange
from astra_mirror.engine.following import Follower
from astra_mirror.engine.in_flight import InFlight
from astra_mirror.engine.inbox import Deleted, Inbox, Seen
from astra_mirror.engine.index import Index
from astra_mirror.engine.intake import Intake
from astra_mirror.engine.kinds.kind import Kind
from astra_mirror.engine.list_canaries import ListCanaries
from astra_mirror.engine.objects import Objects
from astra_mirror.engine.parts import Parts
from astra_mirror.engine.patcher import Patcher
from astra_mirror.engine.performer import Performer
from astra_mirror.engine.planner import Planner
from astra_mirror.engine.poller import Poller
from astra_mirror.engine.ports import Clocks, Connections, Events, Remote, StatusAPI
from astra_mirror.engine.rounds import Rounds
from astra_mirror.engine.state.texts import is_newer
from astra_mirror.engine.status_writer import StatusWriter
from astra_mirror.engine.writing import Writing
from astra_mirror.support.time_slices import TimeSlice

MAX_SLEEP: Final = 60.0
_UNKNOWN: Final[Mapping[Kind, str]] = {}

logger = logging.getLogger(__name__)


class Engine:
    """All tracked objects, their polls and their statuses; `performer` performs the effects.

    Args:
        remote: Astra Control.
        connections: the connections that Secrets describe.
        api: the statuses on the API server.
        events: the recorder of Events.
        clocks: the clocks and the random samples.
        pace: the administrator's intervals.
        shard: which objects this process owns.
    """

    def __init__(
        self,
        *,
        remote: Remote,
        connections: Connections,
        api: StatusAPI,
        events: Events,
        clocks: Clocks,
        pace: Pace,
        shard: Shard,
    ) -> None:
        self._clocks, self._leads = clocks, False
        self._since: Mapping[Kind, str] = {}
        self._index, self._inbox, self._poller = Index(), Inbox(), Poller()
        self._intake = Intake(pace, shard)
        objects = Objects(self._index, InFlight(), connections)
        self._queues = ConnectionQueues(objects)
        self._planner = Planner(objects, self._queues, clocks)
        self._rounds = Rounds(objects, self._poller, self._queues, self._planner, clocks=clocks, pace=pace)
        exchange = Exchange(remote, objects, self._queues, ListCanaries(objects))
        follower = Follower(objects, self._queues, self._planner, exchange, clocks=clocks, pace=pace)
        patcher = Patcher(api, self._index)
        self._writing = Writing(StatusWriter(self._index, self._inbox), patcher, api.availability, self._inbox, clocks)
        self.performer = self._performer = Performer(
            Parts(
                objects=objects,
                clocks=clocks,
                events=events,
                poller=self._poller,
                queues=self._queues,
                exchange=exchange,
                follower=follower,
                writing=self._writing,
            )
        )

    # Inputs.

    def entrance(self, kind: Kind) -> Entrance:
        """The inputs for objects of that kind."""
        return Entrance(kind, self._inbox, self._index)

    def secret_changed(self, namespace: str, name: str) -> None:
        """Poll the objects that use this Secret now. The poll loop does so in time slices: there may be thousands."""
        self._poller.secret_changed(namespace, name, self._clocks.monotonic())
        self._performer.has_moved.set()

    async def take_in(self) -> None:
        """Process the inbox until cancelled; also while another process leads."""
        while True:
            await self._inbox.wait()
            time_slice = TimeSlice()
            while self._inbox:
                await time_slice.checkpoint()
                try:
                    self._take_in(self._inbox.take())
                except Exception:  # the object's content is untrusted: a bug in handling it must not stop the loop
                    logger.exception("An object could not be taken in")

    def _take_in(self, event: Seen | Deleted | None) -> None:
        if event is None:
            return
        if isinstance(event, Deleted):
            self._inbox.set_ours(event.uid)
            self._performer.perform(Forget(event.uid))
            return
        metadata = event.body["metadata"]
        uid = metadata["uid"]
        known, moment = self._index.get(uid), self._clocks.moment()
        listed = counts_as_listed(known, event.listed_at)
        if listed and known is not None and is_newer(known.texts.resource_version, event.version):
            # Versions have gone back, as after a restore of the cluster from a backup.
            self._since = {}
        step = self._intake.seen(
            event.kind,
            known,
            event.body,
            moment,
            leads=self._leads,
            since=self._since.get(event.kind),
            listed=listed,
        )
        if known is not None and (step is None or step.tracked.identity is not known.identity):
            self._performer.perform(Forget(uid))
        if step is None:
            self._inbox.set_not_ours(event.kind, uid, metadata["generation"])
        else:
            self._inbox.set_ours(uid)
            self._performer.perform(step)

    # While this process leads.

    async def lead(self, since: Mapping[Kind, str] = _UNKNOWN) -> None:
        """Poll and write until cancelled.

        Called each time this process becomes the leader; before that, objects are only indexed.

        Args:
            since: the resourceVersion of each kind's list when this process became the leader, as far as it is known:
                versions that are not newer were written before.
        """
        try:
            self._leads, self._since = True, since
            await self._performer.all(self._rounds.begin())
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._writing.run())
                tasks.create_task(self._poll())
        finally:
            self._leads = False
            await self._performer.close()

    async def _poll(self) -> None:
        while True:
            self._performer.has_moved.clear()
            await self._performer.all(self._rounds.changed_secrets())
            await self._performer.all(self._rounds.expected())
            await self._performer.all(self._rounds.due())
            sleep = self._poller.next_due() - self._clocks.monotonic()
            try:
                async with asyncio.timeout(min(max(sleep, 0.0), MAX_SLEEP)):
                    await self._performer.has_moved.wait()
            except TimeoutError:
                continue

    async def drain(self, seconds: float) -> None:
        """Write the pending statuses, for at most that long. `lead` must be running."""
        if self._leads:
            await self._writing.drain(seconds)

    def drop_unused(self) -> set[TLS]:
        """Drop the connections, breakers and limits that no object uses. Returns the TLS settings still in use."""
        self._planner.forget()
        return {connection.tls for connection in self._performer.drop_unused()}

    # State, for the watches and the periodic list.

    def secret_names(self) -> set[tuple[str, str]]:
        """The Secrets in use, by namespace and name."""
        return self._index.secrets()

    # For the metrics.

    def open_breakers(self) -> int:
        """How many circuit breakers hold requests back."""
        return self._queues.open_breakers()

    def connections(self) -> Mapping[State, int]:
        """How many connections are in each state."""
        return self._queues.states(self._clocks.monotonic())

    def reachability(self) -> Mapping[Reach, int]:
        """On how many connections Astra Control answers, and on how many not."""
        return self._queues.reachability(self._clocks.monotonic())

    def pending(self) -> tuple[int, float]:
        """How many statuses wait to be written, and for how many seconds the oldest has waited.

        (0, 0.0) while another process leads: this one writes nothing then.
        """
        return self._writing.pending() if self._leads else (0, 0.0)
