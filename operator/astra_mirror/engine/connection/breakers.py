"""The requests that circuit breakers hold back on one connection, and the probes and canaries sent in their place.

core.breaker decides which requests may start, and core.held_requests which of the held ones becomes a probe.
"""

from collections.abc import Container, Hashable, Iterator
from dataclasses import dataclass

from astra_mirror.core.breaker import Breakers
from astra_mirror.core.connection import Connection
from astra_mirror.core.held_requests import Canary, Candidate, Held, Probe, Wait, next_step
from astra_mirror.core.outcome import Answer, Listed
from astra_mirror.core.tickets import Purpose, Ticket
from astra_mirror.engine.connection.probes import canary_for, probe_for
from astra_mirror.engine.effects import Resume, Show, Wake
from astra_mirror.engine.objects import Objects
from astra_mirror.engine.ports import Moment
from astra_mirror.engine.requests import Request


@dataclass(frozen=True, slots=True)
class Go:
    """A probe or a canary that may start, with its ticket; `first`: ahead of all others."""

    request: Request
    ticket: Ticket
    first: bool


Result = Iterator[Go | Show | Resume | Wake]


class HeldRequests:
    """The breakers of a connection, and the requests that they hold back.

    Callers must exhaust the returned iterators: they change state while they run.

    Args:
        connection: the connection.
        objects: all objects, from which probes and canaries are chosen.
    """

    def __init__(self, connection: Connection, objects: Objects) -> None:
        self.breakers = Breakers()
        self.held: Held[Request] = Held()
        self._connection = connection
        self._objects = objects
        self._seen_version = 0

    def hold(self, request: Request, now: float) -> tuple[Show | Wake, ...] | None:
        """Keep a request here if a breaker or a pause holds it back; None if it may start."""
        hold = self.breakers.hold(request.account, request.app, now)
        if hold is None:
            return None
        app = request.app if self.breakers.hold(request.account, None, now) is None else None
        who = Candidate(request.account, app, request.namespace)
        group = self.held.put(who, request, is_observed=request.is_observed, due=request.due)
        group.shown = hold.failure
        shown = () if hold.failure is None else (Show(request, hold.failure, now),)
        until = self.breakers.paused_until
        return (*shown, *self._wake(until if until is not None else self.held.when(self.breakers, who)))

    def record(self, ticket: Ticket, answer: Answer | Listed | None, moment: Moment) -> Result:
        """Record an answer in the breakers, or None for a request without one, and yield what follows."""
        if answer is None:
            self.breakers.abandon(ticket)
        else:
            self.breakers.record(ticket, answer, moment.at)
        has_changed = self.breakers.version != self._seen_version
        yield from self._changes(moment.at)
        if has_changed or ticket.purpose is not Purpose.REGULAR or ticket.resumes:
            yield from self.find_out(moment)

    def _changes(self, now: float) -> Iterator[Show | Resume]:
        """Resume the requests whose breaker has closed, and report to the others why they are held back."""
        if self.breakers.version == self._seen_version:
            return
        self._seen_version = self.breakers.version
        for group in self.held.groups():
            hold = self.breakers.hold(group.account, group.app, now)
            if hold is None and self.breakers.paused_until is None:
                yield Resume(self._connection, tuple(self.held.take_all(group)))
            elif hold is not None and hold.failure is not None and hold.failure != group.shown:
                group.shown = hold.failure
                for request in group.waiting:
                    yield Show(request, hold.failure, now)

    # Probes and canaries.

    def find_out(self, moment: Moment) -> Result:
        """Start the canary and the probes that are due, and set a timer for the next."""
        while True:
            match next_step(self.breakers, self.held, moment.at):
                case Canary(account):
                    yield from self._canary(str(account), moment)
                case Probe(candidates, purpose):
                    for who in candidates:
                        if not self.breakers.is_testing:
                            yield from self._probe(who, purpose, moment.at)
                case Wait(until):
                    yield from self._wake(until)
                    return

    def _canary(self, account: str, moment: Moment) -> Iterator[Go | Show | Resume]:
        request = canary_for(account, self._connection, self._objects, moment)
        if request is None:
            self.breakers.no_canary(account, moment.at)
            yield from self._changes(moment.at)
        else:
            yield Go(request, self.breakers.start(account, request.app, moment.at, Purpose.CANARY), True)

    def _probe(self, who: Candidate, purpose: Purpose | None, now: float) -> Iterator[Go | Resume]:
        """Start a probe for one of the objects held back there, if it is due."""
        at = self.held.when(self.breakers, who)
        if purpose is not None and (at is None or at > now):
            return
        request = self.held.take(who)
        if request is None:
            return
        probe = probe_for(request, self._objects)
        if probe is None:
            yield from self._let_go(request)
            return
        if probe is not request and request in self._objects.in_flight:
            self.held.put(who, request, is_observed=request.is_observed, due=request.due)
        self.held.probed(who, self.breakers, now)
        ticket = self.breakers.start(probe.account, probe.app, now, purpose)
        # There may be many forbidden apps: their probes are queued like other requests, unless nothing else may start
        # before the answer.
        yield Go(probe, ticket, who.app is None or ticket.resumes)

    def _let_go(self, request: Request) -> Iterator[Resume]:
        """Release a held request that cannot serve as a probe."""
        if request in self._objects.in_flight:
            # The remaining objects belong to other accounts and are held by those breakers.
            yield Resume(self._connection, (request,))
        else:
            # There may be thousands of these: dropping them one at a time would block the event loop.
            self.held.drop_unneeded(self._objects.in_flight)

    def _wake(self, at: float | None) -> tuple[Wake, ...]:
        return () if at is None else (Wake(self._connection, at),)

    def retain(self, accounts: Container[str], apps: Container[Hashable], namespaces: Container[str]) -> None:
        """Keep only the breakers and probe times of these, and drop held requests that no object waits for."""
        self.breakers.retain(accounts, apps)
        self.held.retain(accounts, namespaces, self._objects.in_flight)

    def clear(self) -> list[Request]:
        """Drop all held requests. Returns them."""
        held = list(self.held)
        self.held.clear()
        return held
