"""Astra Control, with the last list of each app in mind: one that has not changed is judged again without being parsed.

A list is kept as long as a monitor remembers it, and no longer, and only if there is memory for it.
"""

from dataclasses import replace
from typing import Final
from weakref import WeakValueDictionary, finalize

from astra_mirror.core.connection import Connection
from astra_mirror.core.monitor.kept import KeptLists
from astra_mirror.core.monitor.listing import ListRead, NotKept, WholeList, nanoseconds_of
from astra_mirror.core.monitor.selection import COMPLETED
from astra_mirror.core.outcome import WHOLE, Answer, Failed, Known, Listed, Observed, SyncReason, Unchanged
from astra_mirror.core.request_plan import Collection, Document
from astra_mirror.engine.ports import Clocks, Remote

App = tuple[Connection, Collection]

_NO_ROOM: Final = NotKept(
    SyncReason.UNEXPECTED_RESPONSE,
    "There is no memory left to keep the list of the app's backups: those of this namespace take all of its part.",
    code=200,
)


class ListKeeper:
    """A remote that delivers an unchanged list as it was, with the time at which it was asked for.

    Args:
        remote: Astra Control.
        clocks: the clocks.
        time_out: the time limit for one request, in seconds.
    """

    def __init__(self, remote: Remote, clocks: Clocks, time_out: float) -> None:
        self._remote = remote
        self._clocks = clocks
        self._time_out = time_out
        self._lists: WeakValueDictionary[App, WholeList] = WeakValueDictionary()
        self._kept = KeptLists()
        self._requested: dict[App, float] = {}
        self._completed: dict[App, set[str]] = {}

    async def get_backup(
        self, connection: Connection, document: Document, known: int | None, *, namespace: str
    ) -> Answer:
        """Read one backup, and note if the last list of its app does not know yet that it is complete."""
        answer = await self._remote.get_backup(connection, document, known, namespace=namespace)
        if isinstance(answer, Observed) and answer.backup.state == COMPLETED:
            app = connection, Collection(document.account_id, document.app_id)
            whole = self._lists.get(app)
            if whole is not None and not _is_completed(whole, document.backup_id):
                self.note_completed(app, {document.backup_id})
        return answer

    async def list_backups(
        self, connection: Connection, collection: Collection, known: Known, *, namespace: str
    ) -> Listed | Failed:
        """Read a list of backups."""
        # What has not changed is what was known when the request was sent, though a later one may have ended since.
        app, at = (connection, collection), self._clocks.monotonic()
        self._requested[app] = at
        try:
            return await self._list(app, known, namespace)
        finally:
            # Another one may have been sent since.
            if self._requested.get(app) == at:
                del self._requested[app]

    async def _list(self, app: App, known: Known, namespace: str) -> Listed | Failed:
        connection, collection = app
        sent, before = nanoseconds_of(self._clocks.utcnow()), self._lists.get(app)
        may_be_before = before is not None and known.list_digest == before.digest
        if not may_be_before and WHOLE in known.documents:
            # What is kept is not the list with that digest, which refs may know alone: it has to be parsed again.
            known, may_be_before = Known({**known.documents, WHOLE: None}), True
        listed = await self._remote.list_backups(connection, collection, known, namespace=namespace)
        if isinstance(listed, Failed):
            return listed
        found = listed.said_of(WHOLE)
        if isinstance(found, Unchanged):
            # Where no monitor reads it, it may be another one that has not changed.
            found = before if may_be_before else None
        if not isinstance(found, WholeList):
            return listed
        read = self._keep(app, found, before, sent, namespace)
        return replace(listed, found={**listed.found, WHOLE: read})

    def _keep(self, app: App, whole: WholeList, before: WholeList | None, sent: int, namespace: str) -> Answer:
        """What monitors are given: the list, or the reason why it is not kept."""
        if not self._kept.has_room(namespace, whole.size, {id(before), id(whole)}):
            self._lists.pop(app, None)
            return _NO_ROOM
        if whole is not before:
            self._kept.add(id(whole), namespace, whole.size)
            finalize(whole, self._kept.remove, id(whole)).atexit = False
        self._lists[app] = whole
        return ListRead(whole, sent, digest=whole.digest)

    def ends(self, app: App, since: float) -> float | None:
        """When the time of a request for a list ends that was sent since then; None if none waits for its answer."""
        at = self._requested.get(app)
        return None if at is None or at < since else at + self._time_out

    def note_completed(self, app: App, backup_ids: set[str]) -> None:
        """Note that these backups are complete, which the last list of their app has not shown."""
        self._completed.setdefault(app, set()).update(backup_ids)

    def take_completed(self) -> dict[App, set[str]]:
        """What was noted, as far as no list has shown it since."""
        noted, self._completed = self._completed, {}
        found = {app: {each for each in ids if not self._is_shown(app, each)} for app, ids in noted.items()}
        return {app: ids for app, ids in found.items() if ids}

    def _is_shown(self, app: App, backup_id: str) -> bool:
        whole = self._lists.get(app)
        return whole is None or _is_completed(whole, backup_id)


def _is_completed(whole: WholeList, backup_id: str) -> bool:
    return any(each.id == backup_id and each.state == COMPLETED for each in whole.backups)
