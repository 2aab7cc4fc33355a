"""The table of conditions in docs/reference.md, as a judge of statuses: which conditions may stand beside a state.

It is written from that page and shares nothing with the operator's own code.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

REQUIRES_USER_ACTION: Final = frozenset(
    {
        "Unauthorized", "Forbidden", "InvalidRequest", "TLSVerificationFailed", "SecretNotFound", "SecretInvalid",
        "SecretForbidden", "URLNotAllowed", "InvalidSpec",
    }
)  # fmt: skip
TRANSIENT: Final = frozenset(
    {"ServerError", "RateLimited", "Unreachable", "UnexpectedResponse", "ListIncomplete", "SecretUnreadable"}
)
_ALWAYS: Final = frozenset({"Ready", "Synced", "Succeeded", "Finished"})
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
Status = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One row: Ready's status and reason, Succeeded, Finished, and what else is present (empty for nothing)."""

    ready: str
    reason: str
    succeeded: str
    finished: str
    extra: str


_PROGRESS: Final = Row("False", "BackupInProgress", "Unknown", "False", "Reconciling")
_STATES: Final[Mapping[str, Row]] = {
    "pending": _PROGRESS,
    "discovering": _PROGRESS,
    "running": _PROGRESS,
    "completed": Row("True", "BackupCompleted", "True", "True", ""),
    "failed": Row("False", "BackupFailed", "False", "True", "Stalled"),
    "removed": Row("False", "BackupRemoved", "False", "True", "Stalled"),
    "deleting": Row("False", "BackupDeleting", "False", "True", "Stalled"),
    "unknown": Row("Unknown", "BackupStateUnknown", "Unknown", "False", "Reconciling"),
}
_OTHER: Final = Row("Unknown", "BackupStateUnrecognized", "Unknown", "False", "Reconciling")
NOT_FOUND: Final = Row("False", "BackupNotFound", "False", "True", "Stalled")
NOTHING: Final = Row("Unknown", "NotObserved", "Unknown", "False", "Reconciling")


def row_of(state: str, hook_state: str | None, ready_when: str) -> Row:
    """The row for a state, hooks and readyWhen."""
    row = _STATES.get(state, _OTHER)
    if ready_when == "Observed":
        return Row("True", "BackupObserved", row.succeeded, row.finished, "")
    if state == "completed" and hook_state == "failed":
        is_wanted = ready_when == "CompletedAndHooksSucceeded"
        ready, extra = ("False", "Stalled") if is_wanted else ("True", "")
        return Row(ready, "BackupCompletedHooksFailed", row.succeeded, row.finished, extra)
    return row


def by_type(status: Status) -> dict[str, dict[str, Any]]:
    """The conditions by their types."""
    return {each["type"]: each for each in status.get("conditions", [])}


def row_shown(status: Status) -> Row:
    """The row that a status's conditions make."""
    found = by_type(status)
    extras = " ".join(sorted(found.keys() - _ALWAYS))
    ready = found["Ready"]
    return Row(ready["status"], ready["reason"], found["Succeeded"]["status"], found["Finished"]["status"], extras)


def known_row(status: Status, ready_when: str) -> Row:
    """The row of what a status says was observed."""
    if "state" in status:
        return row_of(status["state"], status.get("hookState"), ready_when)
    return NOT_FOUND if by_type(status)["Finished"]["reason"] == "BackupNotFound" else NOTHING


def malformed(status: Status) -> list[str]:
    """What breaks the form that every status has: types, statuses, times, generations."""
    conditions = status.get("conditions", [])
    types = [each["type"] for each in conditions]
    found = []
    if len(set(types)) != len(types) or not set(types) >= _ALWAYS:
        return [f"the conditions are {types}"]
    extra = set(types) - _ALWAYS
    if len(extra) > 1 or not extra <= {"Reconciling", "Stalled"}:
        found.append(f"beside the four conditions there are {sorted(extra)}")
    for each in conditions:
        where = f"the condition {each['type']}"
        if each["type"] in extra and each["status"] != "True":
            found.append(f"{where} is there and not True")
        if each.get("observedGeneration") != status["observedGeneration"]:
            found.append(f"{where} is of generation {each.get('observedGeneration')}")
        if not _TIME.fullmatch(each["lastTransitionTime"]) or not each["message"] or len(each["message"]) > 1024:
            found.append(f"{where} has a wrong time or message: {each}")
    return found


def contradictions(status: Status, ready_when: str) -> list[str]:
    """Where conditions contradict the state beside them, or each other; for a status that is well formed."""
    found, known, seen = by_type(status), known_row(status, ready_when), row_shown(status)
    allowed = _allowed(found["Synced"]["status"], found["Synced"]["reason"], known)
    if allowed is None:
        return [f"Synced is {found['Synced']['status']} {found['Synced']['reason']}"]
    if seen not in allowed and not (found["Synced"]["reason"] == "Suspended" and _stands(seen, known)):
        return [f"the conditions are {seen} and not one of {sorted(allowed, key=str)}"]
    return []


def changes(before: Status, after: Status, *, has_rivals: bool) -> list[str]:
    """Which conditions are not what they were; the words and times of two operators, `has_rivals`, may be others."""
    parts = ("status", "reason") if has_rivals else ("status", "reason", "message", "lastTransitionTime")
    old, new = by_type(before), by_type(after)
    return [
        f"the condition {kind} was {old.get(kind)} and is {new.get(kind)}"
        for kind in sorted(old.keys() | new.keys())
        if any(old.get(kind, {}).get(each) != new.get(kind, {}).get(each) for each in parts)
    ]


def _stands(seen: Row, known: Row) -> bool:
    """Whether a suspended ref keeps its Ready, with all else as it was observed."""
    return (seen.succeeded, seen.finished, seen.extra) == (known.succeeded, known.finished, "")


def _allowed(status: str, reason: str, known: Row) -> set[Row] | None:
    """The rows that may stand beside a Synced; None where there is no such Synced."""
    match status, reason:
        case "True", "Observed":
            return {known} if known != NOTHING else set()
        case "Unknown", "NotObserved":
            return {known}
        case "Unknown", "Suspended":
            return set()
        case "False", _ if reason in REQUIRES_USER_ACTION | TRANSIENT:
            return {row for extra in activities(reason) for row in _failed(reason, extra, known)}
        case _:
            return None


def activities(reason: str) -> set[str]:
    """What a failure asks for; a Secret that is missing may also be on its way."""
    if reason == "SecretNotFound":
        return {"Stalled", "Reconciling"}
    return {"Stalled"} if reason in REQUIRES_USER_ACTION else {"Reconciling"}


def _failed(reason: str, extra: str, known: Row) -> set[Row]:
    if known == NOTHING:
        return {Row("False", reason, "Unknown", "False", extra)}
    return {known, Row("Unknown", "ObservationStale", known.succeeded, known.finished, extra)}
