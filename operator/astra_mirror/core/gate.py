"""What holds requests back on one connection: a refused token, a forbidden app, a pause asked for, and a rate limit.

A gate starts closed but for one request: only an answer shows that a token is good, and a thousand refs must not all
try a bad one. Times are monotonic seconds, passed in.
"""

from collections.abc import Container, Hashable
from dataclasses import dataclass, field
from typing import Final

from astra_mirror.core.outcome import Answer, Failed, Listed, SyncReason

App = Hashable
"""Whatever stands for an app of an account."""
PROBE_INTERVAL: Final = 60.0
RETRY_INTERVAL: Final = 5.0
MAX_RETRY_AFTER: Final = 3600.0
_ERRORS: Final = 3
"""After how many answers 5xx to probes in a row a server whose token is not proven counts as away."""
REQUESTS_PER_SECOND: Final = 100.0
BURST: Final = 100.0


@dataclass(frozen=True, slots=True)
class Go:
    """The request may start. A probe is the one request that finds out whether a breaker may close."""

    is_probe: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class WaitForProbe:
    """Another request is finding out, about the app or about the token; ask again when it has ended."""

    of_app: bool = False


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Too many requests in too short a time; ask again at `until`."""

    until: float


@dataclass(frozen=True, slots=True)
class Refused:
    """No request before `until`; `failure` is why, and what the refs that wait have to show."""

    failure: Failed
    until: float


Admission = Go | WaitForProbe | WaitUntil | Refused


@dataclass(slots=True)
class _Breaker:
    """Half open while `failure` is None or its time has come: then one probe at a time."""

    failure: Failed | None = None
    probe_at: float = 0.0
    probing: bool = False

    @property
    def refusal(self) -> Failed | None:
        """The answer that opened it: a 401 or a 403."""
        refused = self.failure is not None and self.failure.reason in {SyncReason.UNAUTHORIZED, SyncReason.FORBIDDEN}
        return self.failure if refused else None

    def admit(self, now: float) -> Admission:
        if self.failure is not None and now < self.probe_at:
            return Refused(self.failure, self.probe_at)
        return WaitForProbe() if self.probing else Go()


class Gate:
    """The breakers and the pause of one connection. Not for concurrent use from several threads."""

    def __init__(self) -> None:
        self._token: _Breaker | None = _Breaker()
        self._apps: dict[App | None, _Breaker] = {}
        self._pause: Refused | None = None
        self._errors = 0
        self._allowance = BURST
        self._allowance_at = 0.0

    @property
    def open_breakers(self) -> int:
        """How many breakers hold requests back, for the metric."""
        breakers = [each for each in (self._token, *self._apps.values()) if each is not None]
        return sum(each.refusal is not None for each in breakers)

    def is_guarded(self, app: App) -> bool:
        """Whether `app` has a breaker, which only the request for a single backup can close."""
        return app in self._apps

    def admit(self, app: App | None, now: float) -> Admission:
        """Whether a request may start at `now`; `Go` must be followed by `record` or `abandon`.

        Args:
            app: whose backup is asked for; None for a list, which no app's breaker concerns.
            now: monotonic seconds.
        """
        if self._pause is not None and now < self._pause.until:
            return self._pause
        breakers = self._breakers(app)
        for breaker in breakers:
            admission = breaker.admit(now)
            if isinstance(admission, WaitForProbe):
                return WaitForProbe(of_app=breaker is not self._token)
            if isinstance(admission, Refused):
                return admission
        self._allowance = min(BURST, self._allowance + (now - self._allowance_at) * REQUESTS_PER_SECOND)
        self._allowance_at = now
        if self._allowance < 1:
            return WaitUntil(now + (1 - self._allowance) / REQUESTS_PER_SECOND)
        self._allowance -= 1
        for breaker in breakers:
            breaker.probing = True
        return Go(is_probe=bool(breakers))

    def _breakers(self, app: App | None) -> list[_Breaker]:
        return [each for each in (self._token, self._apps.get(app) if app is not None else None) if each is not None]

    def retain(self, apps: Container[App]) -> None:
        """Forget the breakers of all others."""
        for app in [each for each in self._apps if each not in apps]:
            del self._apps[app]

    def abandon(self, app: App | None, go: Go) -> None:
        """Forget a request that was admitted and ended without an answer, because it was cancelled."""
        if go.is_probe:
            for breaker in self._breakers(app):
                breaker.probing = False

    def record(self, app: App | None, go: Go, outcome: Answer | Listed, now: float) -> None:
        """Learn from the answer to a request that was admitted with `go`."""
        self.abandon(app, go)
        reason = outcome.reason if isinstance(outcome, Failed) else None
        if isinstance(outcome, Failed) and outcome.retry_after:
            self._hold(outcome, now + min(outcome.retry_after, MAX_RETRY_AFTER))
        if isinstance(outcome, Failed) and reason is SyncReason.UNAUTHORIZED:
            self._token = _Breaker(outcome, now + PROBE_INTERVAL)
        elif isinstance(outcome, Failed) and reason is SyncReason.FORBIDDEN:
            # A 403 proves the token: the service knows who asks.
            self._token = None
            if app is not None:
                self._apps[app] = _Breaker(outcome, now + PROBE_INTERVAL)
        elif reason in _PROVES_NOTHING and go.is_probe and self._is_refused(app):
            # Whoever was refused stays refused, and is asked again in a minute.
            for breaker in self._breakers(app):
                breaker.probe_at = now + PROBE_INTERVAL
        elif reason not in _SAYS_NOTHING_OF_THE_TOKEN:
            self._token = None
            self._apps.pop(app, None)
        elif isinstance(outcome, Failed) and reason is SyncReason.RATE_LIMITED:
            # Without a word of how long, for all that that says.
            self._hold(outcome, now + RETRY_INTERVAL)
        elif isinstance(outcome, Failed) and self._is_away(app, go, reason):
            # Nobody waits in a long line for a server that does not answer, ten seconds each.
            self._token = _Breaker(outcome, now + RETRY_INTERVAL)

    def _is_away(self, app: App | None, go: Go, reason: SyncReason | None) -> bool:
        # A list may fail by its size alone: only the request for one backup tells.
        if not go.is_probe or self._token is None or app is None:
            return False
        # One error of the server's own may be about that one backup.
        self._errors = self._errors + 1 if reason is SyncReason.SERVER_ERROR else 0
        return reason is SyncReason.UNREACHABLE or self._errors >= _ERRORS

    def _hold(self, failure: Failed, until: float) -> None:
        if self._pause is None or until > self._pause.until:
            self._pause = Refused(failure, until)

    def _is_refused(self, app: App | None) -> bool:
        return any(each.refusal is not None for each in self._breakers(app))


_SAYS_NOTHING_OF_THE_TOKEN: Final = frozenset(
    {SyncReason.UNREACHABLE, SyncReason.RATE_LIMITED, SyncReason.SERVER_ERROR}
)
_PROVES_NOTHING: Final = _SAYS_NOTHING_OF_THE_TOKEN | {SyncReason.UNEXPECTED_RESPONSE, SyncReason.URL_NOT_ALLOWED}
