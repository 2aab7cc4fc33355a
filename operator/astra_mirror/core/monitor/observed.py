"""What is known of an app's backups after something happened: by the last list, or by what the status says of it.

The list is kept beside the status and is judged again each time. After a start the status is all that is known.
"""

from typing import Any, Final

from astra_mirror.api.app_backup_monitor import AppBackupMonitorStatus, Newest, NewestCompleted
from astra_mirror.core.conditions import SyncResult
from astra_mirror.core.monitor.conditions import (
    APP_NOT_FOUND,
    FIRST,
    Assessment,
    app_not_found,
    assess,
    never_observed,
    stale,
)
from astra_mirror.core.monitor.event import MonitorEvent, is_app_missing, is_observed, target_of
from astra_mirror.core.monitor.listing import ListedBackup, ListRead, nanoseconds_of, time_text
from astra_mirror.core.monitor.objectives import Judged, judged, remembered, unmet, without_list
from astra_mirror.core.monitor.report import NoAnswerInTime
from astra_mirror.core.monitor.selection import counted, is_good, newest
from astra_mirror.core.outcome import Failed, NotFound
from astra_mirror.support.times import timestamp

_NO_APP: Final = "Astra Control has no such app."


def observed_by(held: AppBackupMonitorStatus, event: MonitorEvent) -> AppBackupMonitorStatus:
    """What the status shows of the list: counts and the newest backups; `held` where nothing better is known."""
    if isinstance(event.outcome, NotFound):
        return AppBackupMonitorStatus(target=target_of(event.spec))
    if event.read is None or (is_app_missing(held) and not isinstance(event.outcome, ListRead)):
        return held
    now, read, found = event.read.sent, event.read.whole, event.ordered
    return AppBackupMonitorStatus(
        target=target_of(event.spec),
        backups=counted(read, found),
        newest=_newest(newest(found, now)),
        newest_completed=_newest_completed(next((each for each in found if is_good(each, now)), None)),
    )


def _newest(found: ListedBackup | None) -> Newest | None:
    return None if found is None else Newest(state=found.state, **_shown(found))


def _newest_completed(found: ListedBackup | None) -> NewestCompleted | None:
    if found is None:
        return None
    return NewestCompleted(total_bytes=found.total_bytes, hook_state=found.hook_state, **_shown(found))


def _shown(found: ListedBackup) -> dict[str, Any]:
    time = "" if found.time is None else time_text(found.time)
    return {"id": found.id, "name": found.name, "schedule_id": found.schedule_id or None, "time": time}


def objectives_by(held: AppBackupMonitorStatus, event: MonitorEvent) -> tuple[Judged, ...]:
    """What is known of each objective: by the last list, else by the status; less while the list cannot be read."""
    objectives, outcome = event.spec.objectives or (), event.outcome
    if isinstance(outcome, NotFound) or (is_app_missing(held) and not isinstance(outcome, ListRead)):
        found = unmet(objectives)
    elif event.read is not None:
        found = judged(objectives, event.ordered, event.read.sent)
    else:
        shown = held.objectives if held.observed_generation == event.generation else None
        ready = held.condition("Ready")
        found = remembered(objectives, shown or (), is_first=ready is not None and ready.reason == FIRST)
    if not isinstance(outcome, Failed | NoAnswerInTime):
        return found
    return without_list(found, nanoseconds_of(event.now), is_stale=event.stale_since is not None)


def assessment_by(
    observed: AppBackupMonitorStatus,
    held: AppBackupMonitorStatus,
    event: MonitorEvent,
    found: tuple[Judged, ...],
    sync_result: SyncResult,
) -> Assessment:
    """The assessment of all of it.

    Args:
        observed: what the next status shows of the list.
        held: the status so far.
        event: what happened.
        found: what is known of each objective.
        sync_result: how the last poll ended.
    """
    if not is_observed(observed):
        return never_observed(sync_result)
    if event.stale_since is not None and isinstance(event.outcome, Failed):
        since = timestamp(event.stale_since)
        return stale(f"No good answer since {since}. {event.outcome.text}", sync_result)
    if isinstance(event.outcome, NotFound):
        return app_not_found(event.outcome.text)
    if is_app_missing(observed):
        ready = held.condition("Ready")
        return app_not_found(ready.message if ready is not None and ready.reason == APP_NOT_FOUND else _NO_APP)
    return assess(found, observed.newest_completed, sync_result)
