"""The circuit breakers among the lists that only objects wait for which read lists themselves, such as monitors.

Such a list's 401, 403, 429 or 5xx says nothing about single GETs, so it opens nothing for refs; among these lists it
counts as it does among single GETs. While the breakers of refs hold back what such a list needs as well, it waits
behind them: the probe is a ref's single GET where a ref waits, because the failure of the list would prove nothing.
"""

from collections.abc import Container, Hashable, Iterable, Iterator
from itertools import chain
from typing import Final

from astra_mirror.core.breaker import Breakers
from astra_mirror.core.circuit import State
from astra_mirror.core.connection import Connection
from astra_mirror.core.held_requests import Canary, Candidate, Held, Probe, Wait, next_step
from astra_mirror.core.outcome import Answer, Listed
from astra_mirror.core.request_plan import Collection
from astra_mirror.core.tickets import Purpose, Ticket
from astra_mirror.engine.connection.behind_refs import BehindRefs
from astra_mirror.engine.effects import Resume, Show, Submit, Wake
from astra_mirror.engine.objects import Objects
from astra_mirror.engine.ports import Moment
from astra_mirror.engine.requests import ListRequest, Request
from astra_mirror.engine.state.tracked import Tracked

AHEAD: Final = -60.0
"""The urgency of a list that is requested ahead of all others."""

_SEVERITY: Final = (State.CLOSED, State.HALF_OPEN, State.OPEN, State.PAUSED)

Effect = Submit | Show | Resume | Wake
Effects = Iterator[Effect]


class ReaderLists:
    """The breakers of a connection for these lists, and what they hold back.

    Args:
        connection: the connection.
        objects: all objects, from which canaries are chosen.
        refs: the breakers of refs.
        refs_held: the requests that those hold back.
    """

    def __init__(self, connection: Connection, objects: Objects, refs: Breakers, refs_held: Held[Request]) -> None:
        self.breakers = Breakers()
        self._connection = connection
        self._objects = objects
        self._behind = BehindRefs(connection, objects.in_flight, refs, refs_held)
        self._held: Held[Request] = Held()
        self._parked: dict[Request, None] = {}
        self._tickets: dict[Request, Ticket] = {}
        self._seen_version = 0

    def __iter__(self) -> Iterator[Request]:
        """The requests that are held back."""
        return chain(self._held, list(self._parked), self._behind)

    def state(self, of_refs: State, now: float) -> State:
        """The state of the connection, given that for refs: that of these lists where their breakers are not closed."""
        is_in_use = self.breakers.open_breakers or self.breakers.paused_until is not None or self.breakers.is_proven
        mine = self.breakers.state(now) if is_in_use else of_refs
        return max(mine, of_refs, key=_SEVERITY.index)

    def decides_on(self, request: Request) -> bool:
        """Whether only objects wait for a request that read lists themselves."""
        if not isinstance(request, ListRequest):
            return False
        waiting = self._objects.waiting(request)
        return bool(waiting) and not self._objects.alone(waiting)

    # Requests start and end.

    def hold(self, request: Request, now: float) -> tuple[Show | Wake, ...] | None:
        """Keep a request that this `decides_on` if a breaker or a pause holds it back; None if it may start."""
        if not isinstance(request, ListRequest):
            return None
        behind = self._behind.hold(request, now)
        if behind is not None:
            self.dropped(request)
            return behind
        if request in self._tickets:
            return None
        account, app = request.account, request.collection
        hold = self.breakers.hold(account, app, now)
        if hold is None:
            if self.breakers.may_start(now):
                return None
            # Another request decides whether the token is valid at all.
            self._parked[request] = None
            return ()
        is_of_app = self.breakers.hold(account, None, now) is None
        who = Candidate(account, app if is_of_app else None, request.namespace)
        group = self._held.put(who, request, is_observed=request.is_observed, due=request.due)
        group.shown = hold.failure
        shown = () if hold.failure is None else (Show(request, hold.failure, now),)
        until = self.breakers.paused_until
        return (*shown, *self._wake(until if until is not None else self._held.when(self.breakers, who)))

    def _passed(self, now: float) -> Effects:
        released, effects = self._behind.look_again(now)
        yield from effects
        yield from self._released(released)

    def _released(self, requests: Iterable[Request]) -> Effects:
        """Let these go on: what is ahead of all others stays so, and the others are planned again."""
        others = []
        for request in requests:
            if request.urgency == AHEAD and request in self._objects.in_flight:
                yield Submit(request, first=True)
            else:
                others.append(request)
        if others:
            yield Resume(self._connection, tuple(others))

    def start(self, request: Request, now: float) -> Ticket | None:
        """A request is sent. Returns its ticket, if it is one of these lists."""
        if not isinstance(request, ListRequest) or not (request in self._tickets or self.decides_on(request)):
            return None
        ticket = self._tickets.pop(request, None)
        return ticket or self.breakers.start(request.account, request.collection, now)

    def dropped(self, request: Request) -> None:
        """A request is not sent now."""
        ticket = self._tickets.pop(request, None)
        if ticket is not None:
            self.breakers.abandon(ticket)

    def recorded(self, ticket: Ticket | None, answer: Answer | Listed | None, moment: Moment) -> list[Effect]:
        """A request was answered, or has ended without an answer: what follows. `ticket` is that of a list."""
        if ticket is None:
            return list(self._passed(moment.at))
        if answer is None:
            self.breakers.abandon(ticket)
        else:
            self.breakers.record(ticket, answer, moment.at)
        return self.wake(moment)

    def wake(self, moment: Moment) -> list[Effect]:
        """Resume and report what has changed, and start the probes that are due."""
        now = moment.at
        return [*self._passed(now), *self._changes(now), *self._unparked(now), *self._find_out(moment)]

    def _changes(self, now: float) -> Effects:
        if self.breakers.version == self._seen_version:
            return
        self._seen_version = self.breakers.version
        for group in self._held.groups():
            hold = self.breakers.hold(group.account, group.app, now)
            if hold is None and self.breakers.paused_until is None:
                yield from self._released(self._held.take_all(group))
            elif hold is not None and hold.failure is not None and hold.failure != group.shown:
                group.shown = hold.failure
                for request in group.waiting:
                    yield Show(request, hold.failure, now)

    def _unparked(self, now: float) -> Effects:
        if self._parked and self.breakers.may_start(now):
            parked, self._parked = tuple(self._parked), {}
            yield from self._released(parked)

    # Probes and canaries.

    def _find_out(self, moment: Moment) -> Effects:
        while True:
            match next_step(self.breakers, self._held, moment.at):
                case Canary(account):
                    yield from self._canary(str(account), moment)
                case Probe(candidates, purpose):
                    for who in candidates:
                        if not self.breakers.is_testing:
                            yield from self._probe(who, purpose, moment.at)
                case Wait(until):
                    yield from self._wake(until)
                    return

    def _probe(self, who: Candidate, purpose: Purpose | None, now: float) -> Effects:
        at = self._held.when(self.breakers, who)
        if purpose is not None and (at is None or at > now):
            return
        request = self._held.take(who)
        if not isinstance(request, ListRequest):
            return
        if not self.decides_on(request):
            self._held.drop_unneeded(self._objects.in_flight)
            if request in self._objects.in_flight:
                yield Resume(self._connection, (request,))
            return
        self._held.probed(who, self.breakers, now)
        self._tickets[request] = self.breakers.start(request.account, request.collection, now, purpose)
        yield Submit(request, first=True)

    def _canary(self, account: str, moment: Moment) -> Effects:
        readers = [each for each in self._objects.index.of_account(account) if each.spec.reads_list]
        usable = [each for each in readers if self._objects.is_current(self._connection, each)]
        if not usable:
            self.breakers.no_canary(account, moment.at)
            yield from self._changes(moment.at)
            return
        chosen = max(usable, key=_succeeded_last)
        request = ListRequest(
            connection=self._connection,
            about=chosen.identity,
            due=moment.at,
            urgency=AHEAD,
            draw=moment.draw,
            is_fallback=True,
            is_observed=chosen.reported.is_observed,
            collection=Collection(chosen.spec.account_id, chosen.spec.app_id),
        )
        self._objects.in_flight.wait(chosen.uid, request)
        self._tickets[request] = self.breakers.start(account, request.collection, moment.at, Purpose.CANARY)
        yield Submit(request, first=True)

    def _wake(self, at: float | None) -> tuple[Wake, ...]:
        return () if at is None else (Wake(self._connection, at),)

    # Their end.

    def retain(self, accounts: Container[str], apps: Container[Hashable], namespaces: Container[str]) -> None:
        """Keep only the breakers and probe times of these, and drop held requests that no object waits for."""
        self.breakers.retain(accounts, apps)
        self._held.retain(accounts, namespaces, self._objects.in_flight)
        self._parked = {each: None for each in self._parked if each in self._objects.in_flight}
        self._behind.drop_unneeded()

    def clear(self) -> list[Request]:
        """Drop all held requests. Returns them."""
        held = list(self)
        self._held.clear()
        self._parked.clear()
        self._behind.clear()
        return held


def _succeeded_last(tracked: Tracked) -> tuple[bool, float, str]:
    has_succeeded = tracked.polling.last_failure is None and tracked.reported.is_observed
    return (has_succeeded, tracked.polling.last_success_at, tracked.uid)
