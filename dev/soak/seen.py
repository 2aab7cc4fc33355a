"""Whether each object has conditions soon after it was made."""

import time
from collections.abc import Iterable, Sequence
from typing import Final

from dev.soak.findings import Finding
from dev.soak.history import Version

_SEEN_SECONDS: Final = 120.0
"""Of time in which the API server was there, whatever else is broken; the bound is the soak's own."""
_SWALLOWED_SECONDS: Final = 330.0
"""The same for an object that no watch has told of: the list of every five minutes does."""
_CONDITIONS: Final = 4
_SHOWN: Final = 3


def check(
    histories: Iterable[Sequence[Version]],
    swallowed: Sequence[tuple[float, float]],
    outages: Sequence[tuple[float, float]],
) -> list[Finding]:
    """The objects that had none for too long.

    Args:
        histories: the versions of each object, oldest first.
        swallowed: from when until when watches have said nothing of changes.
        outages: from when until when the API server was away; they may overlap.
    """
    found = []
    for versions in histories:
        first, last = versions[0], versions[-1]
        served = [each.at for each in versions if len(each.status.get("conditions", [])) >= _CONDITIONS]
        until = min(served, default=last.at if last.is_last else time.time())
        seconds = until - first.at - _away(outages, first.at, until)
        is_swallowed = any(since - 1 <= first.at <= until + 1 for since, until in swallowed)
        if seconds > (_SWALLOWED_SECONDS if is_swallowed else _SEEN_SECONDS):
            text = f"had no conditions for {seconds:.0f}s"
            found.append(Finding("an object has conditions soon", first.name, text, first.at, tuple(versions[:_SHOWN])))
    return found


def _away(outages: Sequence[tuple[float, float]], since: float, until: float) -> float:
    """The seconds of a time in which the API server was away."""
    seconds, counted = 0.0, since
    for begin, end in sorted(outages):
        seconds += max(0.0, min(end, until) - max(begin, counted))
        counted = max(counted, end)
    return seconds
