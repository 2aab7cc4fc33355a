"""What the plugin reads of an object. Fields that it does not know are ignored, and unusable values count as absent.

The plugin may be older or newer than the operator, and a status may have been written by anybody.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from astra_mirror.kubectl.core.ages import moment_of
from astra_mirror.kubectl.core.names import REQUESTED_AT, Key, Kind

_STATUSES: Final = frozenset({"True", "False", "Unknown"})


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition. An absent one has the status and the reason ""."""

    status: str = ""
    reason: str = ""
    message: str = ""


ABSENT: Final = Condition()


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a backup: whole per cent, and bytes a second."""

    percent: int | None = None
    rate: int | None = None
    ends: datetime | None = None
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """An object as it was last seen.

    Attributes:
        key: which one it is.
        uid: tells it from a later object of this name.
        generation: that of its spec.
        observed_generation: that of the spec which the status is about; -1 before an operator has seen the object.
        is_suspended: whether its spec says that it is not polled.
        created: when it was made.
        account_id, app_id: of its spec.
        secret_name: the Secret that its spec names.
        requested_at: its annotation that requests a poll.
        handled_at: the value of that annotation which the last poll has handled.
        conditions: by type; those about an earlier spec are left out.
        state: the backup's; "" for none.
        progress: the backup's.
        has_objectives: whether a monitor's spec has any.
        deadline: until when a monitor's objectives are met without another backup.
        counts: a monitor's backups, by what has become of them.
    """

    key: Key
    uid: str = ""
    generation: int = 0
    observed_generation: int = -1
    is_suspended: bool = False
    created: datetime | None = None
    account_id: str = ""
    app_id: str = ""
    secret_name: str = "astra-control"  # noqa: S105 - a name
    requested_at: str = ""
    handled_at: str = ""
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    state: str = ""
    progress: Progress = Progress()
    has_objectives: bool = False
    deadline: datetime | None = None
    counts: Mapping[str, int] = field(default_factory=dict)

    def condition(self, kind: str) -> Condition:
        """The condition of this type."""
        return self.conditions.get(kind, ABSENT)

    @property
    def is_handled(self) -> bool:
        """Whether the status is about the spec as it is now."""
        return self.observed_generation >= self.generation

    @property
    def is_stalled(self) -> bool:
        """Whether somebody has to do something."""
        return self.condition("Stalled").status == "True"


def read(kind: Kind, found: object) -> Seen:
    """What is usable of an object, a JSON value."""
    value = _mapping(found)
    metadata, spec, status = (_mapping(value.get(name)) for name in ("metadata", "spec", "status"))
    generation = _number(metadata.get("generation")) or 0
    counts = _mapping(status.get("backups"))
    return Seen(
        key=Key(kind, _text(metadata.get("namespace")), _text(metadata.get("name"))),
        uid=_text(metadata.get("uid")),
        generation=generation,
        observed_generation=_number(status.get("observedGeneration"), least=-1, default=-1),
        is_suspended=spec.get("suspend") is True,
        created=moment_of(metadata.get("creationTimestamp")),
        account_id=_text(spec.get("accountID")).lower(),
        app_id=_text(spec.get("appID")).lower(),
        secret_name=_text(_mapping(spec.get("secretRef")).get("name")) or "astra-control",
        requested_at=_text(_mapping(metadata.get("annotations")).get(REQUESTED_AT)),
        handled_at=_text(status.get("lastHandledReconcileAt")),
        conditions=_conditions(status.get("conditions"), generation),
        state=_text(status.get("state")),
        progress=_progress(_mapping(status.get("progress"))),
        has_objectives=bool(spec.get("objectives")),
        deadline=moment_of(status.get("deadline")),
        counts={name: number for name, count in counts.items() if (number := _number(count, default=-1)) >= 0},
    )


def _conditions(found: object, generation: int) -> dict[str, Condition]:
    conditions = {}
    for each in found if isinstance(found, list) else ():
        value = _mapping(each)
        if _number(value.get("observedGeneration"), default=generation) < generation:
            continue
        if value.get("status") in _STATUSES:
            texts = (_text(value.get(name)) for name in ("status", "reason", "message"))
            conditions[_text(value.get("type"))] = Condition(*texts)
    return conditions


def _progress(found: Mapping[str, Any]) -> Progress:
    percent = _number(found.get("percentDone"), default=-1)
    rate = _number(found.get("bytesPerSecond"), default=-1)
    return Progress(
        percent=percent if 0 <= percent <= 100 else None,
        rate=rate if rate >= 0 else None,
        ends=moment_of(found.get("estimatedCompletionTime")),
        summary=_text(found.get("summary")),
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object, *, least: int = 0, default: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        return default
    return value if value >= least else default
