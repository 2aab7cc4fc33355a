"""After how long a monitor has another round by itself, and how often its status shows writes that take several."""

from typing import Final

from astra_mirror.engine.monitors.findings import Findings
from astra_mirror.engine.ports import Clocks

REPEAT_SECONDS: Final = 5.0
"""After how long a round is repeated that may do better then; twice as long each time, up to a minute."""
MAX_REPEAT_SECONDS: Final = 60.0
SHOW_SECONDS: Final = 10.0
"""How often a status shows how far the writes have come."""


class Repeats:
    """The repeated rounds of all monitors.

    Args:
        clocks: the clocks.
    """

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks
        self._delays: dict[str, float] = {}
        self._shown_at: dict[str, float] = {}

    def is_shown_before_the_end(self, uid: str) -> bool:
        """Whether a status shows the end of this round, although the writes take another one."""
        now = self._clocks.monotonic()
        if now - self._shown_at.setdefault(uid, now) < SHOW_SECONDS:
            return False
        self._shown_at[uid] = now
        return True

    def again_in(self, uid: str, findings: Findings) -> float | None:
        """The seconds after which another round may do better than one that found this; None if only a change can."""
        self._shown_at.pop(uid, None)
        times = [] if findings.repair_at is None else [max(findings.repair_at - self._clocks.monotonic(), 0.001)]
        if findings.is_to_be_repeated:
            delay = min(2 * self._delays.get(uid, REPEAT_SECONDS / 2), MAX_REPEAT_SECONDS)
            self._delays[uid] = delay
            times.append(delay)
        else:
            self._delays.pop(uid, None)
        return min(times, default=None)

    def forget(self, monitor: str) -> None:
        """Forget a monitor that exists no more."""
        self._delays.pop(monitor, None)
        self._shown_at.pop(monitor, None)
