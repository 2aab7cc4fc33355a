"""What a status counts for that a process finds when it starts: the memory of the one before it, or nothing.

Before the first answer there is nothing else to go by. What cannot have been written by an operator counts as none, and
so does what is about another backup than the one that the spec names now.
"""

from collections.abc import Mapping
from typing import Final

from pydantic import ValidationError

from astra_mirror.core.backup import NOT_FOUND, meaning_of
from astra_mirror.core.resource import AppBackupRefSpec, AppBackupRefStatus
from astra_mirror.core.status import UNSEEN, forget, is_observed, target_of

_ALWAYS: Final = frozenset({"Ready", "Synced", "Succeeded", "Finished"})
_ONE_AT_MOST: Final = frozenset({"Reconciling", "Stalled"})


def own(status: object) -> AppBackupRefStatus:
    """`status`, a JSON value, as an operator has written it; an empty one where none can have done so."""
    if not isinstance(status, Mapping) or "conditions" not in status:
        return UNSEEN
    try:
        held = AppBackupRefStatus.model_validate(status)
    except ValidationError:
        return UNSEEN
    return held if _is_plausible(held) else UNSEEN


def inherited(held: AppBackupRefStatus, spec: AppBackupRefSpec, generation: int) -> AppBackupRefStatus:
    """What `held` says about the target that the spec names now.

    Args:
        held: the status that the API server holds, as `own` gives it.
        spec: the object's spec of now.
        generation: the object's generation of now.
    """
    if held.target is not None:
        return held if held.target == target_of(spec) else forget(held)
    # An older release wrote no target, and while nothing was observed there is none: an edit may have changed it.
    if held.observed_generation != generation:
        return forget(held)
    # What is taken over stands beside its target from now on, whoever wrote it.
    return held.model_copy(update={"target": target_of(spec)}) if is_observed(held) else held


def _is_plausible(held: AppBackupRefStatus) -> bool:
    kinds = [each.type for each in held.conditions or ()]
    extra = set(kinds) - _ALWAYS
    if not set(kinds) >= _ALWAYS or len(set(kinds)) != len(kinds) or not extra <= _ONE_AT_MOST or len(extra) > 1:
        return False
    if not all(each.last_transition_time for each in held.conditions or ()):
        return False
    return _finished_says(held) and (held.target is None or is_observed(held))


def _finished_says(held: AppBackupRefStatus) -> bool:
    """Whether Succeeded and Finished say what the state means: both keep what was last observed, whatever happens."""
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
