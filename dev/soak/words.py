"""A message whose words move by themselves is not written again and again: docs/reference.md, Conditions."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from dev.soak import conditions
from dev.soak.history import Version

_SECONDS: Final = 15 * 60.0
_LATE_SECONDS: Final = 110.0
"""For how long a change of a Secret may have consequences: a frozen watch is noticed in 90 s, a throttle is 10 s."""
_CORRELATION: Final = re.compile(r" \(correlationID [^()]*\)$")
REMOTE: Final = frozenset({"Unauthorized", "Forbidden", "InvalidRequest", "ServerError", "RateLimited"})
OWN_WORDS: Final = "none was made for this object"
_ANNOTATION: Final = "astra-mirror.io/requestedAt"
_NOT_OBSERVED: Final = frozenset({"conditions", "lastHandledReconcileAt", "observedGeneration", "target"})


def moved(before: Version, after: Version, changes: Mapping[tuple[str, str], list[float]]) -> str | None:
    """What Synced says now, where it had to stay as it was.

    Args:
        before: the last version of the same operator.
        after: the next one.
        changes: by namespace and name, when Secrets were written.
    """
    old, new = conditions.by_type(before.status)["Synced"], conditions.by_type(after.status)["Synced"]
    is_same = (old["status"], old["reason"]) == (new["status"], new["reason"])
    if not is_same or new["reason"] not in REMOTE or plain(old) == plain(new):
        return None
    if OWN_WORDS in old["message"] + new["message"] or is_asked_for(before, after, changes):
        return None
    if was_observed(before.status, after.status):
        return None
    return f"{old['message']!r}, then {new['message']!r}"


def taken_over(versions: Iterable[Version], words: str) -> list[str]:
    """The messages of Synced with these words that there were, in order and each once, but for a correlationID."""
    shown = [conditions.by_type(each.status).get("Synced", {"message": ""}) for each in versions]
    return list(dict.fromkeys(plain(each) for each in shown if words in each["message"]))


def was_observed(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether the backup has moved between two statuses: a success came in between, written by itself or not."""
    old, new = ({key: each[key] for key in each if key not in _NOT_OBSERVED} for each in (before, after))
    return old != new


def plain(condition: Mapping[str, Any]) -> str:
    """A condition's message without its correlationID, which nobody takes over alone."""
    return _CORRELATION.sub("", condition["message"])


def is_asked_for(before: Version, after: Version, changes: Mapping[tuple[str, str], list[float]]) -> bool:
    """Whether there was an edit, a new Secret or a requestedAt in between, after which words count at once."""
    if (
        before.generation != after.generation
        or after.at - before.at > _SECONDS
        or _requested(before) != _requested(after)
    ):
        return True
    name = after.object["spec"].get("secretRef", {}).get("name", "astra-control")
    times = changes.get((after.object["metadata"]["namespace"], name), [])
    return any(before.at - _LATE_SECONDS <= each <= after.at for each in times)


def _requested(version: Version) -> object:
    shown = version.status.get("lastHandledReconcileAt")
    return shown, version.object["metadata"].get("annotations", {}).get(_ANNOTATION)
