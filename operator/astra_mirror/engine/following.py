"""Fan-out: the steps for all affected objects after an answer, a breaker change or an internal error.

Each method yields a step for one object after the other, in time slices, and the requests that follow.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from typing import Final

from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Failed, SyncReason
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

_LOST: Final = Failed(SyncReason.UNEXPECTED_RESPONSE, "The operator has lost its response by a defect of its own.")

Following = AsyncIterator[Step | RequestEffect]


class Follower:
    """Expands one answer, hold or error into a step for each affected object.

    Args:
        objects: all objects, and the requests that they wait for.
        queues: the connection queues.
        planner: chooses requests.
        exchange: what follows when a request is held back.
        clocks: the clocks and the random samples.
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
        """Yield a step for each affected object, then the requests that follow."""
        time_slice, view = TimeSlice(work.request.namespace), self._view()
        for uid in work.uids(self._objects):
            if await time_slice.checkpoint():
                # Time has passed.
                view = self._view()
            tracked = self._objects.index.get(uid)
            step = None if tracked is None else work.step(tracked, view)
            if step is not None:
                yield step
        for effect in work.ended(view):
            if isinstance(effect, Replan):
                async for submit in self.replan(effect):
                    yield submit
            else:
                yield effect

    def _view(self) -> View:
        return View(self._objects, self._clocks.moment(), self._pace)

    async def shown(self, item: Show | ShowSlow | Resume) -> Following:
        """Report held-back or slow requests in their objects' statuses, or replan requests that were released."""
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
        """Replan objects whose request will not answer them."""
        due = dict.fromkeys(replan.uids, replan.due)
        async for submit in self._planner.plan(replan.connection, due, TimeSlice(), is_fallback=True):
            yield submit

    async def _resume(self, resume: Resume) -> Following:
        """Replan the objects of requests that are no longer held back."""
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
                if found is not None and found.desire.is_polled:
                    due[uid] = now
                else:
                    in_flight.release(uid)
            async for submit in self._planner.plan(resume.connection, due, time_slice):
                yield submit

    def ask_alone(self, connection: Connection, uid: str) -> Iterator[Submit]:
        """Submit a single GET for this object; it starts when no breaker holds it back."""
        tracked, moment = self._objects.index.get(uid), self._clocks.moment()
        if tracked is None or tracked.polling.last_failure is None or not self._objects.is_free(connection, tracked):
            return
        # Queue it last among the requests held by this breaker, so that another object sends the next probe.
        yield Submit(self._objects.request_for(connection, tracked, due=moment.at, draw=moment.draw))

    def broken(self, request: Request) -> Iterator[Step | AvoidList]:
        """Reschedule the objects of a request that was lost; a list that was lost is avoided for a while."""
        if isinstance(request, ListRequest):
            yield AvoidList(request.connection, request.collection, _LOST)
        for tracked in self._objects.waiting(request):
            step = result_handler.broken(tracked, self._clocks.moment())
            yield Step(step.tracked, (*step.effects, StopWaiting(tracked.uid)))
