"""What has happened to connections, breakers and lists, as log lines, with whom it concerns.

What is said, and when, is decided in core/journal/. Nothing is said of a connection that nobody uses any more.
"""

from collections import Counter
from collections.abc import Container, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from astra_mirror.core.breaker import Breakers
from astra_mirror.core.connection import Connection
from astra_mirror.core.journal.breakers import BreakerJournal
from astra_mirror.core.journal.connections import ConnectionJournal
from astra_mirror.core.journal.line import Users
from astra_mirror.core.journal.lists import ListJournal
from astra_mirror.core.journal.texts import Server, breaker_line, connection_line, list_line
from astra_mirror.core.outcome import Answer, Failed, Listed, proves_token
from astra_mirror.core.reasons import Concerns
from astra_mirror.core.request_plan import Collection
from astra_mirror.core.tickets import HELD_BACK
from astra_mirror.engine.connection.queue import ConnectionQueue
from astra_mirror.engine.connection.queues import ConnectionQueues
from astra_mirror.engine.effects import AvoidList, Ended, LearnList, ListEffect, Log, SuspectList, Wake
from astra_mirror.engine.requests import ListRequest, Request
from astra_mirror.engine.users import UserCounts

_DECIDED_SECONDS: Final = 1.0
"""How long after a 401 the breaker of a connection is not spoken of: other accounts may be tried, and be good."""

Scope = Hashable
"""Whose breaker it is: an account, or a Collection for an app; None: the connection itself."""
Lines = Iterator[Log | Wake]


@dataclass(slots=True)
class _Known:
    """What is known and was said of one connection; `of_lists`: of the breakers for the lists of monitors alone."""

    number: int
    connection: ConnectionJournal = field(default_factory=ConnectionJournal)
    scopes: BreakerJournal = field(default_factory=BreakerJournal)
    of_lists: BreakerJournal = field(default_factory=BreakerJournal)
    lists: ListJournal = field(default_factory=ListJournal)


class Journal:
    """Finds what has to be said.

    Args:
        users: which objects use a connection.
        queues: the connection queues.
    """

    def __init__(self, users: UserCounts, queues: ConnectionQueues) -> None:
        self._queues = queues
        self._users = users
        self._known: dict[Connection, _Known] = {}
        self._numbers: Counter[Hashable] = Counter()

    # Connections and their breakers.

    def ended(self, ended: Ended, now: float) -> Lines:
        """A request was answered, and the breakers and the queue have taken note of it."""
        request, answer = ended.request, ended.answer
        connection = request.connection
        known = self._of(connection)
        if not (_is_of_a_list(request, answer) and self._users.has_refs(connection, now)):
            known.connection.record(_target(request), answer, sent=ended.sent, now=now)
        yield from self._look(connection, known, request, now)

    def look(self, connection: Connection, now: float) -> Lines:
        """Time has passed, or a timer of the connection's breakers has expired."""
        known = self._known.get(connection)
        if known is not None:
            yield from self._look(connection, known, None, now)

    def _of(self, connection: Connection) -> _Known:
        known = self._known.get(connection)
        if known is None:
            self._numbers[connection.url] += 1
            known = self._known[connection] = _Known(self._numbers[connection.url])
        return known

    def _look(self, connection: Connection, known: _Known, request: Request | None, now: float) -> Lines:
        if connection not in self._queues:
            return
        queue = self._queues.of(connection)
        for breakers in (queue.breakers, queue.lists.breakers):
            if _is_undecided(breakers, now):
                yield from _wake(connection, breakers, now)
                return
        was_open = known.connection.is_open
        yield from self._connection(connection, known, queue, now)
        if queue.breakers.connection.opened is not None:
            return
        scopes = [] if request is None else _scopes(request)
        if was_open and not known.connection.is_open:
            scopes += [each for each in queue.breakers.accounts if each not in scopes]
        yield from self._breakers(connection, known, queue.breakers, scopes, now)
        yield from self._of_lists(connection, known, queue.lists.breakers, request, now)

    def _connection(self, connection: Connection, known: _Known, queue: ConnectionQueue, now: float) -> Lines:
        journal, opened_by = known.connection, _failure(queue.breakers, None)
        if opened_by is None and queue.lists.breakers.connection.opened is not None:
            # Without refs, the lists of monitors are all that is known of it.
            speaks = journal.is_open or not self._users.has_refs(connection, now)
            opened_by = _failure(queue.lists.breakers, None) if speaks else None
        change = journal.change(opened_by, now)
        if change is None:
            yield from () if journal.due_at is None else (Wake(connection, journal.due_at),)
        elif users := self._users.of(connection, now):
            journal.said(change, now)
            yield Log(connection_line(change, self._server(connection, known), users))

    def _of_lists(
        self, connection: Connection, known: _Known, breakers: Breakers, request: Request | None, now: float
    ) -> Lines:
        """The breakers for the lists of monitors, unless they speak for the whole connection."""
        is_open = breakers.connection.opened is not None
        if is_open and known.connection.is_open:
            return
        scopes: list[Scope] = [None]
        if isinstance(request, ListRequest) and not is_open:
            scopes += [request.account, request.collection]
        yield from self._breakers(connection, known, breakers, scopes, now, is_of_lists=True)

    def _breakers(
        self,
        connection: Connection,
        known: _Known,
        breakers: Breakers,
        scopes: Iterable[Scope],
        now: float,
        *,
        is_of_lists: bool = False,
    ) -> Lines:
        journal = known.of_lists if is_of_lists else known.scopes
        for scope in scopes:
            change = journal.change(scope, _failure(breakers, scope), now)
            if change is not None and (users := self._users_of(connection, scope, now)):
                journal.said(change, now)
                server = self._server(connection, known)
                yield Log(breaker_line(change, server, users, is_of_lists=is_of_lists))

    def _users_of(self, connection: Connection, scope: Scope, now: float) -> Users:
        match scope:
            case Collection(account, app):
                return self._users.of_scope(connection, account, app)
            case None:
                return self._users.of(connection, now)
            case account:
                return self._users.of_scope(connection, str(account), None)

    def _server(self, connection: Connection, known: _Known) -> Server:
        return Server(connection.url, known.number, has_others=self._numbers[connection.url] > 1)

    # Lists.

    def list_moved(self, effect: ListEffect, now: float) -> Lines:
        """A list was requested, and the catalog has taken note of how that ended."""
        connection = effect.connection
        known, catalog = self._of(connection), self._queues.of(connection).catalog
        match effect:
            case LearnList(collection=collection, complete=True) if known.lists.is_given_up(collection):
                yield from self._list(connection, known, collection, None)
            case AvoidList(collection=collection, failure=failure):
                yield from self._list(connection, known, collection, failure)
            case SuspectList(attempt=attempt) if not catalog.is_usable(attempt.collection, now):
                yield from self._list(connection, known, attempt.collection, attempt.failure)

    def _list(self, connection: Connection, known: _Known, collection: Collection, failure: Failed | None) -> Lines:
        if failure is not None and known.lists.is_given_up(collection):
            return
        users = self._users.refs_of_list(connection, collection)
        if users:
            known.lists.said(collection, is_given_up=failure is not None)
            yield Log(list_line(collection, self._server(connection, known), users, failure))

    # What nobody uses any more.

    def forget(self, connection: Connection) -> None:
        """Begin anew with a connection: it had lost its last user, and has one again. It keeps its number."""
        known = self._known.get(connection)
        if known is not None:
            self._known[connection] = _Known(known.number)

    def retain(self, connections: Container[Connection], now: float) -> None:
        """Forget all but these, and what nobody uses of them."""
        self._known = {connection: known for connection, known in self._known.items() if connection in connections}
        urls = {each.url for each in self._known}
        self._numbers = Counter({url: number for url, number in self._numbers.items() if url in urls})
        for connection, known in self._known.items():
            for journal in (known.scopes, known.of_lists):
                journal.retain(each for each in journal if self._users_of(connection, each, now))
            known.lists.retain({each for each in known.lists if self._users.refs_of_list(connection, each)})


def _is_undecided(breakers: Breakers, now: float) -> bool:
    """Whether other accounts are tried after a 401, or may be soon."""
    opened = breakers.connection.opened
    if opened is None or opened.failure.reason.facts.opens is not Concerns.ACCOUNT:
        return False
    return breakers.connection.is_trying or now < opened.since + _DECIDED_SECONDS


def _wake(connection: Connection, breakers: Breakers, now: float) -> Lines:
    opened = breakers.connection.opened
    if opened is not None and now < opened.since + _DECIDED_SECONDS:
        yield Wake(connection, opened.since + _DECIDED_SECONDS)


def _failure(breakers: Breakers, scope: Scope) -> Failed | None:
    """The failure that holds a breaker open; None while it is closed."""
    match scope:
        case None:
            opened = breakers.connection.opened
        case Collection():
            opened = breakers.apps.of(scope)
        case account:
            opened = breakers.accounts.of(account)
    if opened is not None and opened.failure is HELD_BACK:
        # No request of its own has opened it: the last one of an account has.
        refused = next(iter(breakers.accounts), None)
        return HELD_BACK if refused is None else _failure(breakers, refused)
    return None if opened is None else opened.failure


def _scopes(request: Request) -> list[Scope]:
    return [request.account] if request.app is None else [request.account, request.app]


def _target(request: Request) -> Hashable:
    return request.collection if isinstance(request, ListRequest) else request.document


def _is_of_a_list(request: Request, answer: Answer | Listed) -> bool:
    """Whether an answer is the failure of a list, for which a single GET decides where there are refs."""
    return isinstance(request, ListRequest) and isinstance(answer, Failed) and not proves_token(answer)
