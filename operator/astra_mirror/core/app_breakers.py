"""The circuit breakers of apps: a 403 for a single backup stops only the requests for its app."""

from collections.abc import Container

from astra_mirror.core.circuit import OpenBreaker
from astra_mirror.core.outcome import Failed
from astra_mirror.core.reasons import Concerns
from astra_mirror.core.tickets import App, Ticket


class AppBreakers:
    """The open breakers of the apps of one connection.

    Attributes:
        version: a number that grows with each breaker that opens or closes.
    """

    def __init__(self) -> None:
        self.version = 0
        self._open: dict[App, OpenBreaker] = {}

    def __len__(self) -> int:
        return len(self._open)

    def of(self, app: App | None) -> OpenBreaker | None:
        """The app's breaker, where it is open; None for a list, which has none."""
        return self._open.get(app) if app is not None else None

    def learn(self, ticket: Ticket, failure: Failed | None, now: float) -> None:
        """Update the app's breaker after a response that proves the token."""
        if ticket.app is None:
            return
        breaker = self._open.get(ticket.app)
        if failure is not None and failure.reason.facts.opens is Concerns.APP:
            self._open[ticket.app] = OpenBreaker(failure, now)
            self.version += 1
        elif breaker is not None and ticket.started >= breaker.since:
            del self._open[ticket.app]
            self.version += 1

    def retain(self, apps: Container[App]) -> None:
        """Remove the breakers of apps that are not in `apps`, because no ref names them."""
        self._open = {app: breaker for app, breaker in self._open.items() if app in apps}
