"""The circuit breakers of one connection, with answers for the requests that they let through."""

from dataclasses import dataclass, field

from astra_mirror.core.breaker import Breakers
from astra_mirror.core.outcome import Answer, Failed, Listed, NotFound, SyncReason
from astra_mirror.core.tickets import HELD_BACK, Hold, Purpose, Ticket

UNAUTHORIZED = Failed(SyncReason.UNAUTHORIZED, "no", code=401)
FORBIDDEN = Failed(SyncReason.FORBIDDEN, "no", code=403)
AWAY = Failed(SyncReason.UNREACHABLE, "away")
ERROR = Failed(SyncReason.SERVER_ERROR, "no", code=500)
EXPIRED = Failed(SyncReason.TLS_VERIFICATION_FAILED, "expired")
OK = NotFound("an answer to a good token")
BREAKER = Hold(HELD_BACK)
WAITS = Hold(None)


@dataclass
class Connection:
    """Breakers, and requests that are let through and answered in one go, or apart."""

    breakers: Breakers = field(default_factory=Breakers)

    def hold(self, account: str = "A", now: float = 0.0, app: str | None = "app") -> Hold | None:
        """What a request would meet."""
        return self.breakers.hold(account, app and (account, app), now)

    def send(
        self, account: str = "A", now: float = 0.0, purpose: Purpose | None = None, app: str | None = "app"
    ) -> Ticket:
        """Let one go."""
        return self.breakers.start(account, app and (account, app), now, purpose)

    def ask(
        self,
        answer: Answer | Listed,
        account: str = "A",
        now: float = 0.0,
        purpose: Purpose | None = None,
        app: str | None = "app",
    ) -> None:
        """Let one go, and answer it."""
        self.breakers.record(self.send(account, now, purpose, app), answer, now)
