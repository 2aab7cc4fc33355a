"""The requests of one connection: which start now, which wait, and which objects show why theirs is not made.

The queue decides nothing itself. Circuit breakers say what may go, slots and rates how much of it, the fair queue whose
turn it is. It performs nothing either: what is to be done is returned.
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
from astra_mirror.core.request_plan import AVOID_SECONDS, Catalog
from astra_mirror.core.tickets import Ticket
from astra_mirror.engine.connection.breakers import Go, HeldRequests, Result
from astra_mirror.engine.connection.total_rate import TotalRate
from astra_mirror.engine.connection.waiting import Waiting
from astra_mirror.engine.effects import AvoidList, LearnList, ListEffect, RequestEffect, Send, SuspectList, Wake
from astra_mirror.engine.objects import Objects
from astra_mirror.engine.ports import Moment
from astra_mirror.engine.requests import Request

SLOT_SECONDS: Final = 0.5
"""After how long an unanswered request counts among the slow ones. Answers that hang must not hold up the others, whose
requests are to start within a second of their time."""
SLOW_SECONDS: Final = 2.0
"""After how long objects that have no status yet show that an answer has not come."""
_BATCH: Final = 200
"""How many requests are looked at before others have their turn in the event loop."""


@dataclass(slots=True)
class _Sent:
    """A request that was sent; its answer may have come, and be handed out."""

    ticket: Ticket
    is_slow: bool = False
    is_unanswered_for_long: bool = False
    is_answered: bool = False


class ConnectionQueue:
    """The requests of one connection. Times are monotonic seconds.

    Args:
        connection: whose requests these are.
        total: the rate of all connections together.
        objects: what waits for the requests.
    """

    def __init__(self, connection: Connection, total: TotalRate, objects: Objects) -> None:
        self.catalog = Catalog()
        self._connection = connection
        self._total = total
        self._in_flight = objects.in_flight
        self._held_requests = HeldRequests(connection, objects)
        self._rate = Rate(CONNECTION_PER_SECOND)
        self._slots = RequestSlots()
        self._waiting = Waiting()
        self._tickets: dict[Request, Ticket] = {}
        self._sent: dict[Request, _Sent] = {}
        self._is_gathering = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing is sent and nothing waits but for a breaker to close."""
        return not (self._sent or self._waiting or self._waiting.outside())

    @property
    def breakers(self) -> Breakers:
        """The circuit breakers."""
        return self._held_requests.breakers

    # What comes in.

    def submit(self, request: Request, moment: Moment, *, first: bool = False) -> list[RequestEffect]:
        """Let a request start as soon as breakers, slots and rates allow, or hold it back.

        Args:
            request: the request.
            moment: now.
            first: whether it goes before all that waits, because its answer decides for others.
        """
        self._waiting.put(request, first=first)
        return self.pump(moment)

    def gather(self) -> None:
        """Start nothing until `release`, so that who is first is chosen among all that come together."""
        self._is_gathering = True

    def release(self) -> None:
        """Let what has been gathered start with the next `pump`."""
        self._is_gathering = False

    def wake(self, moment: Moment) -> list[RequestEffect]:
        """It was to be looked at again at this time."""
        return [*self._going(self._held_requests.find_out(moment)), *self.pump(moment)]

    def start_from_total(self, request: Request, moment: Moment) -> list[RequestEffect]:
        """A request that has waited for the rate of all connections may start."""
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

    # What goes now.

    def pump(self, moment: Moment) -> list[RequestEffect]:
        """Start what may start."""
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
        """Deal with the request whose turn it is."""
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
        """Whether a request does not go after all: nobody wants it, or a breaker holds it back."""
        if request not in self._in_flight:
            ticket = self._tickets.pop(request, None)
            return ([] if ticket is None else self._recorded(ticket, None, moment)), True
        if request in self._tickets:
            return [], False
        held = self._held_requests.hold(request, moment.at)
        return list(held or ()), held is not None

    def _start(self, request: Request, now: float) -> Send:
        self._rate.take()
        ticket = self._tickets.pop(request, None) or self.breakers.start(request.account, request.app, now)
        self._sent[request] = _Sent(ticket)
        return Send(request, now)

    def _recorded(self, ticket: Ticket, answer: Answer | Listed | None, moment: Moment) -> list[RequestEffect]:
        effects = self._going(self._held_requests.record(ticket, answer, moment))
        if self.breakers.is_proven:
            self._waiting.forget_order_of_start()
        return effects

    def _going(self, result: Result) -> list[RequestEffect]:
        """Let probes and canaries wait for their turn, with the tickets that they have already."""
        effects: list[RequestEffect] = []
        for each in result:
            if isinstance(each, Go):
                self._tickets[each.request] = each.ticket
                self._waiting.put(each.request, first=each.first)
            else:
                effects.append(each)
        return effects

    # What was sent.

    def answered(self, request: Request, answer: Answer | Listed, moment: Moment) -> list[RequestEffect]:
        """A request was answered; `ended` follows when the answer has been handed out."""
        sent = self._sent[request]
        self._free(request, sent)
        return self._recorded(sent.ticket, answer, moment)

    def ended(self, request: Request, moment: Moment) -> list[RequestEffect]:
        """Nothing more comes of a request, be it answered or not."""
        sent = self._sent.pop(request)
        was_answered = sent.is_answered
        self._free(request, sent)
        effects = [] if was_answered else self._recorded(sent.ticket, None, moment)
        return [*effects, *self.pump(moment)]

    def is_answered(self, request: Request) -> bool:
        """Whether the answer to a request that was sent has come."""
        return self._sent[request].is_answered

    def _free(self, request: Request, sent: _Sent) -> None:
        if not sent.is_answered:
            sent.is_answered = True
            self._slots.leave(request.path, is_slow=sent.is_slow)

    def slow(self, request: Request, moment: Moment) -> list[RequestEffect]:
        """A request has had no answer for `SLOT_SECONDS`: it leaves its slot to another one."""
        self._sent[request].is_slow = True
        self._slots.slow(request.path)
        return self.pump(moment)

    def unanswered_for_long(self, request: Request) -> None:
        """A request has had no answer for `SLOW_SECONDS`."""
        self._sent[request].is_unanswered_for_long = True

    def not_answered(self) -> list[Request]:
        """The requests whose objects show that no answer has come: slow ones, and those that wait for a slot."""
        slow = (request for request, sent in self._sent.items() if sent.is_unanswered_for_long)
        return list(chain(slow, self._waiting, self._held_requests.held))

    def remember(self, effect: ListEffect, now: float) -> None:
        """Remember what became of a list."""
        match effect:
            case LearnList(collection=collection, size=size):
                self.catalog.learn(collection, size)
            case AvoidList(collection=collection):
                self.catalog.avoid(collection, now + AVOID_SECONDS)
            case SuspectList(attempt=attempt):
                self.catalog.suspect(attempt, now + AVOID_SECONDS)

    # Its end.

    def retain(self, accounts: Container[str], apps: Container[Hashable], namespaces: Container[str]) -> None:
        """Forget the breakers and the turns of all others, and what is held back for nobody any more."""
        self._held_requests.retain(accounts, apps, namespaces)

    def close(self) -> list[Request]:
        """Let nothing more start; what was held back."""
        for request in self._waiting.outside():
            self._total.drop(request)
        self._waiting.clear()
        return self._held_requests.clear()
