"""What the log says of one connection: that it answers for the first time, fails, recovers.

A connection has failed when a request has failed and none that was sent later has succeeded. What concerns one account,
one app or one body is no failure of the connection; neither is what one request gives again and again while others
succeed. Failure and recovery are a pair of lines, of which there is one a minute at most: what happens in between is
said at the end of that minute, if the state differs then. Times are monotonic seconds.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from astra_mirror.core.outcome import Answer, Failed, Listed, proves_token
from astra_mirror.core.reasons import Concerns

PAIR_SECONDS: Final = 60.0
"""The time within which there is at most one pair of lines."""
_UNUSABLE: Final = 3
"""After so many unusable responses in a row, a connection that has never answered counts as failed: its URL is probably
that of something else."""
_MAX_FAULTY: Final = 256
_NEVER: Final = float("-inf")


@dataclass(frozen=True, slots=True)
class Answers:
    """The connection answers for the first time."""


@dataclass(frozen=True, slots=True)
class Fails:
    """It has failed; `opens`: a circuit breaker holds back all its requests."""

    failure: Failed
    opens: bool


@dataclass(frozen=True, slots=True)
class Recovers:
    """It answers again, after so many seconds; `closes`: its circuit breaker has closed."""

    seconds: float
    closes: bool


@dataclass(frozen=True, slots=True)
class Closes:
    """Its circuit breaker has closed, and requests fail in another way."""

    failure: Failed


Change = Answers | Fails | Recovers | Closes


class _Said(Enum):
    NOTHING = auto()
    ANSWERS = auto()
    FAILS = auto()


class ConnectionJournal:
    """One connection: how its requests have ended, and what was said of it last."""

    def __init__(self) -> None:
        self._succeeded_at = self._failed_at = _NEVER
        self._failure: Failed | None = None
        self._since = 0.0
        self._faulty: OrderedDict[Hashable, float] = OrderedDict()
        self._unusable = 0
        self._said, self._is_open_said, self._pair_at = _Said.NOTHING, False, _NEVER

    def record(self, key: Hashable, outcome: Answer | Listed, *, sent: float, now: float) -> None:
        """Record how a request has ended.

        Args:
            key: what it asks for.
            outcome: its outcome.
            sent: when it was sent.
            now: when it ended.
        """
        if not isinstance(outcome, Failed) or proves_token(outcome):
            self._faulty.pop(key, None)
            self._unusable = 0
            self._succeeded_at = max(self._succeeded_at, sent)
        elif self._is_of_the_connection(outcome) and not self._is_of_the_request(key, sent):
            if not self._is_failing:
                self._since = now
            self._failure, self._failed_at = outcome, max(self._failed_at, sent)

    def _is_of_the_connection(self, failure: Failed) -> bool:
        concerns = failure.reason.facts.concerns
        if concerns is Concerns.REQUEST and self._said is _Said.NOTHING:
            self._unusable += 1
            return self._unusable >= _UNUSABLE
        # A 401 is one when it opens the breaker of the connection; until then another account may be good.
        return concerns in {Concerns.CONNECTION, Concerns.SECRET}

    def _is_of_the_request(self, key: Hashable, sent: float) -> bool:
        """Whether the same request failed last time as well, and another one has succeeded since."""
        before = self._faulty.pop(key, None)
        self._faulty[key] = sent
        if len(self._faulty) > _MAX_FAULTY:
            self._faulty.popitem(last=False)
        return before is not None and before < self._succeeded_at

    @property
    def _is_failing(self) -> bool:
        return self._failed_at > _NEVER and self._failed_at >= self._succeeded_at

    @property
    def is_open(self) -> bool:
        """Whether the circuit breaker of the connection was said to be open."""
        return self._is_open_said

    @property
    def due_at(self) -> float | None:
        """When there will be something to say, if nothing happens until then; None if nothing will."""
        is_kept_back = self._is_failing and self._said is not _Said.FAILS
        return self._pair_at + PAIR_SECONDS if is_kept_back else None

    def change(self, opened_by: Failed | None, now: float) -> Change | None:
        """What has to be said now, which `said` records; None if nothing has to be.

        Args:
            opened_by: the failure that has opened the circuit breaker of the connection; None while it is closed.
            now: the time.
        """
        if opened_by is not None:
            return None if self._is_open_said else Fails(opened_by, opens=True)
        if self._is_failing and self._failure is not None:
            if self._is_open_said:
                return Closes(self._failure)
            is_news = self._said is not _Said.FAILS and now >= self._pair_at + PAIR_SECONDS
            return Fails(self._failure, opens=False) if is_news else None
        if self._said is _Said.FAILS:
            return Recovers(now - self._since, closes=self._is_open_said)
        return Answers() if self._said is _Said.NOTHING and self._succeeded_at > _NEVER else None

    def said(self, change: Change, now: float) -> None:
        """Record that this was said."""
        match change:
            case Fails(opens=opens):
                if opens and self._said is not _Said.FAILS:
                    self._since = now
                self._said, self._is_open_said, self._pair_at = _Said.FAILS, opens, now
            case Closes():
                self._is_open_said = False
            case Answers() | Recovers():
                self._said, self._is_open_said = _Said.ANSWERS, False
