"""Times of transition, from one version of an operator's to its next: they move with the status, and then only.

What is excused because of others is the caller's business; here the two versions are all that counts.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from dev.soak import conditions
from dev.soak.history import Version

_TOLERANCE_SECONDS: Final = 2.0
"""Times are whole seconds, and a status may change twice in one."""
Transition = tuple[str, str, str]
"""A condition's type, its status and the time of its last transition."""


def shown(status: Mapping[str, Any]) -> set[Transition]:
    """Those that a status shows."""
    return {(each["type"], each["status"], each["lastTransitionTime"]) for each in status["conditions"]}


def ahead(version: Version) -> Iterator[str]:
    """Times that had not come when the version was there."""
    for kind, _, time in sorted(shown(version.status)):
        if _seconds(time) > version.at + _TOLERANCE_SECONDS:
            yield f"{kind}: {time}"


def moved(before: Version, after: Version) -> Iterator[str]:
    """Times that have moved, though the status has not."""
    for kind, old, new in _both(before, after):
        if old["status"] == new["status"] and old["lastTransitionTime"] != new["lastTransitionTime"]:
            yield f"{kind} is {new['status']} since {old['lastTransitionTime']}, then {new['lastTransitionTime']}"


def unmoved(before: Version, after: Version, known: Collection[Transition]) -> Iterator[str]:
    """Times that have not moved, though the status has.

    Args:
        before: a version.
        after: the next one.
        known: what earlier versions have shown. An operator that has not seen its own last write may return to it.
    """
    for kind, old, new in _both(before, after):
        time = new["lastTransitionTime"]
        is_same_time = old["status"] != new["status"] and old["lastTransitionTime"] == time
        is_old = _seconds(time) < before.at - _TOLERANCE_SECONDS
        if is_same_time and is_old and (kind, new["status"], time) not in known:
            yield f"{kind} was {old['status']} and is {new['status']}, both since {time}"


def set_back(before: Version, after: Version, known: Collection[Transition]) -> Iterator[str]:
    """Times that are earlier than they were, but for those of `known` transitions, to which one may return."""
    for kind, old, new in _both(before, after):
        time = new["lastTransitionTime"]
        if time < old["lastTransitionTime"] and (kind, new["status"], time) not in known:
            yield f"{kind}: {old['lastTransitionTime']}"


def _both(before: Version, after: Version) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """The conditions that both have: the type, the old one, the new one."""
    known = conditions.by_type(before.status)
    for kind, new in conditions.by_type(after.status).items():
        if kind in known:
            yield kind, known[kind], new


def _seconds(time: str) -> float:
    """Since the epoch."""
    return datetime.fromisoformat(time).timestamp()
