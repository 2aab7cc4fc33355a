"""Operators that have never read a Secret, because the API server does not deliver any, say that in each status.

All of them are replaced by new ones, and the refs are made for this: it comes when all else is judged.
"""

import signal
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from dev.soak.backups import ACCOUNTS, app_of, backup_of, keys
from dev.soak.doing.users import ACTIONS, make_namespace
from dev.soak.findings import Finding
from dev.soak.history import History
from dev.soak.settled import wait_for
from dev.soak.stage import Stage
from dev.soak.subjects import latest, sync_reason
from dev.soak.topology import DEFAULT_SECRET

_NAMESPACE: Final = "soak-unreadable"
_NAMES: Final = ("first", "second", "third")
_SECONDS: Final = 45.0
"""Ten count for the list, three for the Secret alone; the rest is for a start, and for a Lease."""


def check(stage: Stage, history: History) -> list[Finding]:
    """Try it; afterwards Secrets can be read again."""
    clear = stage.add_fault(kind="status", status=HTTPStatus.INTERNAL_SERVER_ERROR, path="*/secrets*")
    said: set[str] = set()

    def is_said() -> bool:
        there = [each for each in latest(history) if each.name.startswith(f"{_NAMESPACE}/")]
        said.update(each.name for each in there if sync_reason(each.status) == "SecretUnreadable")
        return len(said) == len(_NAMES)

    try:
        for slot in list(stage.running):
            stage.end(slot, signal.SIGTERM)
            stage.start(slot)
        _make(stage, _NAMES)
        wait_for(is_said, _SECONDS)
    finally:
        clear()
    if is_said():
        return []
    text = f"{len(said)} of {len(_NAMES)} refs said it within {_SECONDS:g}s"
    return [Finding("a Secret that cannot be read is SecretUnreadable", _NAMESPACE, text)]


def _make(stage: Stage, names: Sequence[str]) -> None:
    """Refs of backups that there are, and their Secret."""
    make_namespace(stage.client, _NAMESPACE)
    ACTIONS["secret"](stage, {"namespace": _NAMESPACE, "name": DEFAULT_SECRET, "kind": "plain", "token": 0}, 0.0)
    for name, (account, app, number) in zip(names, keys(), strict=False):
        backup = backup_of(account, app, number)
        spec = {"accountID": ACCOUNTS[account], "appID": app_of(account, app), "backupID": backup}
        ACTIONS["ref"](stage, {"namespace": _NAMESPACE, "name": name, "spec": spec}, 0.0)
