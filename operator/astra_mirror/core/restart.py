"""How long a watch that has ended waits before it begins anew: soon at first, later and later while it fails."""

from typing import Final

MIN_SECONDS: Final = 1.0
MAX_SECONDS: Final = 30.0


class RestartDelay:
    """1, 2, 4 … 30 seconds; from the beginning again after an attempt that has lasted for more than 30."""

    def __init__(self) -> None:
        self._next = MIN_SECONDS

    def after(self, lasted: float) -> float:
        """The seconds to wait after an attempt that ended with a failure when it had lasted so many seconds."""
        if lasted > MAX_SECONDS:
            self._next = MIN_SECONDS
        delay, self._next = self._next, min(2 * self._next, MAX_SECONDS)
        return delay

    def succeeded(self) -> None:
        """An attempt ended without a failure."""
        self._next = MIN_SECONDS
