"""The Events of a ref, which `kubectl describe` shows beneath the status: transitions, and nothing else.

A backup that is complete when first observed gets no Event, because nothing has changed. One that has failed or does
not exist gets an Event, because whoever has just created the ref needs to know.
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
"""The minimum average interval between the Events of a ref, in seconds."""
BURST: Final = 10
"""The number of Events in a burst."""

_ENDS: Final = frozenset({"BackupCompleted", "BackupFailed", "BackupRemoved", "BackupNotFound"})
_STALE: Final = "ObservationStale"
_SUSPENDED: Final = "Suspended"
_MAX_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class Note:
    """One Event: its type, its reason, and the text that people read."""

    kind: Literal["Normal", "Warning"]
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Around:
    """The context of a change of status.

    Attributes:
        was_grace: whether the failure in the previous status might still end by itself, because the object was young:
            no Event is recorded for it.
        is_grace: the same for the next status.
        new_secret: whether this is the first result after a change of the Secret.
        shown: the texts in the next status that have a correlation ID; Events have them without their correlation IDs,
            so that equal Events form one series.
    """

    was_grace: bool = False
    is_grace: bool = False
    new_secret: bool = False
    shown: tuple[Shown, ...] = ()


_NOTHING_ELSE: Final = Around()


def notes_of(before: AppBackupRefStatus, after: AppBackupRefStatus, around: Around = _NOTHING_ELSE) -> list[Note]:
    """The Events to record when a ref's status changes from `before` to `after`."""
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
        digest: distinguishes this Event from others of the object, in hexadecimal.
    """
    return f"{name[:_MAX_NAME].rstrip('-.')}.{digest}"


def admit(busy_until: float, now: float) -> float | None:
    """Whether a ref may have another Event now.

    Args:
        busy_until: what this function returned for the ref's last Event; 0 before the first.
        now: monotonic seconds.

    Returns:
        The next `busy_until`; None when the ref has exceeded its rate.
    """
    busy_until = max(busy_until, now) + EVENT_SECONDS
    return busy_until if busy_until - now <= BURST * EVENT_SECONDS else None
