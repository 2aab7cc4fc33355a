"""The backups of a soak: which there are, and the documents that Astra Control serves of them.

Each document has a serial number in its name, so that a status says which one it was made from.
"""

from random import Random
from typing import Any, Final

from dev.simulator.model import Life, document, uuid_of

ACCOUNTS: Final = tuple(uuid_of(f"soak account {number}") for number in range(3))
APPS: Final = 4
BACKUPS: Final = 6
_SIZE: Final = 3_113_851_289
_STATES: Final = (
    ("running", 10),
    ("completed", 6),
    ("failed", 3),
    ("pending", 2),
    ("discovering", 2),
    ("removed", 2),
    ("deleting", 1),
    ("unknown", 1),
    ("ready", 1),
)


def app_of(account: int, app: int) -> str:
    """An app's ID."""
    return uuid_of(f"soak app {account}/{app}")


def backup_of(account: int, app: int, number: int) -> str:
    """A backup's ID."""
    return uuid_of(f"soak backup {account}/{app}/{number}")


def keys() -> list[tuple[int, int, int]]:
    """All that there are, as account, app and number."""
    accounts = range(len(ACCOUNTS))
    return [(a, p, n) for a in accounts for p in range(APPS) for n in range(BACKUPS)]


def served(backup_id: str, serial: int, fields: dict[str, Any]) -> dict[str, Any]:
    """A whole document; fields that are None are left out."""
    life = Life(backup_id, f"soak {backup_id[:8]} #{serial}")
    whole = document(life, "pending") | fields
    return {name: value for name, value in whole.items() if value is not None}


def next_fields(random: Random) -> dict[str, Any]:
    """What a backup may say next: mostly sane, sometimes what no documentation has."""
    states, weights = zip(*_STATES, strict=True)
    state = random.choices(states, weights)[0]
    percent = 100.0 if state == "completed" else round(random.uniform(0, 100), 2)
    fields: dict[str, Any] = {"state": state}
    if state not in {"pending", "discovering"}:
        done = int(_SIZE * percent / 100)
        fields |= {"percentDone": percent, "bytesDone": done, "totalBytes": _SIZE}
        fields["snapshotID"] = uuid_of("soak snapshot")
    if state in {"failed", "removed"}:
        fields["stateUnready"] = random.sample(["Bucket is unreachable", "Data mover gave up", "é “quoted” \u2028"], 2)
    if state == "completed":
        fields["hookState"] = random.choice(["success", "success", "failed", None, "unknown"])
    if fields.get("hookState") == "failed":
        fields["hookStateDetails"] = [{"type": "about:blank", "title": "Hook", "detail": "exit code 1"}]
    return fields | (_strange(random) if random.random() < 0.25 else {})


def _strange(random: Random) -> dict[str, Any]:
    """What the contract tolerates."""
    strange: list[dict[str, Any]] = [
        {"percentDone": "42.5"},
        {"percentDone": 101},
        {"percentDone": -1},
        {"percentDone": "many"},
        {"bytesDone": "1024", "totalBytes": 4096.0},
        {"bytesDone": -5},
        {"bytesDone": 2**70},
        {"totalBytes": None, "bytesDone": 7},
        {"bytesDone": 5000, "totalBytes": 100},
        {"stateUnready": "text"},
        {"stateUnready": [1, None, "a reason"]},
        {"stateUnready": [f"reason {number}" for number in range(40)]},
        {"stateDetails": [{"type": "t", "title": "T", "detail": "d"}, 7, {"title": 1}]},
        {"hookState": 3},
        {"version": None, "bucketID": {"a": 1}},
        {"snapshotID": ["x"]},
        {"metadata": "none"},
        {"metadata": {"labels": [{"name": "a", "value": "b"}, {"name": "c"}, 3], "createdBy": 7}},
        {"unheard": {"of": [1, 2, 3]}},
    ]
    return random.choice(strange)
