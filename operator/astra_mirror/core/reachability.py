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

    A failing connection that has not answered in the last hour counts as SILENT: it may have been wrong from the start,
    or its server may be no more. By itself it says nothing about an outage.
    """

    ANSWERING = auto()
    FAILING = auto()
    SILENT = auto()


class Reachability:
    """How the requests of one connection have ended."""

    def __init__(self) -> None:
        self._answered_at = self._answered_sent = self._failed_sent = _NEVER

    def learn(self, answer: Answer | Listed, *, sent: float, now: float) -> None:
        """Record how the request that was sent at `sent` has ended."""
        if isinstance(answer, Failed) and answer.reason.facts.means_outage:
            self._failed_sent = max(sent, self._failed_sent)
        else:
            self._answered_at, self._answered_sent = now, max(sent, self._answered_sent)

    def at(self, now: float) -> Reach | None:
        """Whether the server answers; None if no request has failed, and none was answered in the last hour."""
        has_answered = now - self._answered_at <= RECENT_SECONDS
        if self._failed_sent > self._answered_sent:
            return Reach.FAILING if has_answered else Reach.SILENT
        return Reach.ANSWERING if has_answered else None
