"""What happened to a monitor, and what its status says of its target."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from astra_mirror.api.app_backup_monitor import AppBackupMonitorSpec, AppBackupMonitorStatus, MonitorTarget, Refs
from astra_mirror.core.monitor.listing import ListedBackup, ListRead
from astra_mirror.core.monitor.report import RefsReport, not_looked_at
from astra_mirror.core.outcome import Outcome

UNSEEN: Final = AppBackupMonitorStatus()


@dataclass(frozen=True, slots=True)
class MonitorEvent:
    """What happened to a monitor.

    Attributes:
        generation: the object's generation.
        spec: its spec.
        outcome: the outcome of the last poll, or of a round of writes; None before the first poll.
        now: UTC.
        read: the last complete list, the one in `outcome` included; None if there was none since the start.
        ordered: its selected backups in their order.
        refs: the last round of writes, likewise.
        stale_since: if the last list is too old to count, since when no poll has succeeded; else None.
        handled: the value of requestedAt that a poll has handled.
        keeps_message: whether the status keeps its present message for a persisting failure.
        is_young: whether a missing Secret may still be created.
    """

    generation: int
    spec: AppBackupMonitorSpec
    outcome: Outcome | None
    now: datetime
    read: ListRead | None = None
    refs: RefsReport | None = None
    ordered: tuple[ListedBackup, ...] = ()
    stale_since: datetime | None = None
    handled: str | None = None
    keeps_message: bool = False
    is_young: bool = False


def target_of(spec: AppBackupMonitorSpec) -> MonitorTarget:
    """The target of a monitor with this spec."""
    return MonitorTarget(account_id=spec.account_id, app_id=spec.app_id, secret_name=spec.secret_ref.name)


def forget(status: AppBackupMonitorStatus) -> AppBackupMonitorStatus:
    """`status` without anything that was observed, for a monitor that names another target now.

    The refs of the old one are there until the first list of the new one.
    """
    existing = 0 if status.refs is None else status.refs.existing
    pending = not_looked_at(0, existing, status.observed_generation).condition()
    is_shown = status.condition("RefsCurrent") is not None
    return AppBackupMonitorStatus(
        observed_generation=status.observed_generation,
        last_handled_reconcile_at=status.last_handled_reconcile_at,
        refs=None if status.refs is None else Refs(wanted=0, existing=existing),
        conditions=(pending,) if is_shown and pending is not None else None,
    )


def is_observed(status: AppBackupMonitorStatus) -> bool:
    """Whether the remote has ever listed the backups of the target, or denied that there is such an app."""
    return status.target is not None


def is_app_missing(status: AppBackupMonitorStatus) -> bool:
    """Whether the remote said last that there is no such app."""
    return status.target is not None and status.backups is None
