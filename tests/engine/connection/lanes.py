"""The requests of a connection, which end when a test says so, in virtual time.

The queue, the circuit breakers and the performer are the real ones. The test sets the answers, and sees
what is fanned out.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from astra_mirror.core.breaker import Breakers
from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Answer, Failed, Listed, NotFound
from astra_mirror.core.request_plan import Collection
from astra_mirror.core.urls import BaseURL
from astra_mirror.engine.connection.queue import ConnectionQueue
from astra_mirror.engine.connection.queues import ConnectionQueues
from astra_mirror.engine.effects import Pump, Replan, RequestEffect, Resume, Show, ShowSlow, Step, Submit
from astra_mirror.engine.in_flight import InFlight
from astra_mirror.engine.index import Index
from astra_mirror.engine.journal import Journal
from astra_mirror.engine.kinds.app_backup_ref import APP_BACKUP_REF
from astra_mirror.engine.kinds.kind import Spec
from astra_mirror.engine.objects import Objects
from astra_mirror.engine.parts import Parts
from astra_mirror.engine.performer import Performer
from astra_mirror.engine.poller import Poller
from astra_mirror.engine.ports import Clocks, Moment
from astra_mirror.engine.requests import ListRequest, Request, SingleRequest
from astra_mirror.engine.state.cache import Cache
from astra_mirror.engine.state.desire import Desire
from astra_mirror.engine.state.identity import Identity
from astra_mirror.engine.state.polling import Polling
from astra_mirror.engine.state.reported import Reported
from astra_mirror.engine.state.texts import Texts
from astra_mirror.engine.state.tracked import Tracked
from tests.virtual_time import clock, utcnow

OK = NotFound("an answer")
URL = BaseURL.parse("https://a.netapp.io")


def _id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


@dataclass(eq=False)
class Read:
    """An object, and the request that is made for it."""

    remote: "Remote"
    uid: str
    app: str | None
    name: str
    account: str
    namespace: str
    request: Request
    defect: bool = False
    broke: bool = False
    slowed: int = 0
    gate: asyncio.Event | None = None
    future: asyncio.Future[Answer] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def leave(self) -> None:
        """The object is deleted: nobody wants the answer any more."""
        self.remote.objects.index.remove(self.uid)
        self.remote.objects.in_flight.release(self.uid)


class _Connections:
    """Each Secret describes the connection whose number its name has."""

    def connection(self, namespace: str, name: str) -> Connection:
        """The connection."""
        del namespace
        return Connection(URL, name)


class Remote:
    """Requests that end when a test says so: the sender and the fan-out, as the performer knows them."""

    def __init__(self) -> None:
        self.under_way: list[Read] = []
        self.ended: list[tuple[str, Answer | Listed]] = []
        self.held: list[tuple[str, Failed]] = []
        self.objects = Objects(Index(), InFlight(), _Connections())
        self.queues = ConnectionQueues(self.objects)
        self._reads: dict[str, Read] = {}
        self._numbers = count()
        self._requests: dict[Request, Read] = {}
        parts: Any = self
        self._clocks = Clocks(clock, utcnow, lambda: 0.5)
        self.performer = Performer(
            Parts(
                objects=self.objects,
                clocks=self._clocks,
                reports=parts,
                poller=Poller(),
                queues=self.queues,
                exchange=parts,
                follower=parts,
                writing=parts,
                journal=Journal(self.objects, self.queues),
            )
        )

    def read(  # noqa: PLR0913 - what a test may want to say of a request
        self,
        app: str | None = "a",
        due: float = 0.0,
        urgency: float = 0.0,
        name: str = "",
        account: str = "account",
        namespace: str = "ns",
        *,
        is_observed: bool = False,
        connection: str = "0",
    ) -> Read:
        """A request that is answered through `under_way` and recorded in `ended`."""
        uid = str(next(self._numbers))
        ids = {"accountID": _id(account), "appID": _id(str(app)), "backupID": _id(uid)}
        spec = APP_BACKUP_REF.read({"spec": {**ids, "secretRef": {"name": connection}}})
        assert isinstance(spec, Spec)
        about = Identity(APP_BACKUP_REF, uid, namespace, uid)
        self.objects.index.put(
            Tracked(
                about,
                Desire(spec, 1, None),
                Texts("1", 0.0, b"{}", b"{}"),
                Reported(is_observed=is_observed),
                Polling(0.0, 0.0),
                Cache(),
            )
        )
        common: dict[str, Any] = {
            "connection": Connection(URL, connection),
            "about": about,
            "due": due,
            "urgency": urgency,
            "draw": 0.5,
            "is_fallback": False,
            "is_observed": is_observed,
        }
        request: Request = (
            ListRequest(**common, collection=Collection(spec.account_id, None))
            if app is None
            else SingleRequest(**common, document=spec.document)
        )
        self.objects.in_flight.wait(uid, request)
        read = self._reads[uid] = Read(self, uid, app, name or str(app), account, namespace, request)
        return read

    async def settle(self) -> None:
        """Let every task that can go on do so."""
        # No time passes before that.
        await asyncio.sleep(0.001)

    async def answer(self, number: int, answer: Answer = OK) -> None:
        """Answer a request."""
        self.under_way[number].future.set_result(answer)
        await self.settle()

    def _read_of(self, request: Request) -> Read:
        [uid] = self.objects.in_flight.waiting(request)
        return self._reads[uid]

    # As the performer's exchange.

    async def ask(self, request: Request) -> Answer:
        """Wait for the test."""
        read = self._requests[request] = self._read_of(request)
        self.under_way.append(read)
        return await read.future

    def answered(
        self, request: Request, answer: Answer | Listed, *, started: float, moment: Moment
    ) -> Iterator[RequestEffect | Any]:
        """Record the answer; fail where the test wants a defect."""
        del started
        yield from self.queues.of(request.connection).answered(request, answer, moment)
        yield Pump(request.connection)
        read = self._requests[request]
        if read.defect:
            raise ZeroDivisionError("a bug")
        if read.gate is not None:
            yield Replan(request.connection, (read.uid,), 0.0)
        self.ended.append((read.name, answer))
        read.leave()

    # As the performer's follower.

    async def shown(self, item: Show | ShowSlow | Resume) -> AsyncIterator[Step | RequestEffect]:
        """Record what is shown meanwhile; submit again what may go."""
        match item:
            case Show(request, failure):
                self.held.append((self._read_of(request).name, failure))
            case ShowSlow(connection):
                for request in self.queues.of(connection).not_answered():
                    if request in self.objects.in_flight:
                        self._read_of(request).slowed += 1
            case Resume(requests=requests):
                for request in requests:
                    yield Submit(request)

    async def replan(self, replan: Replan) -> AsyncIterator[Step | RequestEffect]:
        """Take as long as the test wants."""
        gate = self._reads[replan.uids[0]].gate
        if gate is not None:
            await gate.wait()
        nothing: tuple[Step, ...] = ()
        for each in nothing:
            yield each

    def clear(self) -> None:
        """Nothing is remembered."""

    def broken(self, request: Request) -> Iterator[RequestEffect]:
        """Record the defect."""
        self._requests[request].broke = True
        yield from ()


@dataclass
class Lane:
    """A connection of a test's remote."""

    remote: Remote
    connection: Connection

    @property
    def queue(self) -> ConnectionQueue:
        """The connection's queue."""
        return self.remote.queues.of(self.connection)

    @property
    def breakers(self) -> Breakers:
        """The connection's circuit breakers."""
        return self.queue.breakers

    @property
    def idle(self) -> bool:
        """Whether nothing is sent and nothing waits but for a breaker to close."""
        return self.queue.is_idle

    def submit(self, read: Read, *, first: bool = False) -> None:
        """Let a request start when it may."""
        self.remote.performer.perform(Submit(read.request, first))

    def gather(self) -> None:
        """Start nothing until `start`."""
        self.queue.gather()

    def start(self) -> None:
        """Start what has been gathered."""
        self.queue.release()
        self.remote.performer.perform(Pump(self.connection))

    async def close(self) -> None:
        """End every request without an outcome."""
        await self.remote.performer.close()


def new_lane(remote: Remote, number: int = 0) -> Lane:
    """A new lane."""
    return Lane(remote, Connection(URL, str(number)))


async def proven(remote: Remote) -> Lane:
    """A lane whose token has been accepted."""
    lane = new_lane(remote)
    lane.submit(remote.read())
    await remote.settle()
    await remote.answer(0)
    remote.under_way.clear()
    remote.ended.clear()
    return lane
