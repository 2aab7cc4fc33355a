"""The Events that tell a ref's story: what `kubectl describe` shows beneath the status. Transitions, and nothing else.

That a backup is complete when it is first looked at is no transition, and no news; that it has failed or does not exist
is what somebody who has just written the ref wants to read.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

from astra_mirror.core.resource import AppBackupRefStatus
from astra_mirror.core.status import is_observed
from astra_mirror.core.text import cut

MAX_NOTE: Final = 1024
EVENT_SECONDS: Final = 60.0
"""In the long run a ref has one Event in so many seconds at most."""
BURST: Final = 10
"""So many may follow each other at once."""

_CORRELATION: Final = re.compile(r" \(correlationID [^()]*\)$")
_ENDS: Final = frozenset({"BackupCompleted", "BackupFailed", "BackupRemoved", "BackupNotFound"})


@dataclass(frozen=True, slots=True)
class Note:
    """One Event: its type and reason, and what a person reads."""

    kind: Literal["Normal", "Warning"]
    reason: str
    text: str


def notes_of(before: AppBackupRefStatus, after: AppBackupRefStatus) -> list[Note]:
    """What is worth an Event when a ref's status goes from `before` to `after`."""
    notes = []
    old, new = before.condition("Finished"), after.condition("Finished")
    if new is not None and new.reason in _ENDS and (old is None or old.reason != new.reason):
        if new.reason != "BackupCompleted":
            notes.append(_note("Warning", new.reason, new.message))
        elif is_observed(before):
            notes.append(_note("Normal", new.reason, new.message))
    was, synced = before.condition("Synced"), after.condition("Synced")
    if synced is not None and synced.status == "False" and (was is None or was.status != "False"):
        notes.append(_note("Warning", "SyncFailed", f"{synced.reason}: {synced.message}"))
    if synced is not None and synced.status == "True" and was is not None and was.status == "False":
        notes.append(_note("Normal", "SyncRecovered", "Astra Control answers again."))
    return notes


def _note(kind: Literal["Normal", "Warning"], reason: str, text: str) -> Note:
    # Each answer has another correlationID, and would make the same event a new one.
    return Note(kind, reason, cut(_CORRELATION.sub("", text), MAX_NOTE))


def admit(busy_until: float, now: float) -> float | None:
    """Whether a ref may have another Event now.

    Args:
        busy_until: what this function returned for the ref's last Event; 0 before the first.
        now: monotonic seconds.

    Returns:
        The next `busy_until`; None when the ref has had its share.
    """
    busy_until = max(busy_until, now) + EVENT_SECONDS
    return busy_until if busy_until - now <= BURST * EVENT_SECONDS else None
