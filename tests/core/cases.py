"""The rows of the conditions table, as events: shared by the golden files and the property tests."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from astra_mirror.api.app_backup_ref import AppBackupRefSpec, AppBackupRefStatus, Detail, ReadyWhen
from astra_mirror.core.backup import Backup
from astra_mirror.core.diff import stamped
from astra_mirror.core.outcome import Failed, NotFound, Observed, Outcome, SyncReason
from astra_mirror.core.status import UNSEEN, Event, next_status

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
ACCOUNT, APP, BACKUP = (f"{digit * 8}-0000-4000-8000-000000000000" for digit in "123")


def spec(**fields: Any) -> AppBackupRefSpec:
    """A valid spec."""
    return AppBackupRefSpec(accountID=ACCOUNT, appID=APP, backupID=BACKUP, **fields)


def backup(state: str, **fields: Any) -> Observed:
    """An observation of a backup in that state."""
    return Observed(Backup(BACKUP, state, **fields))


def failed(reason: SyncReason) -> Failed:
    """A failure as the client words it."""
    return Failed(reason, f"It went wrong: {reason}.", correlation_id="c-1")


def as_json(status: AppBackupRefStatus) -> dict[str, Any]:
    """A status as the JSON value that the engine keeps."""
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)


def after(
    outcomes: Sequence[Outcome | None], *, of: AppBackupRefSpec | None = None, stale: bool = False, generation: int = 1
) -> dict[str, Any]:
    """The status after these outcomes, a minute apart; `stale` says that the last one came too late."""
    held = UNSEEN
    cluster: dict[str, Any] = {}
    for number, outcome in enumerate(outcomes):
        now = NOW + timedelta(minutes=number)
        last = number == len(outcomes) - 1
        event = Event(
            generation=generation,
            # A suspension comes last: nothing is observed after it.
            spec=(of or spec()) if last else (of or spec()).model_copy(update={"suspend": False}),
            outcome=outcome,
            now=now,
            at=60.0 * number,
            stale_since=NOW if stale and last else None,
        )
        held = next_status(held, event)
        cluster = stamped(as_json(held), cluster, now)
    return cluster


_HOOKS = (Detail(type="urn:hook", title="Execution hook failed", detail="thaw-db ended with exit code 1"),)
HOOKS_FAILED = backup("completed", hook_state="failed", hook_state_details=_HOOKS, percent_done=100.0)
RUNNING = backup("running", percent_done=41.9, bytes_done=1_288_490_188, total_bytes=3_113_851_289)
MISSING = NotFound("Astra Control has no such backup (404): Collection not found.", "c-1")
COMPLETED = backup("completed", percent_done=100.0, bytes_done=3_113_851_289, total_bytes=3_113_851_289)

ROWS: dict[str, dict[str, Any]] = {
    "nothing-yet": after([None]),
    "pending": after([backup("pending", state_unready=("waiting for a free slot",))]),
    "discovering": after([backup("discovering")]),
    "running": after([RUNNING]),
    "completed": after([COMPLETED]),
    "completed-hooks-failed": after([HOOKS_FAILED]),
    "completed-hooks-failed-wanted": after([HOOKS_FAILED], of=spec(readyWhen=ReadyWhen.COMPLETED_AND_HOOKS_SUCCEEDED)),
    "completed-no-hooks-wanted": after([COMPLETED], of=spec(readyWhen=ReadyWhen.COMPLETED_AND_HOOKS_SUCCEEDED)),
    "failed": after([backup("failed", state_unready=("the bucket is full",))]),
    "removed": after([backup("removed", state_unready=("the bucket was detached",))]),
    "deleting": after([backup("deleting")]),
    "unknown": after([backup("unknown")]),
    "unrecognized": after([backup("ready")]),
    "not-found": after([RUNNING, MISSING]),
    "not-found-observed-wanted": after([MISSING], of=spec(readyWhen=ReadyWhen.OBSERVED)),
    "observed-wanted": after([RUNNING], of=spec(readyWhen=ReadyWhen.OBSERVED)),
    "suspended": after([RUNNING, None], of=spec(suspend=True)),
    "suspended-at-once": after([None], of=spec(suspend=True)),
    "failing-running": after([RUNNING, failed(SyncReason.SERVER_ERROR)]),
    "failing-completed": after([COMPLETED, failed(SyncReason.UNAUTHORIZED)]),
    "failing-not-found": after([MISSING, failed(SyncReason.UNREACHABLE)]),
    "stale-needs-person": after([COMPLETED, failed(SyncReason.UNAUTHORIZED)], stale=True),
    "stale-waits": after([RUNNING, failed(SyncReason.UNREACHABLE)], stale=True),
    **{f"never-{reason}": after([failed(reason)]) for reason in SyncReason if reason is not SyncReason.OBSERVED},
}


def observed_before(status: dict[str, Any]) -> AppBackupRefStatus:
    """A status as it is read back from the cluster."""
    return AppBackupRefStatus.model_validate(status)
