"""Whether Astra Control answers on one connection, for the metric by which one outage becomes one alert.

A connection fails when a request has failed as if the server were away, and none that was sent later was answered. Any
other outcome, an error of the token as well, is an answer. A request that fails again although others were answered
since it began to says nothing: the fault is its own. Times are monotonic seconds.
"""

from collections import OrderedDict
from collections.abc import Hashable
from enum import StrEnum, auto
from typing import Final

from astra_mirror.core.outcome import Answer, Failed, Listed

RECENT_SECONDS: Final = 3600.0
"""For how long an answer says that the server is there."""
_MAX_FAULTY: Final = 256
"""How many requests are remembered that failed last time, each with the time since when."""
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
        self._faulty: OrderedDict[Hashable, float] = OrderedDict()

    def learn(self, key: Hashable, answer: Answer | Listed, *, sent: float, now: float) -> None:
        """Record how a request has ended.

        Args:
            key: what it asks for.
            answer: its outcome.
            sent: when it was sent.
            now: when it ended.
        """
        failing_since = self._faulty.pop(key, sent)
        if not (isinstance(answer, Failed) and answer.reason.facts.means_outage):
            self._answered_at, self._answered_sent = now, max(sent, self._answered_sent)
            return
        self._faulty[key] = failing_since
        if len(self._faulty) > _MAX_FAULTY:
            self._faulty.popitem(last=False)
        if failing_since > self._answered_sent:
            self._failed_sent = max(sent, self._failed_sent)

    def at(self, now: float) -> Reach | None:
        """Whether the server answers; None if no request has failed, and none was answered in the last hour."""
        has_answered = now - self._answered_at <= RECENT_SECONDS
        if self._failed_sent > self._answered_sent:
            return Reach.FAILING if has_answered else Reach.SILENT
        return Reach.ANSWERING if has_answered else None
