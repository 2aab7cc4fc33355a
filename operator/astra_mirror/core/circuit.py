"""What circuit breakers are made of: one that is open, and the state of a connection that has some."""

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
    """A circuit breaker that is open. It closes by an answer to a request that was sent after `since`.

    Attributes:
        failure: what opened it.
        since: monotonic seconds.
        probe_at: when it may be probed.
        is_probed: whether a probe is under way.
    """

    failure: Failed
    since: float
    probe_at: float = field(init=False)
    is_probed: bool = False

    def __post_init__(self) -> None:
        self.probe_later(self.since)

    def probe_later(self, now: float) -> None:
        """Probe it in a minute."""
        self.probe_at = now + PROBE_INTERVAL
