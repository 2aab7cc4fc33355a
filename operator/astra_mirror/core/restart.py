"""The delay before a failed watch restarts: it doubles while the watch keeps failing."""

from typing import Final

MIN_SECONDS: Final = 1.0
MAX_SECONDS: Final = 30.0


class RestartDelay:
    """1, 2, 4 … 30 seconds; 1 second again after an attempt that lasted for more than 30."""

    def __init__(self) -> None:
        self._next = MIN_SECONDS

    def after(self, lasted: float) -> float:
        """The delay in seconds after an attempt that failed after `lasted` seconds."""
        if lasted > MAX_SECONDS:
            self._next = MIN_SECONDS
        delay, self._next = self._next, min(2 * self._next, MAX_SECONDS)
        return delay

    def succeeded(self) -> None:
        """Record that an attempt ended without a failure."""
        self._next = MIN_SECONDS
