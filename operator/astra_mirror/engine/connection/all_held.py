"""What circuit breakers hold back on one connection: requests of refs, and the lists that only monitors wait for.

Each kind of request has breakers of its own; a list that is sent counts in both.
"""

from collections.abc import Container, Hashable, Iterator
from dataclasses import dataclass
from itertools import chain

from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Answer, Listed
from astra_mirror.core.tickets import Ticket
from astra_mirror.engine.connection.breakers import Go, HeldRequests
from astra_mirror.engine.connection.reader_lists import Effect, ReaderLists
from astra_mirror.engine.effects import Show, Wake
from astra_mirror.engine.objects import Objects
from astra_mirror.engine.ports import Moment
from astra_mirror.engine.requests import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class _ListTicket(Ticket):
    """A ticket of the breakers of refs, and that of the breakers of the lists."""

    of_list: Ticket


Result = Iterator[Go | Effect]


class AllHeldRequests:
    """The requests that are held back, whichever breakers do so.

    Callers must exhaust the returned iterators: they change state while they run.

    Args:
        connection: the connection.
        objects: all objects, from which probes and canaries are chosen.

    Attributes:
        breakers: those of refs.
        lists: those of the lists that only monitors wait for.
    """

    def __init__(self, connection: Connection, objects: Objects) -> None:
        self._refs = HeldRequests(connection, objects)
        self.breakers = self._refs.breakers
        self.lists = ReaderLists(connection, objects, self.breakers, self._refs.held)

    def __iter__(self) -> Iterator[Request]:
        """The requests that are held back."""
        return chain(self._refs.held, self.lists)

    def hold(self, request: Request, now: float) -> tuple[Show | Wake, ...] | None:
        """Keep a request here if a breaker or a pause holds it back; None if it may start."""
        return (self.lists if self.lists.decides_on(request) else self._refs).hold(request, now)

    def start(self, request: Request, now: float) -> Ticket:
        """A request is sent that is neither a probe nor a canary of refs."""
        ticket, of_list = self.breakers.start(request.account, request.app, now), self.lists.start(request, now)
        if of_list is None:
            return ticket
        return _ListTicket(
            ticket.account, ticket.app, ticket.started, ticket.purpose, resumes=ticket.resumes, of_list=of_list
        )

    def record(self, ticket: Ticket, answer: Answer | Listed | None, moment: Moment) -> Result:
        """Record an answer in the breakers, or None for a request without one, and yield what follows."""
        yield from self._refs.record(ticket, answer, moment)
        of_list = ticket.of_list if isinstance(ticket, _ListTicket) else None
        yield from self.lists.recorded(of_list, answer, moment)

    def find_out(self, moment: Moment) -> Result:
        """Start the canaries and the probes that are due, and set a timer for the next."""
        yield from self._refs.find_out(moment)
        yield from self.lists.wake(moment)

    def retain(self, accounts: Container[str], apps: Container[Hashable], namespaces: Container[str]) -> None:
        """Keep only the breakers and probe times of these, and drop held requests that no object waits for."""
        self._refs.retain(accounts, apps, namespaces)
        self.lists.retain(accounts, apps, namespaces)

    def clear(self) -> list[Request]:
        """Drop all held requests. Returns them."""
        return self._refs.clear() + self.lists.clear()
