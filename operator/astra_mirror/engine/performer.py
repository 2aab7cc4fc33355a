"""Performs effects: timers, requests, Events. Patches are sent by `writing`."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Iterable
from functools import partial
from typing import Any

from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Answer, Failed, Listed, SyncReason
from astra_mirror.engine import effects
from astra_mirror.engine.connection.queue import SLOT_SECONDS, SLOW_SECONDS
from astra_mirror.engine.effects import Effect, ObjectEffect, RequestEffect, Send, ShowSlow, Step
from astra_mirror.engine.hand_out_queue import HandOutQueue, Item, requests_of
from astra_mirror.engine.hand_outs import HandOut
from astra_mirror.engine.parts import Parts
from astra_mirror.engine.requests import Request
from astra_mirror.observability.metrics import OBSERVATIONS, POLL_LATENESS, series
from astra_mirror.support.scheduler import KeyedTimers, meanwhile, spawn

logger = logging.getLogger(__name__)


class Performer:
    """Performs effects.

    Args:
        parts: the parts of the engine that they are performed with.

    Attributes:
        has_moved: set to wake the poll loop before its next timer.
        parts: what effects are performed with.
    """

    def __init__(self, parts: Parts) -> None:
        self.has_moved = asyncio.Event()
        self.parts = self._parts = parts
        self._to_hand_out = HandOutQueue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: KeyedTimers[Connection | tuple[str, str] | None] = KeyedTimers(self._wake)
        self._is_closing = False

    async def all(self, results: AsyncIterator[Step | Effect]) -> None:
        """Perform each of these as it is yielded."""
        async for each in results:
            self.perform(each)

    def perform(self, each: Step | Effect) -> None:
        """Perform an effect. For a step, first store the object's new state, then perform its effects."""
        if isinstance(each, Step):
            self._parts.objects.index.put(each.tracked)
            for effect in each.effects:
                self._perform_for_object(effect)
        elif isinstance(each, ObjectEffect):
            self._perform_for_object(each)
        elif isinstance(each, effects.Log):
            self._parts.reports.log.write(each.line)
        elif isinstance(each, effects.Ended):
            self._perform_all(self._parts.journal.ended(each, self._parts.clocks.monotonic()))
        else:
            self._perform_for_requests(each)

    def _perform_all(self, those: Iterable[Step | Effect]) -> None:
        for each in those:
            self.perform(each)

    # Effects for one object.

    def _perform_for_object(self, effect: ObjectEffect) -> None:
        parts = self._parts
        match effect:
            case effects.CheckAt(uid, at):
                self._wake_if(parts.poller.check_at(uid, at))
            case effects.CountPoll(kind, result):
                series(OBSERVATIONS, kind, result).inc()
            case effects.StopWaiting(uid):
                parts.objects.in_flight.release(uid)
            case effects.StatusMoved(uid, moved):
                parts.writing.moved(uid, moved)
            case effects.StartFirstPoll(uid):
                self._wake_if(parts.poller.poll_first(uid, parts.clocks.monotonic()))
            case effects.ExpectStatus(uid):
                self._wake_if(parts.poller.expect(uid, parts.clocks.monotonic()))
            case effects.RecordEvent(about, note):
                parts.reports.events.submit(about.kind.names, about.namespace, about.name, about.uid, note)
            case effects.Forget(uid):
                self._forget(uid)

    def _wake_if(self, is_earlier: bool) -> None:
        if is_earlier:
            self.has_moved.set()

    def _forget(self, uid: str) -> None:
        parts = self._parts
        tracked = parts.objects.index.remove(uid)
        if tracked is not None:
            parts.poller.forget(uid)
            parts.writing.forget(tracked)
            parts.objects.in_flight.release(uid)

    # Effects for requests and connections.

    def _perform_for_requests(self, effect: RequestEffect) -> None:
        parts = self._parts
        match effect:
            case effects.Submit(request, first):
                queue = parts.queues.of(request.connection)
                self._perform_all(queue.submit(request, parts.clocks.moment(), first=first))
            case effects.Send():
                self._send(effect)
            case effects.Pump(connection):
                self._perform_all(parts.queues.of(connection).pump(parts.clocks.moment()))
            case effects.Wake(connection, at):
                self._timers.set(connection, at)
            case effects.Show(request):
                self._hand_out_later(request.connection, effect)
            case effects.ShowSlow(connection) | effects.Resume(connection):
                self._hand_out_later(connection, effect)
            case effects.LearnList() | effects.AvoidList() | effects.SuspectList():
                parts.queues.of(effect.connection).remember(effect, parts.clocks.monotonic())
                self._perform_all(parts.journal.list_moved(effect, parts.clocks.monotonic()))
            case effects.AskAlone(connection, uid):
                self._perform_all(parts.follower.ask_alone(connection, uid))
            case effects.Defect(request):
                self._perform_all(parts.follower.broken(request))

    def _send(self, send: Send) -> None:
        request = send.request
        if not request.is_fallback:
            series(POLL_LATENESS, request.about.kind.label).observe(max(send.started - request.due, 0.0))
        self._spawn(self._exchange(send), partial(self._exchanged, send))

    async def _exchange(self, send: Send) -> None:
        request = send.request
        slow = (send.started + SLOT_SECONDS, partial(self._slow, request))
        unanswered = (send.started + SLOW_SECONDS, partial(self._unanswered, request))
        with meanwhile(slow, unanswered):
            answer = await self._parts.exchange.ask(request)
        await self._follow(send, answer)

    async def _follow(self, send: Send, answer: Answer | Listed) -> None:
        """Perform the effects of an answer in their order."""
        parts, moment = self._parts, self._parts.clocks.moment()
        for each in parts.exchange.answered(send.request, answer, started=send.started, moment=moment):
            if isinstance(each, HandOut):
                await self.all(parts.follower.hand_out(each))
            elif isinstance(each, effects.Replan):
                await self.all(parts.follower.replan(each))
            else:
                self.perform(each)

    def _slow(self, request: Request) -> None:
        self._perform_all(self._parts.queues.of(request.connection).slow(request, self._parts.clocks.moment()))

    def _unanswered(self, request: Request) -> None:
        self._parts.queues.of(request.connection).unanswered_for_long(request)
        self.perform(ShowSlow(request.connection))

    def _exchanged(self, send: Send, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._is_closing:
            return
        request = send.request
        queue = self._parts.queues.of(request.connection)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            # A bug in the operator: it must not end the polling of these objects, nor of any other.
            logger.error("A request ended in an unexpected error", exc_info=error)
            if not queue.is_answered(request):
                failure = Failed(SyncReason.UNEXPECTED_RESPONSE, f"The operator failed: {type(error).__name__}.")
                self._spawn(self._follow(send, failure), partial(self._exchanged, send))
                return
        if error is not None or task.cancelled():
            # If cancelled, the HTTP client was closed during the request. Its objects must not wait for ever.
            self.perform(effects.Defect(request))
        self._perform_all(queue.ended(request, self._parts.clocks.moment()))

    # Timers of the queues.

    def _wake(self, connection: Connection | tuple[str, str] | None) -> None:
        if connection is None:
            self._go_on_in_total()
        elif isinstance(connection, tuple):
            self._perform_all(self._parts.secret_lines.look(connection, self._parts.clocks.monotonic()))
        elif connection in self._parts.queues:
            moment = self._parts.clocks.moment()
            self._perform_all(self._parts.queues.of(connection).wake(moment))
            self._perform_all(self._parts.journal.look(connection, moment.at))

    def _go_on_in_total(self) -> None:
        queues, clocks = self._parts.queues, self._parts.clocks
        while (request := queues.total.take(clocks.monotonic())) is not None:
            self._perform_all(queues.of(request.connection).start_from_total(request, clocks.moment()))
        at = queues.total.next_at(clocks.monotonic())
        if at is not None:
            self._timers.set(None, at)

    # Reports about held-back and slow requests: one at a time for each connection.

    def _hand_out_later(self, connection: Connection, item: Item) -> None:
        if self._to_hand_out.put(connection, item):
            self._hand_out_next(connection)

    def _hand_out_next(self, connection: Connection) -> None:
        item = self._to_hand_out.take(connection)
        if item is not None:
            self._spawn(self.all(self._parts.follower.shown(item)), partial(self._handed_out, connection, item))

    def _handed_out(self, connection: Connection, item: Item, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        if error := task.exception():
            logger.error("Handing out what holds a request back ended in an unexpected error", exc_info=error)
            self._perform_all(map(effects.Defect, requests_of(item)))
        self._hand_out_next(connection)

    # Tasks, and their end.

    def _spawn(self, work: Coroutine[Any, Any, None], ended: "partial[None]") -> None:
        self._tasks.add(spawn(work, ended))

    def drop_unused(self) -> set[Connection]:
        """Drop the connections that no object uses. Returns those that remain."""
        connections, lost = self._parts.queues.drop_unused(self._to_hand_out)
        self._perform_all(lost)
        secrets = self._parts.objects.index.secrets()
        self._timers.retain({None, *connections, *secrets})
        self._parts.exchange.retain(connections)
        self._parts.journal.retain(connections, self._parts.clocks.monotonic())
        self._parts.secret_lines.retain(secrets)
        return connections

    async def close(self) -> None:
        """Cancel every request, and forget all of them."""
        self._is_closing = True
        self._timers.retain(())
        self._to_hand_out.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._parts.queues.clear()
        self._parts.exchange.clear()
        self._parts.objects.in_flight.clear()
        self._is_closing = False
