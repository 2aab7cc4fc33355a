"""Whether Astra Control answers on one connection, for the metric by which one outage becomes one alert.

A connection fails when a request has failed as if the server were away, and none that was sent later was answered. Any
other outcome, an error of the token as well, is an answer. Times are monotonic seconds.
"""

from enum import StrEnum, auto
from typing import Final

from astra_mirror.core.outcome import Answer, Failed, Listed

RECENT_SECONDS: Final = 3600.0
"""For how long an answer says that the server is there."""
_NEVER: Final = float("-inf")


class Reach(StrEnum):
    """Whether Astra Control answers on a connection.

    A failing connection counts as UNPROVEN if it had not answered in the hour before: it may have been wrong from the
    start, or belong to a server that is no more. It says nothing about an outage.
    """

    ANSWERING = auto()
    FAILING = auto()
    UNPROVEN = auto()


class Reachability:
    """How the requests of one connection have ended."""

    def __init__(self) -> None:
        self._answered_at = self._answered_sent = self._failed_sent = _NEVER
        self._failing: Reach | None = None

    def learn(self, answer: Answer | Listed, *, sent: float, now: float) -> None:
        """Record how the request that was sent at `sent` has ended."""
        if not (isinstance(answer, Failed) and answer.reason.facts.means_outage):
            self._answered_at, self._answered_sent = now, max(sent, self._answered_sent)
            if self._answered_sent >= self._failed_sent:
                self._failing = None
            return
        self._failed_sent = max(sent, self._failed_sent)
        if self._failing is None and sent > self._answered_sent:
            self._failing = Reach.FAILING if self._has_answered(now) else Reach.UNPROVEN

    def at(self, now: float) -> Reach | None:
        """Whether the server answers; None if no request has failed, and none was answered in the last hour."""
        return self._failing or (Reach.ANSWERING if self._has_answered(now) else None)

    def _has_answered(self, now: float) -> bool:
        return now - self._answered_at <= RECENT_SECONDS
