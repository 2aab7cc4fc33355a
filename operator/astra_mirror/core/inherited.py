"""Which parts of an existing status a new process takes over from the process before it.

Until its first poll the process knows nothing else about the backup. A status that no operator can have written is
ignored, and so is one about a target that the spec no longer names.
"""

from collections.abc import Mapping
from typing import Final

from pydantic import ValidationError

from astra_mirror.api.app_backup_ref import AppBackupRefSpec, AppBackupRefStatus, ReadyWhen
from astra_mirror.core.backup import NOT_FOUND, meaning_of
from astra_mirror.core.conditions import NOTHING_YET, STALE, Assessment, assess, missing
from astra_mirror.core.messages import MAX_MESSAGE
from astra_mirror.core.reasons import SyncReason
from astra_mirror.core.status import UNSEEN, forget, is_observed, observed_state, target_of

_ALWAYS: Final = frozenset({"Ready", "Synced", "Succeeded", "Finished"})
_ONE_AT_MOST: Final = frozenset({"Reconciling", "Stalled"})
_FAILURES: Final = frozenset(SyncReason) - {SyncReason.OBSERVED}


def own(status: object) -> AppBackupRefStatus:
    """`status`, a JSON value, as a model; an empty status where no operator can have written it."""
    if not isinstance(status, Mapping) or "conditions" not in status:
        return UNSEEN
    try:
        held = AppBackupRefStatus.model_validate(status)
    except ValidationError:
        return UNSEEN
    return held if _is_plausible(held) else UNSEEN


def inherited(held: AppBackupRefStatus, spec: AppBackupRefSpec, generation: int) -> AppBackupRefStatus:
    """The part of `held` that is about the target that the spec names now.

    Args:
        held: the status that the API server holds, as `own` gives it.
        spec: the object's present spec.
        generation: the object's present generation.
    """
    if held.target is not None:
        return held if held.target == target_of(spec) else forget(held)
    # Without a target nothing was observed, or an older release wrote the status: an edit may have changed the target.
    if held.observed_generation != generation:
        return forget(held)
    # An observation that is taken over has a target from now on, whatever wrote it.
    return held.model_copy(update={"target": target_of(spec)}) if is_observed(held) else held


def _is_plausible(held: AppBackupRefStatus) -> bool:
    kinds = [each.type for each in held.conditions or ()]
    extra = set(kinds) - _ALWAYS
    if not set(kinds) >= _ALWAYS or len(set(kinds)) != len(kinds) or not extra <= _ONE_AT_MOST or len(extra) > 1:
        return False
    if not all(each.last_transition_time for each in held.conditions or ()):
        return False
    return _finished_says(held) and _ready_says(held) and (held.target is None or is_observed(held))


def _ready_says(held: AppBackupRefStatus) -> bool:
    """Whether Ready is what an operator makes of the observation, for any readyWhen: a suspended ref keeps it."""
    ready = held.condition("Ready")
    if ready is None or not 0 < len(ready.message) <= MAX_MESSAGE:
        return False
    if is_observed(held) and (ready.status, ready.reason) == STALE:
        return True
    if not is_observed(held):
        is_failure = ready.status == "False" and ready.reason in _FAILURES
        return is_failure or (ready.status, ready.reason) == (NOTHING_YET.ready, NOTHING_YET.reason)
    return any((each.ready, each.reason) == (ready.status, ready.reason) for each in _assessments(held))


def _assessments(held: AppBackupRefStatus) -> tuple[Assessment, ...]:
    if held.state is None:
        return (missing(NOT_FOUND.text),)
    observed = observed_state(held, held.state)
    return tuple(assess(observed, each) for each in ReadyWhen)


def _finished_says(held: AppBackupRefStatus) -> bool:
    """Whether Succeeded and Finished agree with the state: an operator always sets both by the last observation."""
    succeeded, finished = held.condition("Succeeded"), held.condition("Finished")
    if succeeded is None or finished is None or succeeded.reason != finished.reason:
        return False
    shown = (succeeded.status, finished.status)
    if held.state is not None:
        meaning = meaning_of(held.state)
        return (*shown, finished.reason) == (meaning.succeeded, meaning.finished, meaning.reason)
    if finished.reason == NOT_FOUND.reason:
        return shown == (NOT_FOUND.succeeded, NOT_FOUND.finished) and held.progress is None and held.backup is None
    return shown == ("Unknown", "False") and held.progress is None and held.backup is None
