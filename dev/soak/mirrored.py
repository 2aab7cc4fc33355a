"""What a status shows of a document of Astra Control, as docs/reference.md says: names, bounds, what is left out."""

import math
import re
from collections.abc import Mapping
from typing import Any, Final

_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
_TEXTS: Final = ("name", "version", "bucketID", "snapshotID", "scheduleID", "backupCreationTimestamp")
_METADATA: Final = ("creationTimestamp", "modificationTimestamp", "createdBy", "modifiedBy")
AT_REST: Final = frozenset({"completed", "failed", "removed", "deleting"})
"""States of a backup that is not in progress."""
_MAX_REASONS: Final = 32
Document = Mapping[str, Any]


def number_of(value: object) -> float | None:
    """An integer, a float or a numeric string as a finite number."""
    if isinstance(value, str):
        value = (float(value) if "." in value else int(value)) if _NUMBER.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


def _size(value: object) -> int | None:
    number = number_of(value)
    return int(number) if number is not None and 0 <= number < 2**63 else None


def _percent(document: Document) -> int | None:
    number = number_of(document.get("percentDone"))
    if number is None or not 0 <= number <= 100:
        return None
    is_under_way = document["state"] not in AT_REST
    return min(int(number), 99 if is_under_way else 100)


def _texts(items: object) -> list[str] | None:
    return [each for each in items if isinstance(each, str)] if isinstance(items, list) else None


def _details(items: object) -> list[dict[str, str]] | None:
    if not isinstance(items, list):
        return None
    keys = ("type", "title", "detail")
    return [
        {key: each[key] for key in keys if isinstance(each.get(key), str)} for each in items if isinstance(each, dict)
    ]


def _labels(items: object) -> list[dict[str, str]] | None:
    if not isinstance(items, list):
        return None
    pairs = [each for each in items if isinstance(each, dict)]
    return [
        {"name": each["name"], "value": each["value"]}
        for each in pairs
        if isinstance(each.get("name"), str) and isinstance(each.get("value"), str)
    ]


def expected(document: Document) -> dict[str, Any]:
    """The part of a status that mirrors `document`, without what is derived from it; nothing that is empty."""
    metadata = document.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    info = {name: value for name in _TEXTS if isinstance(value := document.get(name), str)}
    info |= {name: value for name in _METADATA if isinstance(value := metadata.get(name), str)}
    shown = {
        "state": document["state"],
        "stateUnready": _texts(document.get("stateUnready")),
        "stateDetails": _details(document.get("stateDetails")),
        "progress": _filled(
            {
                "percentDone": _percent(document),
                "bytesDone": _size(document.get("bytesDone")),
                "totalBytes": _size(document.get("totalBytes")),
            }
        ),
        "hookState": value if isinstance(value := document.get("hookState"), str) else None,
        "hookStateDetails": _details(document.get("hookStateDetails")),
        "backup": _filled({**info, "labels": _labels(metadata.get("labels"))}),
    }
    return _filled(shown)


def shown(status: Mapping[str, Any]) -> dict[str, Any]:
    """The same part of a status."""
    names = ("state", "stateUnready", "stateDetails", "hookState", "hookStateDetails", "backup")
    part = {name: status[name] for name in names if name in status}
    progress = status.get("progress", {})
    part["progress"] = {name: progress[name] for name in ("percentDone", "bytesDone", "totalBytes") if name in progress}
    part["backup"] = _filled(part.get("backup", {}))
    return _filled(part)


def differences(status: Mapping[str, Any], document: Document) -> list[str]:
    """Where a status does not show `document`."""
    seen, wanted = shown(status), expected(document)
    reasons = wanted.get("stateUnready", [])
    if len(reasons) > _MAX_REASONS:
        # What was cut says so, in words of its own.
        kept = seen.get("stateUnready", [])
        wanted["stateUnready"] = (
            kept if len(kept) == _MAX_REASONS and kept[:-1] == reasons[: len(kept) - 1] else reasons
        )
    return [
        f"{name} is {seen.get(name)!r} and not {wanted.get(name)!r}"
        for name in sorted(seen.keys() | wanted.keys())
        if seen.get(name) != wanted.get(name)
    ]


def _filled(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, [], {}, "")}
