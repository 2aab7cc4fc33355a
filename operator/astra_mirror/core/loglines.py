"""How many log lines one namespace may have, so that no tenant's objects drown what the log says of all others.

A line holds a place for a minute in the fair queue, which has so many places for a namespace; a line without a place is
left out and counted. Times are monotonic seconds.
"""

from collections import Counter, deque
from itertools import count
from typing import Final

from astra_mirror.core.fair import FairQueue

LINES: Final = 10
"""Lines of one namespace in any minute."""
PERIOD_SECONDS: Final = 60.0


class LogLines:
    """The lines of the last minute, and how many of each namespace were left out."""

    def __init__(self) -> None:
        self._places: FairQueue[int, None] = FairQueue(cap_for_key=LINES)
        self._since: deque[tuple[float, int]] = deque()
        self._numbers = count()
        self._left_out: Counter[str] = Counter()

    def admit(self, namespace: str, now: float) -> bool:
        """Whether a line about this namespace is written."""
        self._expire(now)
        # How many were left out is said first; until then there is no place for others.
        if namespace not in self._left_out and self._take_place(namespace, now):
            return True
        self._left_out[namespace] += 1
        return False

    def left_out(self, now: float) -> dict[str, int]:
        """The namespaces of which it is time to say how many lines were left out, with that number; said once."""
        self._expire(now)
        said = {each: self._left_out[each] for each in list(self._left_out) if self._take_place(each, now)}
        for namespace in said:
            del self._left_out[namespace]
        return said

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


class Complaint:
    """A failure that is tried again and again: it is logged once, and not for the first time that it happens.

    What happens once only is mended by the next attempt, or is an API server that is away, which the probe logs.
    """

    def __init__(self) -> None:
        self._words: str | None = None
        self._is_logged = False

    def is_due(self, words: str) -> bool:
        """Whether it is time to log this failure: it is the second one in a row with these words."""
        if words != self._words:
            self._words, self._is_logged = words, False
            return False
        was_logged, self._is_logged = self._is_logged, True
        return not was_logged

    def end(self) -> None:
        """An attempt has succeeded."""
        self._words, self._is_logged = None, False
