"""What holds requests back on one connection: a refused token, a forbidden app, a pause that the remote asked for.

A gate starts closed but for one request: only an answer shows that a token is good, and a thousand refs must not all
try a bad one. Times are monotonic seconds, passed in.
"""

from dataclasses import dataclass
from typing import Final

from astra_mirror.core.outcome import Failed, Outcome, SyncReason

PROBE_INTERVAL: Final = 60.0
MAX_RETRY_AFTER: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Go:
    """The request may start."""


@dataclass(frozen=True, slots=True)
class WaitForProbe:
    """Another request is finding out; ask again when it has ended."""


@dataclass(frozen=True, slots=True)
class Refused:
    """No request before `until`; `failure` is why, and what the refs that wait have to show."""

    failure: Failed
    until: float


Admission = Go | WaitForProbe | Refused


@dataclass(slots=True)
class _Breaker:
    """Half open while `failure` is None or its time has come: then one probe at a time."""

    failure: Failed | None = None
    probe_at: float = 0.0
    probing: bool = False

    def admit(self, now: float) -> Admission:
        if self.failure is not None and now < self.probe_at:
            return Refused(self.failure, self.probe_at)
        return WaitForProbe() if self.probing else Go()


class Gate:
    """The breakers and the pause of one connection. Not for concurrent use from several threads."""

    def __init__(self) -> None:
        self._token: _Breaker | None = _Breaker()
        self._apps: dict[str, _Breaker] = {}
        self._pause: Refused | None = None

    @property
    def open_breakers(self) -> int:
        """How many breakers hold requests back, for the metric."""
        return sum(
            breaker.failure is not None for breaker in (self._token, *self._apps.values()) if breaker is not None
        )

    def admit(self, app: str, now: float) -> Admission:
        """Whether a request for `app` may start at `now`; `Go` must be followed by `record` or `abandon`."""
        if self._pause is not None and now < self._pause.until:
            return self._pause
        breakers = [each for each in (self._token, self._apps.get(app)) if each is not None]
        for breaker in breakers:
            admission = breaker.admit(now)
            if not isinstance(admission, Go):
                return admission
        for breaker in breakers:
            breaker.probing = True
        return Go()

    def abandon(self, app: str) -> None:
        """Forget a request that was admitted and ended without an answer, because it was cancelled."""
        for breaker in (self._token, self._apps.get(app)):
            if breaker is not None:
                breaker.probing = False

    def record(self, app: str, outcome: Outcome, now: float) -> None:
        """Learn from the answer to an admitted request."""
        self.abandon(app)
        reason = outcome.reason if isinstance(outcome, Failed) else None
        if isinstance(outcome, Failed) and outcome.retry_after:
            until = now + min(outcome.retry_after, MAX_RETRY_AFTER)
            if self._pause is None or until > self._pause.until:
                self._pause = Refused(outcome, until)
        if isinstance(outcome, Failed) and reason is SyncReason.UNAUTHORIZED:
            self._token = _Breaker(outcome, now + PROBE_INTERVAL)
        elif isinstance(outcome, Failed) and reason is SyncReason.FORBIDDEN:
            # A 403 proves the token: the service knows who asks.
            self._token = None
            self._apps[app] = _Breaker(outcome, now + PROBE_INTERVAL)
        elif reason not in _SAYS_NOTHING_OF_THE_TOKEN:
            self._token = None
            self._apps.pop(app, None)


_SAYS_NOTHING_OF_THE_TOKEN: Final = frozenset(
    {SyncReason.UNREACHABLE, SyncReason.RATE_LIMITED, SyncReason.SERVER_ERROR}
)
