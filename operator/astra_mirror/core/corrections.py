"""How often the operator corrects a status that another client changes.

The first corrections are made at once. Against a writer that never stops, one correction a minute is enough to show
people which status is right, and cheap enough to go on for ever.
"""

from dataclasses import dataclass
from typing import Final

from astra_mirror.core.throttle import AT_ONCE, PERIOD_SECONDS

FIRST_DELAY_SECONDS: Final = 5.0
MAX_DELAY_SECONDS: Final = 60.0
QUIET_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class Corrections:
    """The corrections of one object: the times of the last minute, the present delay, the latest. Monotonic seconds."""

    at_once: tuple[float, ...] = ()
    delay: float = 0.0
    last: float = float("-inf")

    def due(self, now: float) -> float:
        """When a difference that is found at `now` may be corrected."""
        delay = self._next_delay(now)
        return max(now, self.last + delay) if delay else now

    def are_repeated(self, now: float) -> bool:
        """Whether there was another correction in the last ten minutes: the other writer may be an operator too."""
        return now - self.last < QUIET_SECONDS

    def made(self, now: float) -> "Corrections":
        """The state after a correction at `now`."""
        return Corrections((*self._recent(now), now), self._next_delay(now), now)

    def _recent(self, now: float) -> tuple[float, ...]:
        return tuple(each for each in self.at_once if now - each < PERIOD_SECONDS)[-AT_ONCE:]

    def _next_delay(self, now: float) -> float:
        if now - self.last >= QUIET_SECONDS:
            return 0.0
        if self.delay:
            return min(2 * self.delay, MAX_DELAY_SECONDS)
        return 0.0 if len(self._recent(now)) < AT_ONCE else FIRST_DELAY_SECONDS
