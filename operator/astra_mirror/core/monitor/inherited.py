"""Which parts of an existing status a new process takes over from the process before it.

A status that no operator can have written is ignored, and so is one about a target that the spec no longer names.
"""

from collections.abc import Mapping
from typing import Final

from pydantic import ValidationError

from astra_mirror.api.app_backup_monitor import AppBackupMonitorSpec, AppBackupMonitorStatus
from astra_mirror.core.monitor.event import UNSEEN, forget, target_of

_ALWAYS: Final = frozenset({"Ready", "Synced"})
_OFTEN: Final = frozenset({"ObjectivesMet", "RefsCurrent"})
_ONE_AT_MOST: Final = frozenset({"Reconciling", "Stalled"})


def own(status: object) -> AppBackupMonitorStatus:
    """`status`, a JSON value, as a model; an empty status where no operator can have written it."""
    if not isinstance(status, Mapping) or "conditions" not in status:
        return UNSEEN
    try:
        held = AppBackupMonitorStatus.model_validate(status)
    except ValidationError:
        return UNSEEN
    return held if _is_plausible(held) else UNSEEN


def inherited(held: AppBackupMonitorStatus, spec: AppBackupMonitorSpec) -> AppBackupMonitorStatus:
    """The part of `held` that is about the target that the spec names now.

    Args:
        held: the status that the API server holds, as `own` gives it.
        spec: the object's present spec.
    """
    return held if held.target is None or held.target == target_of(spec) else forget(held)


def _is_plausible(held: AppBackupMonitorStatus) -> bool:
    kinds = [each.type for each in held.conditions or ()]
    extra = set(kinds) - _ALWAYS - _OFTEN
    if not set(kinds) >= _ALWAYS or len(set(kinds)) != len(kinds) or not extra <= _ONE_AT_MOST or len(extra) > 1:
        return False
    if not all(each.last_transition_time for each in held.conditions or ()):
        return False
    is_about_a_list = held.backups is not None
    shows_one = any(each is not None for each in (held.newest, held.newest_completed, held.deadline))
    if held.target is None:
        return not is_about_a_list and not shows_one and not held.objectives
    return is_about_a_list or not shows_one
