"""Limits the log lines about one namespace, so that the objects of one tenant cannot flood the log.

Each namespace has a number of lines in any minute. Lines beyond it are left out and counted. Times are monotonic
seconds.
"""

from collections import Counter, deque
from itertools import count
from typing import Final

from astra_mirror.core.fair import FairQueue

LINES: Final = 10
"""Lines about one namespace in any minute."""
PERIOD_SECONDS: Final = 60.0


class LogLines:
    """The lines of the last minute, and the number of lines left out for each namespace."""

    def __init__(self) -> None:
        self._places: FairQueue[int, None] = FairQueue(cap_for_key=LINES)
        self._since: deque[tuple[float, int]] = deque()
        self._numbers = count()
        self._left_out: Counter[str] = Counter()

    def admit(self, namespace: str, now: float) -> bool:
        """Whether a line about this namespace is written."""
        self._expire(now)
        # The line that says how many were left out comes before any other line.
        if namespace not in self._left_out and self._take_place(namespace, now):
            return True
        self._left_out[namespace] += 1
        return False

    def left_out(self, now: float) -> dict[str, int]:
        """The number of lines left out for each namespace that may have a line again; each number is returned once."""
        self._expire(now)
        counts = {each: self._left_out[each] for each in list(self._left_out) if self._take_place(each, now)}
        for namespace in counts:
            del self._left_out[namespace]
        return counts

    def _take_place(self, namespace: str, now: float) -> bool:
        number = next(self._numbers)
        if not self._places.put((namespace,), number, None):
            return False
        self._since.append((now, number))
        return True

    def _expire(self, now: float) -> None:
        while self._since and now - self._since[0][0] >= PERIOD_SECONDS:
            _, number = self._since.popleft()
            self._places.drop(number)


class FailureLog:
    """Decides when to log a failure that is retried: once, at its second occurrence in a row.

    A failure that occurs once is either gone with the next attempt, or due to an outage that the probe logs.
    """

    def __init__(self) -> None:
        self._text: str | None = None
        self._is_logged = False

    def should_log(self, text: str) -> bool:
        """Whether to log this failure: it is the second one in a row with this text."""
        if text != self._text:
            self._text, self._is_logged = text, False
            return False
        was_logged, self._is_logged = self._is_logged, True
        return not was_logged

    def succeeded(self) -> None:
        """Record that an attempt has succeeded."""
        self._text, self._is_logged = None, False
