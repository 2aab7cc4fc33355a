"""The Events of a ref, which `kubectl describe` shows beneath the status: transitions, and nothing else.

That a backup is complete when it is first looked at is no transition, and no news; that it has failed or does not exist
is what somebody who has just written the ref wants to read.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

from astra_mirror.api.app_backup_ref import AppBackupRefStatus
from astra_mirror.core.messages import Shown, message_of, shows
from astra_mirror.core.status import is_observed
from astra_mirror.support.text import cut

MAX_NOTE: Final = 1024
EVENT_SECONDS: Final = 60.0
"""In the long run a ref has one Event in so many seconds at most."""
BURST: Final = 10
"""So many may follow each other at once."""

_ENDS: Final = frozenset({"BackupCompleted", "BackupFailed", "BackupRemoved", "BackupNotFound"})
_STALE: Final = "ObservationStale"
_SUSPENDED: Final = "Suspended"
_MAX_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class Note:
    """One Event: its type and reason, and what a person reads."""

    kind: Literal["Normal", "Warning"]
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Around:
    """What else is known of a step from one status to the next.

    `was_grace` and `is_grace` are true for a status whose failure may still end by itself, because the object is young:
    nothing is said of it. `new_secret` is true for the first answer after the Secret has changed. `shown` are the texts
    in the next status that have a correlation ID: with it in an Event, the same Event would be a new one each time.
    """

    was_grace: bool = False
    is_grace: bool = False
    new_secret: bool = False
    shown: tuple[Shown, ...] = ()


_NOTHING_ELSE: Final = Around()


def notes_of(before: AppBackupRefStatus, after: AppBackupRefStatus, around: Around = _NOTHING_ELSE) -> list[Note]:
    """What is worth an Event when a ref's status goes from `before` to `after`."""
    found = (*_of_the_end(before, after), *_of_staleness(before, after), *_of_sync(before, after, around))
    return [replace(each, text=cut(message_of(each.text, around.shown), MAX_NOTE)) for each in found]


def _of_the_end(before: AppBackupRefStatus, after: AppBackupRefStatus) -> Iterator[Note]:
    old, new = before.condition("Finished"), after.condition("Finished")
    if new is None or new.reason not in _ENDS or (old is not None and old.reason == new.reason):
        return
    if new.reason != "BackupCompleted":
        yield Note("Warning", new.reason, new.message)
    elif is_observed(before):
        yield Note("Normal", new.reason, new.message)


def _of_staleness(before: AppBackupRefStatus, after: AppBackupRefStatus) -> Iterator[Note]:
    old, new = before.condition("Ready"), after.condition("Ready")
    if old is None or new is None:
        return
    if new.reason == _STALE and old.reason != _STALE:
        yield Note("Warning", _STALE, new.message)
    if old.reason == _STALE and new.reason != _STALE:
        yield Note("Normal", "ObservationRenewed", f"The status is current again. {new.message}")


def _of_sync(before: AppBackupRefStatus, after: AppBackupRefStatus, around: Around) -> Iterator[Note]:
    was, synced = before.condition("Synced"), after.condition("Synced")
    if synced is None or around.is_grace:
        return
    # A failure without an Event counts as none.
    old = None if was is None or around.was_grace else was
    failed = old is not None and old.status == "False"
    match synced.status:
        case "False":
            is_same = old is not None and failed and old.reason == synced.reason
            message = message_of(synced.message, around.shown)
            is_said = old is not None and (old.message == synced.message or shows(old.message, message))
            if not is_same or (around.new_secret and not is_said):
                yield Note("Warning", "SyncFailed", f"{synced.reason}: {synced.message}")
        case "True" if failed:
            yield Note("Normal", "SyncRecovered", "The status can be refreshed again.")
        case "True" if old is not None and old.reason == _SUSPENDED:
            yield Note("Normal", "Resumed", "Polling goes on, and Astra Control answers.")
        case "Unknown" if old is not None and synced.reason == _SUSPENDED != old.reason:
            yield Note("Normal", _SUSPENDED, synced.message)
        case _:
            return


def event_name(name: str, digest: str) -> str:
    """A valid name for an Event about the object `name`: each of its labels ends in a letter or a digit.

    Args:
        name: the object's own, 253 characters at most.
        digest: what distinguishes this Event from others of the object, in hexadecimal.
    """
    return f"{name[:_MAX_NAME].rstrip('-.')}.{digest}"


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
