"""A token bucket that limits how many requests may start each second, for one connection and in all."""

from typing import Final

CONNECTION_PER_SECOND: Final = 100.0
TOTAL_PER_SECOND: Final = 300.0


class Rate:
    """A token bucket with a rate of `per_second` and a burst of one second. Times are monotonic seconds."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._allowance = per_second
        self._at = 0.0

    def ready_at(self, now: float) -> float:
        """When the next request may start: `now`, or later."""
        self._allowance = min(self._per_second, self._allowance + (now - self._at) * self._per_second)
        self._at = now
        return now if self._allowance >= 1 else now + (1 - self._allowance) / self._per_second

    def take(self) -> None:
        """Record that a request starts."""
        self._allowance -= 1
