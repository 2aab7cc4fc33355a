"""The pause of a connection: no request until it ends, then one; the others follow after its response."""

from typing import Final

from astra_mirror.core.outcome import Failed
from astra_mirror.core.tickets import Hold, Ticket

RETRY_INTERVAL: Final = 5.0
"""For how long a connection waits after a 429 without Retry-After, or when its server seems to be absent."""


class ConnectionPause:
    """The pause of one connection, if there is one. Times are monotonic seconds.

    Attributes:
        version: a number that grows with each pause that begins, is prolonged or is over.
        until: when the pause ends; in the past until the first request after it has a response.
        is_resuming: whether that request is in flight.
    """

    def __init__(self) -> None:
        self.version = 0
        self.until: float | None = None
        self.is_resuming = False
        self._failure: Failed | None = None

    def hold(self, now: float) -> Hold | None:
        """Why every request has to wait; None when there is no pause."""
        return Hold(self._failure) if self.until is not None and now < self.until else None

    def start(self) -> bool:
        """Record that a request starts; return whether its response ends the pause."""
        resumes = self.until is not None
        self.is_resuming |= resumes
        return resumes

    def end(self, ticket: Ticket) -> None:
        """Record that a request has ended, with a response or without."""
        if ticket.resumes:
            self.is_resuming = False

    def learn(self, ticket: Ticket, failure: Failed | None, now: float) -> None:
        """End the pause after its first response, and begin a new one for a Retry-After."""
        if ticket.resumes and self.until is not None and now >= self.until:
            self.until = self._failure = None
            self.version += 1
        if failure is not None and failure.pause is not None and ticket.app is not None:
            self._begin(failure, now + failure.pause)

    def retry_later(self, failure: Failed, now: float) -> None:
        """Begin a short pause, because the response had no Retry-After."""
        self._begin(failure, now + RETRY_INTERVAL)

    def _begin(self, failure: Failed, until: float) -> None:
        if self.until is None or until > self.until:
            self.until, self._failure = until, failure
            self.version += 1
