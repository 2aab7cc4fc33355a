"""Reads every backup of an app's list for monitors, while the same pass finds those that refs have asked for.

A list is as it is for all of them or for none: one that is not complete says nothing about what it lacks.
"""

import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError

from astra_mirror.api.app_backup_monitor import schedule_of
from astra_mirror.astra.listing import Body, ListReader
from astra_mirror.astra.wire import BackupDocument, Redact, number_of
from astra_mirror.core.backup import DOCUMENTED_STATES
from astra_mirror.core.body import MIB
from astra_mirror.core.monitor.kept import LIST_BYTES, size_of
from astra_mirror.core.monitor.listing import ListedBackup, NotKept, WholeList, read_time
from astra_mirror.core.outcome import WHOLE, Answer, Failed, Known, SyncReason
from astra_mirror.support.text import cut

_MAX_LENGTH: Final = 1024
_MAX_STATE_LENGTH: Final = 256


class WholeListReader(ListReader):
    """Iterates over the items as any reader does, and keeps what monitors need of each, if there are any.

    Args:
        body: the list.
        known: what is known of the list, which includes the whole if a monitor reads it.
        redact: removes the token from a text.
    """

    def __init__(self, body: Body, known: Known, redact: Redact) -> None:
        super().__init__(body)
        self._is_asked_for = WHOLE in known.documents
        self._redact = redact
        self._backups: dict[str, tuple[int | None, ListedBackup]] = {}
        self._number = self._unusable = self._size = 0
        self._has_array = False

    def __iter__(self) -> Iterator[tuple[Any, str] | None]:
        """Iterate over the body, which is possible once."""
        for each in super().__iter__():
            if self._is_asked_for and each is not None:
                self._add(each[0])
            yield each

    def _add(self, item: object) -> None:
        self._number += 1
        self._has_array |= isinstance(item, list)
        if self._size > LIST_BYTES:
            return
        try:
            document = BackupDocument.model_validate(item)
        except ValidationError:
            self._unusable += 1
            return
        raw: Mapping[str, Any] = item if isinstance(item, dict) else {}
        metadata = raw.get("metadata")
        times: Mapping[str, Any] = metadata if isinstance(metadata, dict) else {}
        modified = read_time(times.get("modificationTimestamp"))
        backup = self._backup(document, raw.get("backupCreationTimestamp"), times.get("creationTimestamp"))
        known = self._backups.get(backup.id)
        if known is None or known[0] is None or modified is None or known[0] <= modified:
            self._backups[backup.id] = modified, backup
            self._size += size_of(backup)

    def _backup(self, document: BackupDocument, taken: object, created: object) -> ListedBackup:
        redact, time = self._redact, read_time(taken)
        state = document.state
        return ListedBackup(
            id=cut(redact(document.id.lower()), _MAX_LENGTH),
            name=None if document.name is None else cut(redact(document.name), _MAX_LENGTH),
            # Few states and schedules occur many times.
            state=sys.intern(state if state in DOCUMENTED_STATES else cut(redact(state), _MAX_STATE_LENGTH)),
            schedule_id=sys.intern(cut(redact(schedule_of(document.schedule_id)), _MAX_LENGTH)),
            time=read_time(created) if time is None else time,
            total_bytes=document.total_bytes,
            hook_state=None
            if document.hook_state is None
            else sys.intern(cut(redact(document.hook_state), _MAX_LENGTH)),
        )

    def as_a_whole(self, digest: int) -> dict[str, Answer]:
        """The list, or why it says nothing, as the answer for the whole. `digest` is that of the body."""
        if not self._is_asked_for:
            return {}
        metadata: Mapping[str, Any] = self.metadata if isinstance(self.metadata, dict) else {}
        count = number_of(metadata.get("count"))
        is_short = count is not None and count > self._number
        if metadata.get("continue") or is_short or self._has_array:
            return {WHOLE: _incomplete(self._why(metadata, is_short=is_short))}
        if self._size > LIST_BYTES:
            text = f"The list of the app's backups takes more than {LIST_BYTES // MIB} MiB of memory, and is not kept."
            return {WHOLE: NotKept(SyncReason.UNEXPECTED_RESPONSE, text, code=200)}
        # In the order in which they are needed: to sort them again each time costs little then.
        backups = tuple(sorted((backup for _, backup in self._backups.values()), key=_rank))
        return {WHOLE: WholeList(len(backups) + self._unusable, backups, self._size, digest=digest)}

    def _why(self, metadata: Mapping[str, Any], *, is_short: bool) -> str:
        if metadata.get("continue"):
            return "it says that there is more"
        return "it counts more backups than it has" if is_short else "it has items that are no objects"


def _rank(backup: ListedBackup) -> tuple[bool, int, str]:
    return (backup.time is None, 0 if backup.time is None else -backup.time, backup.id)


def _incomplete(why: str) -> Failed:
    text = f"Astra Control's list of the app's backups is not complete: {why}. The last complete one counts."
    return Failed(SyncReason.LIST_INCOMPLETE, text, code=200)
