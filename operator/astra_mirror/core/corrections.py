"""How often the operator puts right what somebody else keeps writing into a status.

A slip is answered at once. Against a second writer that never stops, one correction a minute is enough for people to
see who is right, and cheap enough to go on for ever.
"""

from dataclasses import dataclass
from typing import Final

from astra_mirror.core.throttle import AT_ONCE, PERIOD_SECONDS

FIRST_DELAY_SECONDS: Final = 5.0
MAX_DELAY_SECONDS: Final = 60.0
QUIET_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class Corrections:
    """The corrections of one object: those of the last minute, the delay in force, the latest. Monotonic seconds."""

    at_once: tuple[float, ...] = ()
    delay: float = 0.0
    last: float = float("-inf")

    def due(self, now: float) -> float:
        """When a difference that is seen now may be put right."""
        delay = self._next_delay(now)
        return max(now, self.last + delay) if delay else now

    def is_slowed(self, now: float) -> bool:
        """Whether there were so many of late that the next one has to wait."""
        return self._next_delay(now) > 0

    def made(self, now: float) -> "Corrections":
        """What is to be remembered of a correction that is made now."""
        return Corrections((*self._recent(now), now), self._next_delay(now), now)

    def _recent(self, now: float) -> tuple[float, ...]:
        return tuple(each for each in self.at_once if now - each < PERIOD_SECONDS)[-AT_ONCE:]

    def _next_delay(self, now: float) -> float:
        if now - self.last >= QUIET_SECONDS:
            return 0.0
        if self.delay:
            return min(2 * self.delay, MAX_DELAY_SECONDS)
        return 0.0 if len(self._recent(now)) < AT_ONCE else FIRST_DELAY_SECONDS
