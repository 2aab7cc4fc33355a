"""How many requests a second may start: a token bucket, for one connection and for all together."""

from typing import Final

CONNECTION_PER_SECOND: Final = 100.0
TOTAL_PER_SECOND: Final = 300.0


class Rate:
    """At most `per_second` in the long run, and a second's worth at once. Times are monotonic seconds."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._allowance = per_second
        self._at = 0.0

    def ready_at(self, now: float) -> float:
        """When the next one may start: `now`, or later."""
        self._allowance = min(self._per_second, self._allowance + (now - self._at) * self._per_second)
        self._at = now
        return now if self._allowance >= 1 else now + (1 - self._allowance) / self._per_second

    def take(self) -> None:
        """One starts."""
        self._allowance -= 1
