"""The queue of one connection: which of its requests start now, and which wait.

Circuit breakers decide which requests may start, slots and rates how many, the fair queue in which order. Nothing is
performed here: the effects are returned.
"""

from collections.abc import Container, Hashable
from dataclasses import dataclass
from itertools import chain
from typing import Final

from astra_mirror.core.breaker import Breakers
from astra_mirror.core.concurrency import RequestSlots
from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Answer, Listed
from astra_mirror.core.rate import CONNECTION_PER_SECOND, Rate
from astra_mirror.core.reachability import Reachability
from astra_mirror.core.request_plan import AVOID_SECONDS, Catalog
from astra_mirror.core.tickets import Ticket
from astra_mirror.engine.connection.all_held import AllHeldRequests, Result
from astra_mirror.engine.connection.breakers import Go
from astra_mirror.engine.connection.total_rate import TotalRate
from astra_mirror.engine.connection.waiting import Waiting
from astra_mirror.engine.effects import AvoidList, LearnList, ListEffect, RequestEffect, Send, SuspectList, Wake
from astra_mirror.engine.objects import Objects
from astra_mirror.engine.ports import Moment
from astra_mirror.engine.requests import Request

SLOT_SECONDS: Final = 0.5
"""After how long an unanswered request counts as slow and gives up its slot. Hanging requests must not delay others,
which have to start within a second of their due time."""
SLOW_SECONDS: Final = 2.0
"""After how long an unanswered request gives its unobserved objects a NotObserved status."""
_BATCH: Final = 200
"""How many requests are started before yielding to the event loop."""


@dataclass(slots=True)
class _Sent:
    """A request that was sent, until its answer has been fanned out."""

    ticket: Ticket
    is_slow: bool = False
    is_unanswered_for_long: bool = False
    is_answered: bool = False


class ConnectionQueue:
    """The requests of one connection. Times are monotonic seconds.

    Args:
        connection: the connection.
        total: the global rate limit.
        objects: all objects, and the requests that they wait for.
    """

    def __init__(self, connection: Connection, total: TotalRate, objects: Objects) -> None:
        self.catalog = Catalog()
        self.reachability = Reachability()
        self._connection = connection
        self._total = total
        self._in_flight = objects.in_flight
        self._held_requests = AllHeldRequests(connection, objects)
        self.lists = self._held_requests.lists
        self._rate = Rate(CONNECTION_PER_SECOND)
        self._slots = RequestSlots()
        self._waiting = Waiting()
        self._tickets: dict[Request, Ticket] = {}
        self._sent: dict[Request, _Sent] = {}
        self._is_gathering = False

    @property
    def is_idle(self) -> bool:
        """Whether no request is in flight or queued; requests may be held back."""
        return not (self._sent or self._waiting or self._waiting.outside())

    @property
    def breakers(self) -> Breakers:
        """The circuit breakers."""
        return self._held_requests.breakers

    # Requests come in.

    def submit(self, request: Request, moment: Moment, *, first: bool = False) -> list[RequestEffect]:
        """Queue a request. It starts as soon as breakers, slots and rates allow.

        Args:
            request: the request.
            moment: now.
            first: whether it is queued ahead of all others, because they depend on its answer.
        """
        self._waiting.put(request, first=first)
        return self.pump(moment)

    def gather(self) -> None:
        """Start nothing until `release`, so that the first request is chosen among a whole batch."""
        self._is_gathering = True

    def release(self) -> None:
        """End `gather`: the next `pump` starts requests."""
        self._is_gathering = False

    def wake(self, moment: Moment) -> list[RequestEffect]:
        """A timer that `Wake` has set has expired."""
        return [*self._going(self._held_requests.find_out(moment)), *self.pump(moment)]

    def start_from_total(self, request: Request, moment: Moment) -> list[RequestEffect]:
        """A request that has waited for the global rate limit may start."""
        self._waiting.back_inside(request)
        self._slots.leave(request.path, is_slow=False)
        effects, is_held = self._held(request, moment)
        if is_held:
            pass
        elif request in self._tickets or self.breakers.may_start(moment.at):
            self._slots.enter(request.path)
            effects.append(self._start(request, moment.at))
        else:
            self._waiting.put(request)
        return [*effects, *self.pump(moment)]

    # Requests start.

    def pump(self, moment: Moment) -> list[RequestEffect]:
        """Start the requests that may start."""
        effects: list[RequestEffect] = []
        if self._is_gathering:
            return effects
        for _ in range(_BATCH):
            if not self._waiting or self._slots.is_full():
                return effects
            ready_at = self._rate.ready_at(moment.at)
            if ready_at > moment.at:
                return [*effects, Wake(self._connection, ready_at)]
            may_start = self.breakers.may_start(moment.at)
            request = self._waiting.take(self._slots) if may_start else self._waiting.take_first(self._tickets)
            if request is None:
                return effects
            effects += self._let_go(request, moment)
        return [*effects, Wake(self._connection, moment.at)]

    def _let_go(self, request: Request, moment: Moment) -> list[RequestEffect]:
        """Start a request that was dequeued, unless it is held back or has to wait for the global rate limit."""
        effects, is_held = self._held(request, moment)
        if is_held:
            return effects
        self._slots.enter(request.path)
        if self._total.admit(request, moment.at):
            return [*effects, self._start(request, moment.at)]
        self._waiting.wait_outside(request)
        at = self._total.next_at(moment.at)
        return effects if at is None else [*effects, Wake(None, at)]

    def _held(self, request: Request, moment: Moment) -> tuple[list[RequestEffect], bool]:
        """The effects, and True if the request must not start: no object waits for it, or a breaker holds it back."""
        if request not in self._in_flight:
            self.lists.dropped(request)
            ticket = self._tickets.pop(request, None)
            return ([] if ticket is None else self._recorded(ticket, None, moment)), True
        if request in self._tickets:
            return [], False
        held = self._held_requests.hold(request, moment.at)
        return list(held or ()), held is not None

    def _start(self, request: Request, now: float) -> Send:
        self._rate.take()
        ticket = self._tickets.pop(request, None) or self._held_requests.start(request, now)
        self._sent[request] = _Sent(ticket)
        return Send(request, now)

    def _recorded(self, ticket: Ticket, answer: Answer | Listed | None, moment: Moment) -> list[RequestEffect]:
        effects = self._going(self._held_requests.record(ticket, answer, moment))
        if self.breakers.is_proven:
            self._waiting.forget_order_of_start()
        return effects

    def _going(self, result: Result) -> list[RequestEffect]:
        """Queue probes and canaries, with the tickets that they already have."""
        effects: list[RequestEffect] = []
        for each in result:
            if isinstance(each, Go):
                self._tickets[each.request] = each.ticket
                self._waiting.put(each.request, first=each.first)
            else:
                effects.append(each)
        return effects

    # Requests in flight.

    def answered(self, request: Request, answer: Answer | Listed, moment: Moment) -> list[RequestEffect]:
        """A request was answered; `ended` follows when the answer has been fanned out."""
        sent = self._sent[request]
        self._free(request, sent)
        return self._recorded(sent.ticket, answer, moment)

    def ended(self, request: Request, moment: Moment) -> list[RequestEffect]:
        """A request has ended, with or without an answer."""
        sent = self._sent.pop(request)
        was_answered = sent.is_answered
        self._free(request, sent)
        effects = [] if was_answered else self._recorded(sent.ticket, None, moment)
        return [*effects, *self.pump(moment)]

    def is_answered(self, request: Request) -> bool:
        """Whether a request in flight has been answered."""
        return self._sent[request].is_answered

    def _free(self, request: Request, sent: _Sent) -> None:
        if not sent.is_answered:
            sent.is_answered = True
            self._slots.leave(request.path, is_slow=sent.is_slow)

    def slow(self, request: Request, moment: Moment) -> list[RequestEffect]:
        """A request has had no answer for `SLOT_SECONDS`: it gives up its slot."""
        self._sent[request].is_slow = True
        self._slots.slow(request.path)
        return self.pump(moment)

    def unanswered_for_long(self, request: Request) -> None:
        """A request has had no answer for `SLOW_SECONDS`."""
        self._sent[request].is_unanswered_for_long = True

    def not_answered(self) -> list[Request]:
        """The requests whose objects report that no answer has arrived: slow, queued and held ones."""
        slow = (request for request, sent in self._sent.items() if sent.is_unanswered_for_long)
        return list(chain(slow, self._waiting, self._held_requests))

    def remember(self, effect: ListEffect, now: float) -> None:
        """Record the result of a list in the catalog."""
        match effect:
            case LearnList(collection=collection, size=size):
                self.catalog.learn(collection, size)
            case AvoidList(collection=collection):
                self.catalog.avoid(collection, now + AVOID_SECONDS)
            case SuspectList(attempt=attempt):
                self.catalog.suspect(attempt, now + AVOID_SECONDS)

    # Its end.

    def retain(self, accounts: Container[str], apps: Container[Hashable], namespaces: Container[str]) -> None:
        """Keep only the breakers and probe times of these, and drop held requests that no object waits for."""
        self._held_requests.retain(accounts, apps, namespaces)

    def close(self) -> list[Request]:
        """Drop all queued and held requests. Returns the held ones."""
        for request in self._waiting.outside():
            self._total.drop(request)
        self._waiting.clear()
        return self._held_requests.clear()
