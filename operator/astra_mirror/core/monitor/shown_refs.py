"""What the status of a monitor says of its refs, by the last round of writes, or by what it said before."""

from collections.abc import Mapping
from typing import Any

from astra_mirror.api.app_backup_monitor import AppBackupMonitorStatus, Refs
from astra_mirror.api.meta import Condition
from astra_mirror.core.monitor.event import MonitorEvent
from astra_mirror.core.monitor.report import RefsReport, not_looked_at


def with_refs(
    status: AppBackupMonitorStatus, held: AppBackupMonitorStatus, event: MonitorEvent, *, generation: int
) -> AppBackupMonitorStatus:
    """`status` with what is in every status: the refs, the generation, the handled request.

    Args:
        status: what is known of the backups.
        held: the status so far.
        event: what happened.
        generation: of the spec that the status is about.
    """
    report, before = _refs(status, held, event), held.condition("RefsCurrent")
    condition = report.condition() if report is not None else None
    if report is not None and event.refs is None and before is not None and report.is_shown:
        # After a start nothing better is known of the refs than what the status says, of the spec that it was for.
        condition = before
    names = dict(report.names) if event.refs is not None and report is not None else _names(held)
    return status.model_copy(
        update={
            "observed_generation": generation,
            "newest": _named(status.newest, names),
            "newest_completed": _named(status.newest_completed, names),
            "refs": Refs(wanted=report.wanted, existing=report.existing) if report and event.spec.mirror else None,
            "last_handled_reconcile_at": event.handled or held.last_handled_reconcile_at,
            "conditions": _inserted(status.conditions or (), condition),
        }
    )


def _refs(status: AppBackupMonitorStatus, held: AppBackupMonitorStatus, event: MonitorEvent) -> RefsReport | None:
    if event.refs is not None:
        return event.refs
    mirror = event.spec.mirror
    if mirror is None:
        before = held.condition("RefsCurrent")
        return None if before is None else not_looked_at(0, 0, event.generation)
    if held.refs is not None:
        return not_looked_at(held.refs.wanted, held.refs.existing, event.generation)
    wanted = min(mirror.newest, status.backups.selected) if status.backups else 0
    return not_looked_at(wanted, 0, event.generation)


def _names(held: AppBackupMonitorStatus) -> Mapping[str, str]:
    shown = (held.newest, held.newest_completed)
    return {each.id: each.ref for each in shown if each is not None and each.ref is not None}


def _named(shown: Any, names: Mapping[str, str]) -> Any:  # noqa: ANN401 - either of the two
    return None if shown is None else shown.model_copy(update={"ref": names.get(shown.id)})


def _inserted(conditions: tuple[Condition, ...], refs: Condition | None) -> tuple[Condition, ...]:
    """The conditions with RefsCurrent before those that are present only while true."""
    if refs is None:
        return conditions
    lasting = tuple(each for each in conditions if each.type not in {"Reconciling", "Stalled"})
    return (*lasting, refs, *conditions[len(lasting) :])
