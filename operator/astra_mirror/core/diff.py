"""What has to be written so that the actual status becomes the desired one, and who caused the difference.

Three statuses are compared as JSON values: the desired one, the actual one that the API server holds, and the last one
of the operator's own. Times and texts are taken from the operator's own, never from what another client has written.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from astra_mirror.core.backup import Activity, meaning_of
from astra_mirror.core.messages import Shown, message_of, shows
from astra_mirror.support.times import moment_of, timestamp

_RECENT: Final = timedelta(minutes=1)
"""The maximum age of a transition that counts as the one that is about to be written.

Another writer may have written it, or this process in a write whose response never came.
"""
_PEER: Final = timedelta(minutes=10)
"""How much earlier another operator may have recorded a transition."""
_AHEAD: Final = timedelta(seconds=5)
_DERIVED: Final = ("bytesPerSecond", "estimatedCompletionTime")


@dataclass(frozen=True, slots=True)
class Difference:
    """The status that the cluster should hold, and the merge patch that leads to it.

    `is_correction` is true when the operator's own last status is the same already: another client changed the object.
    """

    status: Mapping[str, Any]
    patch: Mapping[str, Any]
    is_correction: bool


def difference(
    desired: Mapping[str, Any],
    own: Mapping[str, Any],
    actual: Mapping[str, Any],
    now: datetime,
    shown: tuple[Shown, ...] = (),
    sent: Sequence[Mapping[str, Any]] = (),
) -> Difference:
    """Compare the three statuses.

    Args:
        desired: the status that should be there; its transition times are ignored.
        own: the last status of the operator's own that the API server has stored; empty before the first.
        actual: the status that the API server holds, from any writer.
        now: UTC.
        shown: the texts in `desired` that have a correlation ID.
        sent: the statuses that were sent without a response that says whether they were stored, the latest first.
    """
    status = stamped(desired, own, now, (actual, *sent), shown)
    is_correction = not _without_new_target(merge_patch(own, status), own)
    status = with_derived_of(actual, status)
    patch = merge_patch(actual, status)
    if "target" not in own:
        patch = _without_new_target(patch, actual)
    return Difference(status, patch, is_correction)


def _without_new_target(patch: dict[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    # The statuses of an older release have no target. Adding it does not justify a write; another target is a lie.
    return {} if set(patch) == {"target"} and "target" not in current else patch


def stamped(
    desired: Mapping[str, Any],
    own: Mapping[str, Any],
    now: datetime,
    others: Sequence[Mapping[str, Any]] = (),
    shown: tuple[Shown, ...] = (),
) -> dict[str, Any]:
    """`desired` with transition times: the operator's own where a condition's status stays the same, else `now`.

    A text that differs from the operator's own only in its correlation ID stays as it is: while the API server is away,
    several responses may arrive before the next write. Where one of `others` has the same transition, and it is recent,
    its time is used: another process has just written it, and two operators do not overwrite each other's times, or
    this process has sent it, and it may have been stored.
    """
    before, found = _conditions(own), [_conditions(each) for each in others]
    conditions = []
    for new in desired["conditions"]:
        old = before.get(new["type"])
        if old is None or not _has_status(old, new):
            known = (each.get(new["type"], {}) for each in found)
            old = next((each for each in known if _has_status(each, new) and _is_recent(each, now)), None)
        conditions.append(_stamp(new, old, timestamp(now), shown))
    return {**desired, "conditions": conditions}


def _conditions(status: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    # Another client may have written anything into the actual status.
    conditions = status.get("conditions")
    entries = conditions if isinstance(conditions, list) else []
    return {str(each.get("type")): each for each in entries if isinstance(each, Mapping)}


def failing_since(status: Mapping[str, Any]) -> datetime | None:
    """When Synced became False; None if it is not False."""
    synced = _conditions(status).get("Synced", {})
    return moment_of(synced.get("lastTransitionTime")) if synced.get("status") == "False" else None


def _has_status(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return old.get("status") == new["status"] and bool(old.get("lastTransitionTime"))


def _stamp(new: Mapping[str, Any], old: Mapping[str, Any] | None, at: str, shown: tuple[Shown, ...]) -> dict[str, Any]:
    if old is None:
        return {**new, "lastTransitionTime": at}
    before = str(old.get("message"))
    is_same = old.get("reason") == new["reason"] and shows(before, message_of(new["message"], shown))
    message = before if is_same else new["message"]
    return {**new, "lastTransitionTime": old["lastTransitionTime"], "message": message}


def _is_recent(condition: Mapping[str, Any], now: datetime) -> bool:
    moment = moment_of(condition["lastTransitionTime"])
    return moment is not None and -_AHEAD <= now - moment <= _RECENT


def with_earlier_times(own: Mapping[str, Any], actual: Mapping[str, Any]) -> dict[str, Any]:
    """`own` with the actual transition times that are up to ten minutes earlier, for conditions of the same status.

    Two operators may have observed one transition at different times, one of them with a failure in between. If each of
    them does this, both arrive at the same times.
    """
    found = _conditions(actual)
    conditions = [_with_earlier_time(each, found.get(each["type"], {})) for each in own.get("conditions", [])]
    return {**own, "conditions": conditions}


def _with_earlier_time(own: Mapping[str, Any], actual: Mapping[str, Any]) -> dict[str, Any]:
    ours, theirs = moment_of(own.get("lastTransitionTime")), moment_of(actual.get("lastTransitionTime"))
    if own.get("status") != actual.get("status") or ours is None or theirs is None:
        return dict(own)
    is_earlier = timedelta(0) < ours - theirs <= _PEER
    return {**own, "lastTransitionTime": actual["lastTransitionTime"]} if is_earlier else dict(own)


def with_derived_of(actual: Mapping[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    """`status` with the actual rate and expected end, where these are about the same bytes of a running backup.

    Each process measures a different rate; two processes would overwrite each other's for ever.
    """
    ours, theirs = status.get("progress"), actual.get("progress")
    if not isinstance(ours, Mapping) or not isinstance(theirs, Mapping) or not _is_under_way(status):
        return status
    if "bytesDone" not in ours or any(ours.get(each) != theirs.get(each) for each in ("bytesDone", "totalBytes")):
        return status
    kept = {key: value for key, value in ours.items() if key not in _DERIVED}
    return {**status, "progress": kept | {key: theirs[key] for key in _DERIVED if key in theirs}}


def _is_under_way(status: Mapping[str, Any]) -> bool:
    state = status.get("state")
    return isinstance(state, str) and meaning_of(state).activity is Activity.RECONCILING


def merge_patch(current: Mapping[str, Any], desired: Mapping[str, Any]) -> dict[str, Any]:
    """The smallest JSON merge patch (RFC 7396) from `current` to `desired`; empty when they are equal.

    `desired` may not contain a null.
    """
    patch: dict[str, Any] = {key: None for key in current if key not in desired}
    for key, value in desired.items():
        old = current.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            # Not compared as a whole: 1 and true are equal to Python.
            if inner := merge_patch(old, value):
                patch[key] = inner
        elif old != value or type(old) is not type(value):
            patch[key] = value
    return patch


def fields_of(patch: Mapping[str, Any], path: str = "status") -> Iterator[str]:
    """The dotted names of the fields that a merge patch changes: `status.progress.summary`."""
    for key, value in patch.items():
        if isinstance(value, Mapping) and value:
            yield from fields_of(value, f"{path}.{key}")
        else:
            yield f"{path}.{key}"
