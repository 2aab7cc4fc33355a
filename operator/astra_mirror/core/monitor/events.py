"""The Events of a monitor: transitions, and nothing for what is well at first sight.

Those about polling and about observations that grow stale are the same as a ref's, and are made by the same rules.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from astra_mirror.api.app_backup_monitor import AppBackupMonitorStatus
from astra_mirror.api.app_backup_ref import AppBackupRefStatus
from astra_mirror.core import events
from astra_mirror.core.events import MAX_NOTE, Around, Note
from astra_mirror.core.messages import message_of
from astra_mirror.core.monitor.conditions import APP_NOT_FOUND, FIRST, LISTED, MET, MISSED
from astra_mirror.support.text import cut

_NOT_MET: Final = frozenset({MISSED, FIRST, APP_NOT_FOUND})
_JUDGED: Final = _NOT_MET | {MET, LISTED}
_REFUSALS: Final = frozenset({"RefsForbidden", "RefsRefused"})


def notes_of(
    before: AppBackupMonitorStatus, after: AppBackupMonitorStatus, around: Around, judged: str | None
) -> list[Note]:
    """The Events to record when a monitor's status changes from `before` to `after`.

    Args:
        before: the status so far.
        after: the next one.
        around: the context.
        judged: what was known of the backups last, see `judged_by`.
    """
    found = (*_of_ready(before, after, judged), *_of_refs(before, after))
    own = [replace(each, text=cut(message_of(each.text, around.shown), MAX_NOTE)) for each in found]
    # Of a ref's status these rules read the conditions Ready and Synced, which a monitor has as well.
    common = events.notes_of(_conditions(before), _conditions(after), around)
    return [*own, *common]


def _conditions(status: AppBackupMonitorStatus) -> AppBackupRefStatus:
    return AppBackupRefStatus(conditions=status.conditions)


def judged_by(status: AppBackupMonitorStatus, before: str | None) -> str | None:
    """The reason of Ready that says what is known of the backups; `before` where nothing is known now."""
    ready = status.condition("Ready")
    return ready.reason if ready is not None and ready.reason in _JUDGED else before


def _of_ready(before: AppBackupMonitorStatus, after: AppBackupMonitorStatus, judged: str | None) -> Iterator[Note]:
    old, new = before.condition("Ready"), after.condition("Ready")
    if new is None or new.reason == judged or (old is not None and old.reason == new.reason):
        return
    if new.reason in {MISSED, APP_NOT_FOUND}:
        yield Note("Warning", new.reason, new.message)
    elif new.reason == MET and judged in _NOT_MET:
        yield Note("Normal", new.reason, new.message)


def _of_refs(before: AppBackupMonitorStatus, after: AppBackupMonitorStatus) -> Iterator[Note]:
    old, new = before.condition("RefsCurrent"), after.condition("RefsCurrent")
    if new is not None and new.reason in _REFUSALS and (old is None or old.reason != new.reason):
        yield Note("Warning", new.reason, new.message)
