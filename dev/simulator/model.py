"""What an Astra Control backup looks like over time: a pure function of its scenario and its age.

Facts of the resource are those of the appBackup API reference: a fresh backup has no snapshotID, hookState, totalBytes,
bytesDone, percentDone and backupCreationTimestamp; a completed one has them all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

_NAMESPACE: Final = UUID("6f0c8a4e-9a55-4f0c-8f0e-2d6f3c1b7a90")
_EPOCH: Final = datetime(2026, 1, 5, 20, 58, 16, 305662, tzinfo=UTC)
DEFAULT_SIZE: Final = 3_113_851_289
Document = dict[str, Any]


def uuid_of(name: str) -> str:
    """A UUID that is always the same for `name`."""
    return str(uuid5(_NAMESPACE, name))


@dataclass(frozen=True)
class Life:
    """What a scenario may use: the backup's identity, how long it takes in seconds, and its size in bytes."""

    id: str
    name: str
    seconds: float = 30.0
    size: int = DEFAULT_SIZE
    born: datetime = field(default=_EPOCH)


Scenario = Callable[[Life, float], Document | None]
"""The document of a backup of some age in seconds; None when it does not exist (any more)."""


def document(life: Life, state: str, age: float = 0.0, **fields: Any) -> Document:  # noqa: ANN401 - any JSON value
    """A document with the fields that every backup has."""
    return {
        "type": "application/astra-appBackup",
        "version": "1.2",
        "id": life.id,
        "name": life.name,
        "bucketID": uuid_of("bucket"),
        "state": state,
        "stateUnready": [],
        **fields,
        "metadata": {
            "labels": [],
            "creationTimestamp": _time(life.born),
            "modificationTimestamp": _time(life.born + timedelta(seconds=int(age))),
            "createdBy": uuid_of("user"),
        },
    }


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _taken(life: Life) -> Document:
    """The fields that a backup gets when its snapshot has been taken."""
    return {"snapshotID": uuid_of(f"snapshot {life.id}"), "backupCreationTimestamp": _time(life.born)}


def _starting(life: Life, age: float, until: float) -> Document:
    """pending, discovering, running with growing numbers, the last at `until`, a share of the whole."""
    share = age / life.seconds
    if share < 0.1:
        return document(life, "pending")
    if share < 0.2:
        return document(life, "discovering", age)
    done = min((share - 0.2) / 0.8, until)
    return document(
        life,
        "running",
        age,
        **_taken(life),
        totalBytes=life.size,
        bytesDone=int(life.size * done),
        percentDone=round(100 * done, 2),
    )


def _completed(life: Life, **fields: Any) -> Document:  # noqa: ANN401 - any JSON value
    numbers = {"totalBytes": life.size, "bytesDone": life.size, "percentDone": 100}
    return document(life, "completed", life.seconds, **_taken(life), **numbers, **{"hookState": "success"} | fields)


def completes(life: Life, age: float) -> Document:
    """The way of a good backup."""
    return _starting(life, age, 0.99) if age < life.seconds else _completed(life)


def fails(life: Life, age: float) -> Document:
    """Fails half way."""
    if age < life.seconds * 0.6:
        return _starting(life, age, 0.5)
    return document(life, "failed", life.seconds * 0.6, stateUnready=["Bucket is unreachable", "Data mover gave up"])


def hooks_fail(life: Life, age: float) -> Document:
    """Completes, but an execution hook fails."""
    if age < life.seconds:
        return _starting(life, age, 0.99)
    detail = {
        "type": "https://astra.netapp.io/problems/101",
        "title": "Execution hook failed",
        "detail": "The post-snapshot hook 'thaw-db' ended with exit code 1.",
    }
    return _completed(life, hookState="failed", hookStateDetails=[detail])


def stuck(life: Life, age: float) -> Document:
    """Runs for ever at 42%."""
    return _starting(life, min(age, life.seconds * 0.536), 0.42)


def gets_lost(life: Life, age: float) -> Document:
    """Completes, and becomes inaccessible later."""
    if age < life.seconds * 1.5:
        return completes(life, age)
    return document(life, "removed", life.seconds, stateUnready=["The bucket was detached"])


def vanishes(life: Life, age: float) -> Document | None:
    """Runs, and then does not exist any more."""
    return _starting(life, age, 0.5) if age < life.seconds * 0.6 else None


def _always(state: str, **fields: Any) -> Scenario:  # noqa: ANN401 - any JSON value
    def scenario(life: Life, _age: float) -> Document:
        return document(life, state, **fields)

    scenario.__doc__ = f"Is {state!r} from the beginning."
    return scenario


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "completes": completes,
    "fails": fails,
    "hooks-fail": hooks_fail,
    "stuck": stuck,
    "gets-lost": gets_lost,
    "vanishes": vanishes,
    "pending": _always("pending"),
    "deleting": _always("deleting"),
    "unknown": _always("unknown"),
    "ready": _always("ready"),
}


def script(steps: list[tuple[float, Mapping[str, Any] | None]]) -> Scenario:
    """A scenario that applies each step's fields from its age on; None makes the backup vanish."""

    def scripted(life: Life, age: float) -> Document | None:
        found: Document | None = document(life, "pending")
        for since, fields in steps:
            if age >= since:
                found = None if fields is None else {**(found or document(life, "pending")), **fields}
        return found

    return scripted
