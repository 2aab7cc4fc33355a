"""Monitors in each state that their status may have, as objects, and what kstatus makes of them."""

from collections.abc import Sequence
from typing import Any, Final

from astra_mirror.api.app_backup_monitor import AppBackupMonitorSpec, AppBackupMonitorStatus
from astra_mirror.core.diff import stamped
from astra_mirror.core.monitor.status import next_status
from astra_mirror.core.outcome import Failed, NotFound, Outcome, SyncReason
from tests.core.cases import ACCOUNT, APP, NOW
from tests.core.monitor.lists import DAILY, after, backup, event, read

_FAILED: Final = Failed(SyncReason.SERVER_ERROR, "an error", code=503)
_REFUSED: Final = Failed(SyncReason.UNAUTHORIZED, "no", code=401)
_GOOD, _OLD = read(backup(1)), read(backup(1, hours=30))
_FIRST: Final = read(backup(1, "running", hours=0.1))
_ASKING: Final[dict[str, Any]] = {"objectives": [DAILY]}

KSTATUS: Final = {
    "untouched": "InProgress",
    "nothing-yet": "InProgress",
    "listed": "Current",
    "met": "Current",
    "missed": "Failed",
    "first": "InProgress",
    "no-app": "Failed",
    "failing-met": "Current",
    "stale": "InProgress",
    "stale-refused": "Failed",
    "never-failing": "InProgress",
    "never-refused": "Failed",
    "suspended-met": "Current",
    "suspended-missed": "InProgress",
}
"""What the status means to kstatus. A suspended monitor is never Failed: nobody has to do anything about it."""


def _object(name: str, spec: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "astra-mirror.io/v1",
        "kind": "AppBackupMonitor",
        "metadata": {"name": f"row-{name}", "namespace": "rows", "generation": 1},
        "spec": {"accountID": ACCOUNT, "appID": APP, "secretRef": {"name": "astra-control"}, **spec},
        "status": status,
    }


def _row(name: str, spec: dict[str, Any], outcomes: Sequence[Outcome | None], **fields: Any) -> dict[str, Any]:
    model = AppBackupMonitorSpec.model_validate({"accountID": ACCOUNT, "appID": APP, **spec})
    status: AppBackupMonitorStatus = after(outcomes, model, **fields)
    plain = status.model_dump(by_alias=True, exclude_none=True, mode="json")
    return _object(name, spec, stamped(plain, {}, NOW))


def monitors() -> dict[str, dict[str, Any]]:
    """The objects, by the names in `KSTATUS`."""
    suspended = {**_ASKING, "suspend": True}
    return {
        "untouched": _object("untouched", {}, {"observedGeneration": -1}),
        "nothing-yet": _row("nothing-yet", _ASKING, [None]),
        "listed": _row("listed", {}, [_GOOD]),
        "met": _row("met", _ASKING, [_GOOD]),
        "missed": _row("missed", _ASKING, [_OLD]),
        "first": _row("first", _ASKING, [_FIRST]),
        "no-app": _row("no-app", _ASKING, [_GOOD, NotFound("no such app")]),
        "failing-met": _row("failing-met", _ASKING, [_GOOD, _REFUSED]),
        "stale": _row("stale", _ASKING, [_GOOD, _FAILED], stale_since=NOW),
        "stale-refused": _row("stale-refused", _ASKING, [_GOOD, _REFUSED], stale_since=NOW),
        "never-failing": _row("never-failing", _ASKING, [_FAILED]),
        "never-refused": _row("never-refused", _ASKING, [_REFUSED]),
        "suspended-met": _suspended("suspended-met", suspended, _GOOD),
        "suspended-missed": _suspended("suspended-missed", suspended, _OLD),
    }


def _suspended(name: str, spec: dict[str, Any], read_before: Outcome) -> dict[str, Any]:
    before = AppBackupMonitorSpec.model_validate({"accountID": ACCOUNT, "appID": APP, **_ASKING})
    of = AppBackupMonitorSpec.model_validate({"accountID": ACCOUNT, "appID": APP, **spec})
    status = next_status(after([read_before], before), event(None, of))
    plain = status.model_dump(by_alias=True, exclude_none=True, mode="json")
    return _object(name, spec, stamped(plain, {}, NOW))
