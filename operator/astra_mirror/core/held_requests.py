"""The requests that circuit breakers hold back, grouped by breaker, and the choice of the next probe.

Held requests are not in the connection queue. They wait here until a breaker closes, without timers of their own, and
from time to time one of them is sent as a probe. It is taken from the namespace and the account whose last probe is the
longest ago, independently of the order of iteration.
"""

from collections import deque
from collections.abc import Container, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Final, Generic, NamedTuple, TypeVar

from astra_mirror.core.breaker import Breakers
from astra_mirror.core.circuit import PROBE_INTERVAL
from astra_mirror.core.fair import FairQueue
from astra_mirror.core.outcome import Failed
from astra_mirror.core.tickets import Account, App, Purpose

Value = TypeVar("Value", bound=Hashable)

PROBES_A_MINUTE: Final = 10
"""The limit for probes of refused accounts on one connection within `PROBE_INTERVAL`."""
_LATER: Final = 1e12
"""Added to the rank of a request whose ref has never been observed, so that it comes after all others."""


class _ProbeOrder(NamedTuple):
    """The time of the last probe, in monotonic seconds, and a unique number that breaks ties."""

    at: float
    number: int


_NEVER: Final = _ProbeOrder(float("-inf"), 0)


class Candidate(NamedTuple):
    """What a probe may be made for: an account, the app whose breaker is open (None: not an app's), a namespace."""

    account: Account
    app: App | None
    namespace: str


@dataclass(slots=True, eq=False)
class Group(Generic[Value]):
    """The requests that one breaker holds back.

    Attributes:
        shown: the failure that the refs show because of it; None if their status does not change.
        has_observed: whether any of the requests is for a ref with an observation of its target.
    """

    account: Account
    app: App | None
    waiting: FairQueue[Value, Value] = field(default_factory=FairQueue)
    shown: Failed | None = None
    has_observed: bool = False


class Held(Generic[Value]):
    """The requests of one connection that are held back."""

    def __init__(self) -> None:
        self._groups: dict[tuple[Account, App | None], Group[Value]] = {}
        self._of_account: dict[Account, _ProbeOrder] = {}
        self._of_namespace: dict[str, _ProbeOrder] = {}
        self._numbers = count(1)
        self._recent: deque[float] = deque(maxlen=PROBES_A_MINUTE)

    def __bool__(self) -> bool:
        return bool(self._groups)

    def __iter__(self) -> Iterator[Value]:
        return chain.from_iterable(each.waiting for each in self._groups.values())

    def groups(self) -> list[Group[Value]]:
        """All groups."""
        return list(self._groups.values())

    def put(self, who: Candidate, value: Value, *, is_observed: bool, due: float) -> Group[Value]:
        """Hold `value` back. Within a namespace, requests of refs that have been observed are probed first."""
        key = who.account, who.app
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(who.account, who.app)
        group.has_observed |= is_observed
        group.waiting.put((who.namespace,), value, value, due if is_observed else due + _LATER)
        return group

    def take_all(self, group: Group[Value]) -> list[Value]:
        """Remove and return all requests of the group."""
        self._groups.pop((group.account, group.app), None)
        return list(group.waiting)

    def take(self, who: Candidate) -> Value | None:
        """Remove and return the candidate's first request; None without one."""
        group = self._groups.get((who.account, who.app))
        if group is None:
            return None
        taken = group.waiting.take({(who.namespace,)})
        if not group.waiting:
            del self._groups[who.account, who.app]
        return taken.value if taken is not None else None

    def drop_unneeded(self, needed: Container[Value]) -> None:
        """Remove the requests that no object waits for."""
        for key, group in list(self._groups.items()):
            for value in [each for each in group.waiting if each not in needed]:
                group.waiting.drop(value)
            if not group.waiting:
                del self._groups[key]

    def clear(self) -> None:
        """Remove all requests."""
        self._groups.clear()

    # The choice of the next probe.

    def _candidates(self) -> Iterator[Candidate]:
        for group in self._groups.values():
            for namespace in group.waiting.keys():  # noqa: SIM118 - a method of the queue, which is no mapping
                yield Candidate(group.account, group.app, str(namespace))

    def next_to_resume(self, breakers: Breakers) -> Candidate | None:
        """The candidate for the first request after a pause: its account is not refused, and its app not forbidden."""
        free = (each for each in self._candidates() if breakers.probe_at(each.account, each.app) is None)
        return min(free, key=self._probed_least_recently, default=None)

    def next_of_connection(self, breakers: Breakers, now: float) -> Candidate | None:
        """The candidate for the next probe of an open connection: another account each time, good ones first."""

        def rank(who: Candidate) -> tuple[object, ...]:
            group = self._groups[who.account, who.app]
            succeeded = group.has_observed or breakers.has_succeeded(who.account)
            last = self._of_account.get(who.account, _NEVER)
            since_opened = last if last.at >= breakers.opened_at else _NEVER
            return (since_opened, not succeeded, *self._probed_least_recently(who))

        ready = (each for each in self._candidates() if _is_due(breakers, each, now))
        return min(ready, key=rank, default=None)

    def due_while_closed(self, breakers: Breakers, now: float) -> list[Candidate]:
        """The candidates for probes of accounts and apps while the connection is closed, least recently probed first.

        Call `when` again before each of them, because the limits for refused accounts apply to all of them together.
        """
        times = ((self.when(breakers, each), each) for each in self._candidates())
        due = (who for at, who in times if at is not None and at <= now)
        return sorted(due, key=self._probed_least_recently)

    def when(self, breakers: Breakers, who: Candidate) -> float | None:
        """When the candidate may be probed; None while a probe is in flight."""
        at = breakers.probe_at(who.account, who.app)
        if at is None or breakers.is_open or not breakers.is_refused(who.account):
            return at
        # The limits for refused accounts: one probe a minute for a namespace, ten for the connection.
        full = len(self._recent) == PROBES_A_MINUTE
        limits = (self._of_namespace.get(who.namespace, _NEVER).at, self._recent[0] if full else _NEVER.at)
        return max(at, *(each + PROBE_INTERVAL for each in limits))

    def next_at(self, breakers: Breakers) -> float | None:
        """When the next candidate may be probed; None without one."""
        times = (self.when(breakers, each) for each in self._candidates())
        return min((each for each in times if each is not None), default=None)

    def probed(self, who: Candidate, breakers: Breakers, now: float) -> None:
        """Record that a probe was sent for `who`."""
        self._of_account[who.account] = self._of_namespace[who.namespace] = _ProbeOrder(now, next(self._numbers))
        if not breakers.is_open and breakers.is_refused(who.account):
            self._recent.append(now)

    def retain(self, accounts: Container[Account], namespaces: Container[str], needed: Container[Value]) -> None:
        """Remove the requests that no object waits for, and the times of probes of other accounts and namespaces."""
        self.drop_unneeded(needed)
        self._of_account = {key: at for key, at in self._of_account.items() if key in accounts}
        self._of_namespace = {key: at for key, at in self._of_namespace.items() if key in namespaces}

    def _probed_least_recently(self, who: Candidate) -> tuple[_ProbeOrder, _ProbeOrder, str, str]:
        # The names break ties between candidates that were never probed, so that the same state gives the same choice.
        times = self._of_namespace.get(who.namespace, _NEVER), self._of_account.get(who.account, _NEVER)
        return (*times, who.namespace, str(who.account))


def _is_due(breakers: Breakers, who: Candidate, now: float) -> bool:
    at = breakers.probe_at(who.account, who.app)
    return at is not None and at <= now


@dataclass(frozen=True, slots=True)
class Canary:
    """Send a canary request for a ref of that account now."""

    account: Account


@dataclass(frozen=True, slots=True)
class Probe:
    """Send a probe for each candidate that is due, until one is in flight whose response has to be awaited.

    `purpose` is passed to `Breakers.start`.
    """

    candidates: Sequence[Candidate]
    purpose: Purpose | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing now. Call `next_step` again at `until`, or after the next change if that is None."""

    until: float | None


def next_step(breakers: Breakers, held: Held[Value], now: float) -> Canary | Probe | Wait:
    """The next step to test whether breakers may close."""
    paused_until = breakers.paused_until
    is_needed = bool(held) or breakers.canary_at is not None
    if paused_until is not None and now < paused_until:
        return Wait(paused_until if is_needed else None)
    if breakers.is_testing:
        return Wait(None)
    account = breakers.canary_account()
    if breakers.canary_at is not None and breakers.canary_at <= now and account is not None:
        return Canary(account)
    if paused_until is not None and (who := held.next_to_resume(breakers)) is not None:
        return Probe([who], None)
    if breakers.is_open:
        first = held.next_of_connection(breakers, now)
        due = [first] if first is not None else []
    else:
        due = held.due_while_closed(breakers, now)
    if due:
        return Probe(due, Purpose.PROBE)
    times = (held.next_at(breakers), breakers.canary_at)
    return Wait(min((each for each in times if each is not None), default=None))
