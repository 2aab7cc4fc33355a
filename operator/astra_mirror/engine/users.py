"""Which objects use a connection: how many refs and monitors there are, and in which namespaces."""

from collections.abc import Iterable, Iterator
from typing import Final

from astra_mirror.core.connection import Connection
from astra_mirror.core.journal.line import Users
from astra_mirror.core.request_plan import Collection
from astra_mirror.engine.objects import Objects
from astra_mirror.engine.state.tracked import Tracked

_MAPPED_SECONDS: Final = 1.0
"""For how long it is remembered which Secrets describe which connection: thousands of connections may fail at once."""


class UserCounts:
    """Counts the objects that are polled over a connection.

    Args:
        objects: all objects.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._secrets: dict[Connection, list[tuple[str, str]]] = {}
        self._mapped_at = float("-inf")

    def of(self, connection: Connection, now: float) -> Users:
        """All of them."""
        return _counted(self._all(connection, now))

    def of_scope(self, connection: Connection, account: str, app: str | None) -> Users:
        """Those of an account, or of one of its apps."""
        return _counted(self._of_scope(connection, account, app))

    def of_secret(self, namespace: str, name: str) -> Users:
        """Those that use a Secret, whatever is in it."""
        return _counted(each for each in self._objects.index.of_secret(namespace, name) if each.desire.is_polled)

    def refs_of_list(self, connection: Connection, collection: Collection) -> Users:
        """The refs that a list covers."""
        return _counted(self._objects.alone(self._of_scope(connection, collection.account, collection.app)))

    def has_refs(self, connection: Connection, now: float) -> bool:
        """Whether a ref is among them."""
        return any(not each.spec.reads_list for each in self._all(connection, now))

    def is_described_by_others(self, connection: Connection, secret: tuple[str, str], now: float) -> bool:
        """Whether another Secret in use than this one describes a connection."""
        return any(each != secret for each in self._secrets_of(connection, now))

    def _all(self, connection: Connection, now: float) -> Iterator[Tracked]:
        for namespace, name in self._secrets_of(connection, now):
            yield from (each for each in self._objects.index.of_secret(namespace, name) if each.desire.is_polled)

    def _of_scope(self, connection: Connection, account: str, app: str | None) -> Iterator[Tracked]:
        index = self._objects.index
        found = index.of_account(account) if app is None else index.of_app(account, app)
        return (each for each in found if self._objects.is_current(connection, each))

    def _secrets_of(self, connection: Connection, now: float) -> list[tuple[str, str]]:
        connections, index = self._objects.connections, self._objects.index
        known = [each for each in self._secrets.get(connection, ()) if connections.connection(*each) == connection]
        if known and now - self._mapped_at < _MAPPED_SECONDS:
            return known
        self._secrets, self._mapped_at = {}, now
        for each in index.secrets():
            found = connections.connection(*each)
            if isinstance(found, Connection):
                self._secrets.setdefault(found, []).append(each)
        return self._secrets.get(connection, [])


def _counted(those: Iterable[Tracked]) -> Users:
    refs, monitors, namespaces = 0, 0, set[str]()
    for each in those:
        if each.spec.reads_list:
            monitors += 1
        else:
            refs += 1
        namespaces.add(each.namespace)
    return Users(refs, monitors, frozenset(namespaces))
