"""Whether each object has conditions soon after it was made."""

import time
from collections.abc import Iterable, Sequence
from typing import Final

from dev.soak.findings import Finding
from dev.soak.history import Version

_SEEN_SECONDS: Final = 120.0
"""Whatever is broken meanwhile; the bound is the soak's own: faults of the API server last a few seconds each."""
_CONDITIONS: Final = 4
_SHOWN: Final = 3


def check(histories: Iterable[Sequence[Version]]) -> list[Finding]:
    """The objects that had none for too long; `histories` are the versions of each, oldest first."""
    found = []
    for versions in histories:
        first, last = versions[0], versions[-1]
        served = [each.at for each in versions if len(each.status.get("conditions", [])) >= _CONDITIONS]
        seconds = min(served, default=last.at if last.is_last else time.time()) - first.at
        if seconds > _SEEN_SECONDS:
            text = f"had no conditions for {seconds:.0f}s"
            found.append(Finding("an object has conditions soon", first.name, text, first.at, tuple(versions[:_SHOWN])))
    return found
