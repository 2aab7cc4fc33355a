"""Limits how often a tenant's requests take effect at once: a few times a minute, and then at a fixed rate.

The last request is never lost: it takes effect with the next grant.
"""

from dataclasses import dataclass
from typing import Final

AT_ONCE: Final = 3
PERIOD_SECONDS: Final = 60.0
LATER_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Throttle:
    """The grants of one Secret or one ref: the immediate ones of the last minute, and the latest. Monotonic seconds."""

    at_once: tuple[float, ...] = ()
    last: float = float("-inf")

    def grant(self, now: float) -> tuple[float, "Throttle"]:
        """When a request at `now` is granted, and the throttle after that grant.

        The first three requests in a minute are granted at once, each later one at least ten seconds after the one
        before. Requests that arrive while a grant is pending share it: call this only when none is pending.
        """
        recent = tuple(each for each in self.at_once if now - each < PERIOD_SECONDS)
        if len(recent) < AT_ONCE:
            return now, Throttle((*recent, now), now)
        at = max(now, self.last + LATER_SECONDS)
        return at, Throttle(recent, at)


UNUSED: Final = Throttle()
"""The throttle of a Secret or a ref without a request so far."""
