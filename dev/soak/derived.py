"""What is derived from observations does not move while these are the same: docs/reference.md, Running it.

Two operators without an election measure a rate each. Where neither took the other's, each would correct the other for
ever, a few times a minute.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from dev.soak.findings import Finding
from dev.soak.history import Version

_MOVES: Final = 3
"""So many in a row nobody makes by accident: once each operator may have written before it saw the other's."""
_DERIVED: Final = ("bytesPerSecond", "estimatedCompletionTime")
_MEASURED: Final = ("bytesDone", "totalBytes")
_AROUND: Final = 5


def check(versions: Iterable[Sequence[Version]], lies: Container[str] = ()) -> list[Finding]:
    """Objects, each with its versions, whose rate went back and forth; `lies` are versions of somebody else's."""
    return [found for each in versions if (found := _moving(each, lies))]


def _moving(versions: Sequence[Version], lies: Container[str]) -> Finding | None:
    moves = 0
    for number, (before, after) in enumerate(pairwise(versions), 1):
        is_lie = before.number in lies or after.number in lies
        if is_lie or not after.follows or _seen(before.status) != _seen(after.status):
            moves = 0
        elif _part(before.status, _DERIVED) != _part(after.status, _DERIVED):
            moves += 1
        if moves >= _MOVES:
            text = f"{_part(before.status, _DERIVED)}, then {_part(after.status, _DERIVED)}"
            around = tuple(versions[max(0, number - _AROUND) : number + 2])
            return Finding("a rate stays while what it was measured of stays", after.name, text, after.at, around)
    return None


def _seen(status: Mapping[str, Any]) -> object:
    """What the rate is of."""
    return status.get("target"), status.get("state"), _part(status, _MEASURED)


def _part(status: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    progress = status.get("progress", {})
    return {name: progress[name] for name in names if name in progress}
