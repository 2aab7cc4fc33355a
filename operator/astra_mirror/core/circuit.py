"""An open circuit breaker, and the states of a connection."""

from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Final

from astra_mirror.core.outcome import Failed

PROBE_INTERVAL: Final = 60.0


class State(StrEnum):
    """The state of a connection, for the metric."""

    CLOSED = auto()
    OPEN = auto()
    HALF_OPEN = auto()
    PAUSED = auto()


@dataclass(slots=True)
class OpenBreaker:
    """An open circuit breaker. The response to a request that was sent after `since` can close it.

    Attributes:
        failure: the failure that opened it.
        since: monotonic seconds.
        probe_at: when it may be probed.
        is_probed: whether a probe is in flight.
    """

    failure: Failed
    since: float
    probe_at: float = field(init=False)
    is_probed: bool = False

    def __post_init__(self) -> None:
        self.probe_later(self.since)

    def probe_later(self, now: float) -> None:
        """Schedule the next probe in a minute."""
        self.probe_at = now + PROBE_INTERVAL
