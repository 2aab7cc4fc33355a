"""Versions of one ref that are right, what the soak knows of them, and which invariants they break."""

from datetime import datetime
from typing import Any

from dev.soak import mirrored
from dev.soak.backups import backup_of, served
from dev.soak.client import OwnWrites
from dev.soak.facts import Facts
from dev.soak.history import Version
from dev.soak.invariants import check, target_of

ID = backup_of(0, 0, 0)
DOCUMENT = served(ID, 1, {"state": "running", "percentDone": 42.5, "bytesDone": 10, "totalBytes": 20})
SPEC = {"accountID": ID, "appID": ID, "backupID": ID, "readyWhen": "Completed"}
TIME = "2026-11-25T10:00:00Z"
LATER = "2026-11-25T10:00:09Z"
START = datetime.fromisoformat("2026-11-25T10:00:10Z").timestamp()
"""When the first version is there."""
Object = dict[str, Any]


def condition(kind: str, status: str, reason: str) -> Object:
    """A condition of generation 1, with a time before the first version's."""
    texts = {"message": "Words.", "lastTransitionTime": TIME, "observedGeneration": 1}
    return {"type": kind, "status": status, "reason": reason, **texts}


def right_status() -> Object:
    """A status of a running backup, in which nothing is wrong."""
    return {
        "observedGeneration": 1,
        "target": target_of(SPEC),
        **mirrored.expected(DOCUMENT),
        "conditions": [
            condition("Ready", "False", "BackupInProgress"),
            condition("Synced", "True", "Observed"),
            condition("Succeeded", "Unknown", "BackupInProgress"),
            condition("Finished", "False", "BackupInProgress"),
            condition("Reconciling", "True", "BackupInProgress"),
        ],
    }


def version(number: int, status: Object, **metadata: Any) -> Version:
    """The version with this number, a second after the one before."""
    made = {"namespace": "ns", "name": "ref", "uid": "u", "generation": 1, "resourceVersion": str(number)}
    item = {"metadata": made | metadata, "spec": SPEC, "status": status}
    return Version(START + number - 1, item, follows=number > 1)


def right_facts(own: OwnWrites | None = None, **more: Any) -> Facts:
    """That Astra Control has served the document, and what else a test knows."""
    return Facts(own or OwnWrites(), documents={ID: [DOCUMENT]}, secrets=("the-token",), **more)


def broken_given(facts: Facts, *versions: Version) -> list[str]:
    """The invariants that these versions of the ref break, by what is known."""
    return [each.invariant for each in check({"u": list(versions)}, facts)]


def broken_by(*versions: Version, own: set[str] | None = None, starts: tuple[float, ...] = ()) -> list[str]:
    """The same, where the soak has written the versions `own` and operators were started at `starts`."""
    return broken_given(right_facts(OwnWrites(own or set()), starts=starts), *versions)


def fail(status: Object) -> None:
    """The status after a poll that has failed, later than all else."""
    status["conditions"][1] = condition("Synced", "False", "Unreachable") | {"lastTransitionTime": LATER}
