"""Lists of backups, monitors, and what happens to them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from astra_mirror.api.app_backup_monitor import AppBackupMonitorSpec, AppBackupMonitorStatus, schedule_of
from astra_mirror.core.monitor.event import UNSEEN, MonitorEvent
from astra_mirror.core.monitor.listing import ListedBackup, ListRead, WholeList, nanoseconds_of
from astra_mirror.core.monitor.report import RefsReport
from astra_mirror.core.monitor.selection import selected
from astra_mirror.core.monitor.status import next_status
from astra_mirror.core.outcome import Outcome
from tests.core.cases import ACCOUNT, APP, NOW

ID = "{:08x}-0000-4000-8000-000000000000"
SCHEDULE = ID.format(0xABC)
DAILY: dict[str, Any] = {"name": "daily", "maxAge": "26h"}
AT = nanoseconds_of(NOW)
HOUR = 3600 * 1_000_000_000


def backup(number: int, state: str = "completed", *, hours: float | None = 1.0, **fields: Any) -> ListedBackup:
    """A backup that was taken that many hours before `NOW`; None: its time is not known."""
    time = None if hours is None else AT - int(hours * HOUR)
    schedule = schedule_of(fields.pop("schedule", None))
    return ListedBackup(ID.format(number), fields.pop("name", f"nightly-{number}"), state, schedule, time, **fields)


def spec(**fields: Any) -> AppBackupMonitorSpec:
    """A valid spec."""
    return AppBackupMonitorSpec.model_validate({"accountID": ACCOUNT, "appID": APP, **fields})


def read(*backups: ListedBackup, hours: float = 0.0, total: int | None = None) -> ListRead:
    """A list that was asked for so many hours after `NOW`."""
    return ListRead(WholeList(len(backups) if total is None else total, backups), AT + int(hours * HOUR))


def event(
    outcome: Outcome | None, of: AppBackupMonitorSpec, *, hours: float = 0.0, generation: int = 1, **fields: Any
) -> MonitorEvent:
    """What happened so many hours after `NOW`."""
    now: datetime = NOW + timedelta(hours=hours)
    known, refs = fields.pop("read", None), fields.pop("refs", None)
    known = outcome if isinstance(outcome, ListRead) else known
    refs = outcome if isinstance(outcome, RefsReport) else refs
    found = () if known is None else selected(known.whole, of.select, known.sent)
    return MonitorEvent(generation, of, outcome, now, known, refs, found, **fields)


def after(
    outcomes: Sequence[Outcome | None], of: AppBackupMonitorSpec, *, hours: Sequence[float] = (), **fields: Any
) -> AppBackupMonitorStatus:
    """The status after these outcomes, each so many hours after `NOW`; what a list said is remembered."""
    held, known = UNSEEN, None
    for number, outcome in enumerate(outcomes):
        known = outcome if isinstance(outcome, ListRead) else known
        is_last = number == len(outcomes) - 1
        at = hours[number] if hours else 0.0
        held = next_status(held, event(outcome, of, hours=at, read=known, **(fields if is_last else {})))
    return held


def shown(status: AppBackupMonitorStatus) -> dict[str, str]:
    """Each condition's status and reason."""
    return {each.type: f"{each.status} {each.reason}" for each in status.conditions or ()}
