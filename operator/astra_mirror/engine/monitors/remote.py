"""Astra Control, with the last list of each app in mind: one that has not changed is judged again without being parsed.

A list is kept as long as a monitor remembers it, and no longer.
"""

from dataclasses import replace
from weakref import WeakValueDictionary

from astra_mirror.core.connection import Connection
from astra_mirror.core.monitor.listing import WHOLE, ListRead, WholeList, nanoseconds_of
from astra_mirror.core.monitor.selection import COMPLETED
from astra_mirror.core.outcome import Answer, Failed, Known, Listed, Observed, Unchanged
from astra_mirror.core.request_plan import Collection, Document
from astra_mirror.engine.ports import Clocks, Remote

App = tuple[Connection, Collection]


class ListKeeper:
    """A remote that delivers an unchanged list as it was, with the time at which it was asked for.

    Args:
        remote: Astra Control.
        clocks: the clocks.
    """

    def __init__(self, remote: Remote, clocks: Clocks) -> None:
        self._remote = remote
        self._clocks = clocks
        self._lists: WeakValueDictionary[App, WholeList] = WeakValueDictionary()
        self._completed: dict[App, None] = {}

    async def get_backup(
        self, connection: Connection, document: Document, known: int | None, *, namespace: str
    ) -> Answer:
        """Read one backup, and note if the last list of its app does not know yet that it is complete."""
        answer = await self._remote.get_backup(connection, document, known, namespace=namespace)
        if isinstance(answer, Observed) and answer.backup.state == COMPLETED:
            app = connection, Collection(document.account_id, document.app_id)
            whole = self._lists.get(app)
            if whole is not None and not _is_completed(whole, document.backup_id):
                self._completed[app] = None
        return answer

    async def list_backups(
        self, connection: Connection, collection: Collection, known: Known, *, namespace: str
    ) -> Listed | Failed:
        """Read a list of backups."""
        sent = nanoseconds_of(self._clocks.utcnow())
        listed = await self._remote.list_backups(connection, collection, known, namespace=namespace)
        if isinstance(listed, Failed):
            return listed
        found = listed.found.get(WHOLE)
        whole = self._lists.get((connection, collection)) if isinstance(found, Unchanged) else found
        if not isinstance(whole, WholeList):
            return listed
        self._lists[connection, collection] = whole
        return replace(listed, found={**listed.found, WHOLE: ListRead(whole, sent, digest=whole.digest)})

    def take_completed(self) -> list[App]:
        """The apps of which a single GET has shown that a backup is complete, and the last list has not."""
        apps, self._completed = list(self._completed), {}
        return apps


def _is_completed(whole: WholeList, backup_id: str) -> bool:
    return any(each.id == backup_id and each.state == COMPLETED for each in whole.backups)
