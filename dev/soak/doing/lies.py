"""How a status is meddled with by somebody who may: each way in which it can be wrong."""

import copy
from collections.abc import Callable, Mapping
from typing import Any, Final

from dev.soak.client import Client, ref_path

LIE: Final = "a lie"
"""The words of a status that somebody has meddled with."""
_OLD: Final = "2020-01-01T00:00:00Z"
Status = dict[str, Any]


def lie(client: Client, namespace: str, name: str, how: str) -> bool:
    """Replace the status of a ref by one that is wrong in that way; whether that has changed anything.

    Nothing happens where there is no such ref, nor where somebody else has written meanwhile.
    """
    found = client.call("GET", ref_path(namespace, name))
    if not found.is_ok:
        return False
    body = dict(copy.deepcopy(found.body))
    body["status"] = BY_NAME[how](dict(body.get("status", {})))
    # Whoever comes first: a conflict is no lie.
    answer = client.call("PUT", ref_path(namespace, name, "status"), body)
    versions = [each.body["metadata"]["resourceVersion"] for each in (found, answer) if each.is_ok]
    return len(set(versions)) > 1


def _conditions(status: Status, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Status:
    return status | {"conditions": [change(dict(each)) for each in status.get("conditions", [])]}


def _flip(condition: dict[str, Any]) -> dict[str, Any]:
    return condition | {"status": "False" if condition["status"] == "True" else "True"}


def _without_ready(status: Status) -> Status:
    return status | {"conditions": [each for each in status.get("conditions", []) if each["type"] != "Ready"]}


def _foreign(status: Status) -> Status:
    foreign = {"type": "Foreign", "status": "True", "reason": "Lie", "message": LIE, "lastTransitionTime": _OLD}
    # A second one of the same type would be refused.
    kept = [each for each in status.get("conditions", []) if each["type"] != foreign["type"]]
    return status | {"conditions": [*kept, foreign]}


def _target(status: Status) -> Status:
    if "target" not in status:
        return status
    return status | {"target": status["target"] | {"backupID": "00000000-0000-4000-8000-000000000000"}}


def _completed(status: Status) -> Status:
    """A whole status that says what an operator might have said: done and well."""
    ready = {"Ready", "Succeeded", "Finished"}
    kept = [each for each in status.get("conditions", []) if each["type"] not in {"Reconciling", "Stalled"}]
    done = {"status": "True", "reason": "BackupCompleted", "message": "The backup is complete."}
    conditions = [each | done if each["type"] in ready else each for each in kept]
    return status | {"state": "completed", "conditions": conditions}


BY_NAME: Final[Mapping[str, Callable[[Status], Status]]] = {
    "wipe": lambda _: {"observedGeneration": -1},
    "empty": lambda status: {"observedGeneration": status.get("observedGeneration", -1), "conditions": []},
    "state": lambda status: status | {"state": "completed"},
    "completed": _completed,
    "conditions": lambda status: status | {"conditions": []},
    "no-ready": _without_ready,
    "flip": lambda status: _conditions(status, _flip),
    "times": lambda status: _conditions(status, lambda each: each | {"lastTransitionTime": _OLD}),
    "foreign": _foreign,
    "generation": lambda status: status | {"observedGeneration": status.get("observedGeneration", -1) + 7},
    "target": _target,
    "words": lambda status: _conditions(status, lambda each: each | {"message": LIE}),
    "progress": lambda status: status | {"progress": {"percentDone": 1, "bytesPerSecond": 1, "summary": LIE}},
}
