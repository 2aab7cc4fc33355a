"""The requests that circuit breakers hold back on one connection, and the probes and canaries that go in their stead.

core.breaker decides what may go, and core.held_requests which ref is probed. This module has the timer and performs
both.
"""

from collections.abc import Callable, Container, Hashable
from functools import partial

from astra_mirror.core.breaker import Breakers
from astra_mirror.core.held_requests import Canary, Candidate, Held, Probe, Wait, next_step
from astra_mirror.core.outcome import Answer, Listed
from astra_mirror.core.tickets import Purpose, Ticket
from astra_mirror.engine.hand_out import Teller
from astra_mirror.engine.ports import Engine, Read
from astra_mirror.support.scheduler import Timer


class Guard:
    """The breakers of a connection, and what they hold back.

    Args:
        clock: monotonic seconds.
        engine: makes canaries, and plans anew for what was held back.
        teller: hands out why something is held back.
        send: called with each probe and canary, its ticket, and whether it goes before all others.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        engine: Engine,
        teller: Teller,
        send: Callable[[Read, Ticket, bool], None],
    ) -> None:
        self.breakers = Breakers()
        self.held: Held[Read] = Held()
        self._clock = clock
        self._engine = engine
        self._teller = teller
        self._send = send
        self._seen_version = 0
        self._timer = Timer(self._find_out)
        self._closed = False

    def holds_back(self, read: Read, now: float) -> bool:
        """Whether a breaker or a pause holds `read` back; then it waits here, and its refs show why."""
        hold = self.breakers.hold(read.account, read.app, now)
        if hold is None:
            return False
        app = read.app if self.breakers.hold(read.account, None, now) is None else None
        who = Candidate(read.account, app, read.namespace)
        group = self.held.put(who, read, is_observed=read.is_observed, due=read.due)
        group.shown = hold.failure
        if hold.failure is not None:
            self._teller.tell([read], partial(read.held, hold.failure, now))
        until = self.breakers.paused_until
        self._look_no_later_than(until if until is not None else self.held.when(self.breakers, who))
        return True

    def record(self, ticket: Ticket, answer: Answer | Listed | None) -> None:
        """Let the breakers learn from an answer, or from None that there is none, and do what follows."""
        now = self._clock()
        if answer is None:
            self.breakers.abandon(ticket)
        else:
            self.breakers.record(ticket, answer, now)
        if self._has_changed(now) or ticket.purpose is not Purpose.REGULAR or ticket.resumes:
            self._find_out()

    def _has_changed(self, now: float) -> bool:
        """Let those go whose breaker has closed, and the others show what holds them back; whether anything changed."""
        if self.breakers.version == self._seen_version:
            return False
        self._seen_version = self.breakers.version
        for group in self.held.groups():
            hold = self.breakers.hold(group.account, group.app, now)
            if hold is None and self.breakers.paused_until is None:
                reads = self.held.take_all(group)
                self._teller.tell(reads, partial(self._engine.resume, reads))
            elif hold is not None and hold.failure is not None and hold.failure != group.shown:
                group.shown = hold.failure
                for read in group.waiting:
                    self._teller.tell([read], partial(read.held, hold.failure, now))
        return True

    # Who finds out.

    def _find_out(self) -> None:
        """Send the canary and the probes whose time has come, and wait for the time of the next."""
        while True:
            now = self._clock()
            match next_step(self.breakers, self.held, now):
                case Canary(account):
                    self._send_canary(str(account), now)
                case Probe(candidates, purpose):
                    for who in candidates:
                        if not self.breakers.is_finding_out:
                            self._send_probe(who, purpose, now)
                case Wait(until):
                    self._look_no_later_than(until)
                    return

    def _send_canary(self, account: str, now: float) -> None:
        read = self._engine.canary(account)
        if read is not None:
            self._send(read, self.breakers.start(account, read.app, now, Purpose.CANARY), True)
            return
        self.breakers.no_canary(account, now)
        self._has_changed(now)

    def _send_probe(self, who: Candidate, purpose: Purpose | None, now: float) -> None:
        """Let one ref of those find out, if its time has come."""
        at = self.held.when(self.breakers, who)
        if purpose is not None and (at is None or at > now):
            return
        waiting = self.held.take(who)
        if waiting is None:
            return
        read = waiting.probe()
        if read is None:
            self._let_go(waiting)
            return
        if waiting.is_wanted():
            self.held.put(who, waiting, is_observed=waiting.is_observed, due=waiting.due)
        self.held.probed(who, self.breakers, now)
        ticket = self.breakers.start(read.account, read.app, now, purpose)
        # Of forbidden apps there may be many: their probes wait for their turn as all requests do, unless nothing else
        # may go before the answer.
        self._send(read, ticket, who.app is None or ticket.resumes)

    def _let_go(self, waiting: Read) -> None:
        """Hold back no longer what cannot find out."""
        if waiting.is_wanted():
            # Those that are left are of other accounts, whose breakers count for them.
            self._teller.tell([waiting], partial(self._engine.resume, [waiting]))
        else:
            # There may be thousands: to choose among them all for each of them would hold up everybody.
            self.held.drop_unwanted(lambda read: read.is_wanted())

    def _look_no_later_than(self, time: float | None) -> None:
        if time is not None and not self._closed:
            self._timer.set(time)

    def retain(self, accounts: Container[str], apps: Container[Hashable], namespaces: Container[str]) -> None:
        """Forget the breakers and the turns of all others, and what is held back for nobody any more."""
        self.breakers.retain(accounts, apps)
        self.held.retain(accounts, namespaces, lambda read: read.is_wanted())

    def stop(self) -> None:
        """Let nothing more go; the refs of what is held back try again later."""
        self._closed = True
        self._timer.cancel()
        for read in list(self.held):
            read.broken()
        self.held.clear()
