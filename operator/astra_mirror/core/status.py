"""The next status of a ref, as a function of the one it has and of what happened, and the patch that leads there.

The status is also the operator's memory: what was observed is read back from it, after a restart as well.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from astra_mirror.core.backup import NOT_FOUND, Backup
from astra_mirror.core.conditions import (
    NOT_ASKED_YET,
    NOTHING_YET,
    REFRESHED,
    SUSPENDED,
    Picture,
    Sync,
    Verdict,
    conditions_of,
    failed_sync,
    judge,
    missing,
)
from astra_mirror.core.duration import format_duration
from astra_mirror.core.outcome import Failed, NotFound, Observed, Outcome
from astra_mirror.core.progress import Sample, progress_of, timestamp
from astra_mirror.core.resource import AppBackupRefSpec, AppBackupRefStatus

_CORRELATION = re.compile(r" \(correlationID [^()]*\)$")
UNSEEN: Final = AppBackupRefStatus()


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to a ref.

    `outcome` is how the last poll ended, None before the first one; `sample` the baseline for the rate, `at` the
    monotonic time of the observation; `stale_after` the seconds without success after which nothing observed counts,
    None while it counts; `handled` the requestedAt value that a poll has answered.
    """

    generation: int
    spec: AppBackupRefSpec
    outcome: Outcome | None
    now: datetime
    at: float = 0.0
    sample: Sample | None = None
    stale_after: float | None = None
    handled: str | None = None


def forget(status: AppBackupRefStatus) -> AppBackupRefStatus:
    """`status` without anything that was observed: for a ref that names another target now."""
    return AppBackupRefStatus(
        observed_generation=status.observed_generation, last_handled_reconcile_at=status.last_handled_reconcile_at
    )


def is_observed(status: AppBackupRefStatus) -> bool:
    """Whether the remote has ever answered for this status's target."""
    return status.state is not None or _is_not_found(status)


def _is_not_found(status: AppBackupRefStatus) -> bool:
    # Ready may say ObservationStale; Finished keeps what was observed.
    finished = status.condition("Finished")
    return finished is not None and finished.reason == NOT_FOUND.reason


def next_status(held: AppBackupRefStatus, event: Event) -> AppBackupRefStatus:
    """The status after `event`, without transition times.

    Args:
        held: the status so far, of the same target (`forget` it first when the target changed).
        event: what happened.
    """
    if event.spec.suspend:
        # What an answer says that was under way when polling was suspended comes too late.
        event = replace(event, outcome=None)
    observed = _observed(held, event)
    verdict = _verdict(observed, held, event)
    sync = _sync(event)
    conditions = conditions_of(
        verdict,
        sync,
        ready=held.condition("Ready") if sync is SUSPENDED else None,
        stale=_stale(observed, event),
    )
    return observed.model_copy(
        update={
            "observed_generation": event.generation,
            "last_handled_reconcile_at": event.handled or held.last_handled_reconcile_at,
            "conditions": tuple(
                each.model_copy(update={"observed_generation": event.generation}) for each in conditions
            ),
        }
    )


def _observed(held: AppBackupRefStatus, event: Event) -> AppBackupRefStatus:
    match event.outcome:
        case Observed(backup):
            return _from_backup(backup, held, event)
        case NotFound():
            return UNSEEN
        case _:
            return held


def _from_backup(backup: Backup, held: AppBackupRefStatus, event: Event) -> AppBackupRefStatus:
    return AppBackupRefStatus(
        state=backup.state,
        state_unready=backup.state_unready,
        state_details=backup.state_details,
        progress=progress_of(backup, held.progress, event.sample, at=event.at, now=event.now),
        hook_state=backup.hook_state,
        hook_state_details=backup.hook_state_details,
        backup=backup.info,
    )


def _verdict(observed: AppBackupRefStatus, held: AppBackupRefStatus, event: Event) -> Verdict:
    if isinstance(event.outcome, NotFound):
        return missing(event.outcome.message)
    if observed.state is not None:
        return judge(
            Picture(
                state=observed.state,
                state_unready=observed.state_unready or (),
                hook_state=observed.hook_state,
                hook_state_details=observed.hook_state_details or (),
                summary=observed.progress.summary if observed.progress else None,
            ),
            event.spec.ready_when,
        )
    finished = held.condition("Finished")
    if finished is not None and _is_not_found(held):
        return missing(finished.message)
    return NOTHING_YET


def _sync(event: Event) -> Sync:
    if event.spec.suspend:
        return SUSPENDED
    match event.outcome:
        case None:
            return NOT_ASKED_YET
        case Failed() as failure:
            return failed_sync(failure)
        case _:
            return REFRESHED


def _stale(observed: AppBackupRefStatus, event: Event) -> str | None:
    if event.stale_after is None or not isinstance(event.outcome, Failed):
        return None
    seen = f"last seen: {observed.state}" if observed.state else "last seen: no such backup"
    return f"No good answer for {format_duration(event.stale_after)} ({seen}). {event.outcome.message}"


def says_the_same(new: Failed, old: Failed) -> bool:
    """Whether two failures differ in their correlationIDs at the most."""
    return new.reason == old.reason and _CORRELATION.sub("", new.message) == _CORRELATION.sub("", old.message)


def stamped(wanted: Mapping[str, Any], cluster: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """`wanted` with transition times: the cluster's where a condition's status is the same there, else `now`.

    Both are statuses as JSON values. A message that differs from the cluster's in its correlationID alone is the
    cluster's: each answer has a new one, and a poll that learns nothing new must write nothing.
    """
    at = timestamp(now)
    # Whoever wrote the cluster's status may have written anything.
    held = cluster.get("conditions")
    conditions = [each for each in held if isinstance(each, Mapping)] if isinstance(held, list) else []
    old = {str(each.get("type")): each for each in conditions}
    return {**wanted, "conditions": [_stamp(each, old.get(each["type"]), at) for each in wanted["conditions"]]}


def _stamp(new: Mapping[str, Any], old: Mapping[str, Any] | None, at: str) -> dict[str, Any]:
    if old is None or old.get("status") != new["status"] or not old.get("lastTransitionTime"):
        return {**new, "lastTransitionTime": at}
    message, before = new["message"], str(old.get("message"))
    same_news = old.get("reason") == new["reason"] and _CORRELATION.sub("", before) == _CORRELATION.sub("", message)
    return {
        **new,
        "lastTransitionTime": old["lastTransitionTime"],
        "message": before if same_news else message,
    }


def merge_patch(current: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The smallest JSON merge patch (RFC 7396) from `current` to `wanted`; empty when they are equal.

    Neither may contain a null.
    """
    patch: dict[str, Any] = {key: None for key in current if key not in wanted}
    for key, value in wanted.items():
        old = current.get(key)
        if old == value and type(old) is type(value):
            continue
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            patch[key] = merge_patch(old, value)
        else:
            patch[key] = value
    return patch
