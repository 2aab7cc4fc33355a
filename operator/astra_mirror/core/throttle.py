"""How often a tenant's wish for something at once is granted: a few times a minute, and then at a steady pace.

Nothing is lost by it: what is granted late is the last wish of all.
"""

from dataclasses import dataclass
from typing import Final

AT_ONCE: Final = 3
PERIOD_SECONDS: Final = 60.0
LATER_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Throttle:
    """The grants of one Secret or one ref: those at once in the minute before, and the latest. Monotonic seconds."""

    at_once: tuple[float, ...] = ()
    last: float = float("-inf")

    def grant(self, now: float) -> tuple[float, "Throttle"]:
        """When a wish of `now` is granted, and what is to be remembered of it.

        The first three within a minute are granted at once, every later one ten seconds after the one before at the
        earliest. A wish that comes while another waits is the same grant: ask only when none waits.
        """
        recent = tuple(each for each in self.at_once if now - each < PERIOD_SECONDS)
        if len(recent) < AT_ONCE:
            return now, Throttle((*recent, now), now)
        at = max(now, self.last + LATER_SECONDS)
        return at, Throttle(recent, at)


UNUSED: Final = Throttle()
"""The throttle of a Secret or a ref of which nothing has been wished yet."""
