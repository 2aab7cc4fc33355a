"""What follows, for all whom it concerns, from an answer, from a breaker that opens or closes, from a defect.

Each method yields what follows for one object after the other, in time slices, and the requests that are to be made.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator

from astra_mirror.core.connection import Connection
from astra_mirror.core.schedule import Pace
from astra_mirror.engine import result_handler
from astra_mirror.engine.connection.queues import ConnectionQueues
from astra_mirror.engine.effects import (
    AvoidList,
    Replan,
    RequestEffect,
    Resume,
    Show,
    ShowSlow,
    Step,
    StopWaiting,
    Submit,
)
from astra_mirror.engine.exchange import Exchange
from astra_mirror.engine.hand_outs import HandOut, HeldBack, NotAnswered, View
from astra_mirror.engine.objects import Objects
from astra_mirror.engine.planner import Planner
from astra_mirror.engine.ports import Clocks
from astra_mirror.engine.requests import ListRequest, Request
from astra_mirror.support.time_slices import TimeSlice

Following = AsyncIterator[Step | RequestEffect]


class Follower:
    """Says what follows.

    Args:
        objects: all objects, and the requests that they wait for.
        queues: the connections' requests.
        planner: chooses requests.
        exchange: what follows from one answer, or from one request's being held back.
        clocks: time and chance.
        pace: the administrator's intervals.
    """

    def __init__(
        self,
        objects: Objects,
        queues: ConnectionQueues,
        planner: Planner,
        exchange: Exchange,
        *,
        clocks: Clocks,
        pace: Pace,
    ) -> None:
        self._objects = objects
        self._queues = queues
        self._planner = planner
        self._exchange = exchange
        self._clocks = clocks
        self._pace = pace

    async def hand_out(self, work: HandOut) -> Following:
        """Hand something out to all whom it concerns, and do what follows then."""
        time_slice = TimeSlice(work.request.namespace)
        for uid in work.uids(self._objects):
            await time_slice.checkpoint()
            tracked = self._objects.index.get(uid)
            step = None if tracked is None else work.step(tracked, self._view())
            if step is not None:
                yield step
        for effect in work.ended(self._view()):
            if isinstance(effect, Replan):
                async for submit in self.replan(effect):
                    yield submit
            else:
                yield effect

    def _view(self) -> View:
        return View(self._objects, self._clocks.moment(), self._pace)

    async def shown(self, item: Show | ShowSlow | Resume) -> Following:
        """Hand out what is shown of requests that are not made, or make those that were held back."""
        match item:
            case Show(request, failure, since):
                for each in self._exchange.held(HeldBack(request, failure, since)):
                    async for one in self.replan(each) if isinstance(each, Replan) else self.hand_out(each):
                        yield one
            case ShowSlow(connection):
                for request in self._queues.of(connection).not_answered():
                    async for one in self.hand_out(NotAnswered(request)):
                        yield one
            case Resume():
                async for one in self._resume(item):
                    yield one

    async def replan(self, replan: Replan) -> Following:
        """Plan anew for objects that wait for a request of which nothing comes for them."""
        due = dict.fromkeys(replan.uids, replan.due)
        async for submit in self._planner.plan(replan.connection, due, TimeSlice(), is_fallback=True):
            yield submit

    async def _resume(self, resume: Resume) -> Following:
        """Plan anew for the objects of requests that were held back."""
        in_flight, time_slice = self._objects.in_flight, TimeSlice()
        accounts: defaultdict[str, dict[str, Request]] = defaultdict(dict)
        for request in resume.requests:
            await time_slice.checkpoint()
            for tracked in self._objects.waiting(request):
                accounts[tracked.spec.account_id][tracked.uid] = request
        for waiting in accounts.values():
            await time_slice.checkpoint()
            now, due = self._clocks.monotonic(), dict[str, float]()
            for uid in [uid for uid, request in waiting.items() if in_flight.request_of(uid) is request]:
                found = self._objects.index.get(uid)
                if found is not None and not found.spec.suspend:
                    due[uid] = now
                else:
                    in_flight.release(uid)
            async for submit in self._planner.plan(resume.connection, due, time_slice):
                yield submit

    def ask_alone(self, connection: Connection, uid: str) -> Iterator[Submit]:
        """Ask for the backup of this object alone as soon as nothing holds that back."""
        tracked, moment = self._objects.index.get(uid), self._clocks.moment()
        if tracked is None or tracked.polling.last_failure is None or not self._objects.is_free(connection, tracked):
            return
        # Behind all others of its account that wait for the same breaker: the next probe is another object's.
        yield Submit(self._objects.request_for(connection, tracked, due=moment.at, draw=moment.draw))

    def broken(self, request: Request) -> Iterator[Step | AvoidList]:
        """Nothing more comes of a request, by a defect: its objects try again later, and not by the same list."""
        if isinstance(request, ListRequest):
            yield AvoidList(request.connection, request.collection)
        for tracked in self._objects.waiting(request):
            step = result_handler.broken(tracked, self._clocks.moment())
            yield Step(step.tracked, (*step.effects, StopWaiting(tracked.uid)))
