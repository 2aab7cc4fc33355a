"""The pause of a connection: nothing goes until it ends, then one request, and its answer lets the others go."""

from typing import Final

from astra_mirror.core.outcome import Failed
from astra_mirror.core.tickets import Hold, Ticket

RETRY_INTERVAL: Final = 5.0
"""For how long a connection waits after a 429 without Retry-After, or when its server seems to be absent."""


class ConnectionPause:
    """The pause of one connection, if there is one. Times are monotonic seconds.

    Attributes:
        version: a number that grows with each pause that begins, is prolonged or is over.
        until: when the pause ends; in the past while the first request after it has not been answered.
        is_resuming: whether that request is under way.
    """

    def __init__(self) -> None:
        self.version = 0
        self.until: float | None = None
        self.is_resuming = False
        self._failure: Failed | None = None

    def hold(self, now: float) -> Hold | None:
        """What holds everything back, while it lasts."""
        return Hold(self._failure) if self.until is not None and now < self.until else None

    def start(self) -> bool:
        """Take note that a request starts; whether it is one whose answer ends the pause."""
        resumes = self.until is not None
        self.is_resuming |= resumes
        return resumes

    def end(self, ticket: Ticket) -> None:
        """Take note that a request has ended, with an answer or without."""
        if ticket.resumes:
            self.is_resuming = False

    def learn(self, ticket: Ticket, failure: Failed | None, now: float) -> None:
        """Learn from an answer: it ends the pause, and may ask for the next one."""
        if ticket.resumes and self.until is not None and now >= self.until:
            self.until = self._failure = None
            self.version += 1
        if failure is not None and failure.pause is not None and ticket.app is not None:
            self._begin(failure, now + failure.pause)

    def retry_later(self, failure: Failed, now: float) -> None:
        """Begin a short one: the server has not said for how long."""
        self._begin(failure, now + RETRY_INTERVAL)

    def _begin(self, failure: Failed, until: float) -> None:
        if self.until is None or until > self.until:
            self.until, self._failure = until, failure
            self.version += 1
