"""Whether each object has conditions soon after it was made."""

import time
from collections.abc import Iterable, Sequence
from typing import Final

from dev.soak.findings import Finding
from dev.soak.history import Version

_SEEN_SECONDS: Final = 120.0
"""Whatever is broken meanwhile; the bound is the soak's own: faults of the API server last a few seconds each."""
_SWALLOWED_SECONDS: Final = 330.0
"""The same for an object that no watch has told of: the list of every five minutes does."""
_CONDITIONS: Final = 4
_SHOWN: Final = 3


def check(histories: Iterable[Sequence[Version]], swallowed: Sequence[tuple[float, float]]) -> list[Finding]:
    """The objects that had none for too long.

    Args:
        histories: the versions of each object, oldest first.
        swallowed: from when until when watches have said nothing of changes.
    """
    found = []
    for versions in histories:
        first, last = versions[0], versions[-1]
        served = [each.at for each in versions if len(each.status.get("conditions", [])) >= _CONDITIONS]
        seconds = min(served, default=last.at if last.is_last else time.time()) - first.at
        is_swallowed = any(since - 1 <= first.at <= until + 1 for since, until in swallowed)
        if seconds > (_SWALLOWED_SECONDS if is_swallowed else _SEEN_SECONDS):
            text = f"had no conditions for {seconds:.0f}s"
            found.append(Finding("an object has conditions soon", first.name, text, first.at, tuple(versions[:_SHOWN])))
    return found
