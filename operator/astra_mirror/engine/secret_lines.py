"""What has happened to Secrets, as log lines, with how many objects use them."""

from collections.abc import Container, Iterator

from astra_mirror.core.connection import Connection
from astra_mirror.core.journal.secrets import Secret, SecretJournal
from astra_mirror.core.journal.texts import secret_line
from astra_mirror.core.outcome import Failed
from astra_mirror.engine.effects import Log, Wake
from astra_mirror.engine.journal import Journal
from astra_mirror.engine.ports import Connections
from astra_mirror.engine.users import UserCounts


class SecretLines:
    """Finds what has to be said of Secrets. Times are monotonic seconds.

    Args:
        connections: the connections that Secrets describe.
        users: which objects use a Secret.
        journal: what is said of connections.
    """

    def __init__(self, connections: Connections, users: UserCounts, journal: Journal) -> None:
        self._connections = connections
        self._users = users
        self._of_connections = journal
        self._journal = SecretJournal()
        self._described: dict[Secret, Connection] = {}

    def look(self, secret: Secret, now: float) -> Iterator[Log | Wake]:
        """What a Secret describes may have changed, or it is time to say that it is missing."""
        users = self._users.of_secret(*secret)
        if not users:
            return
        result = self._connections.connection(*secret)
        self._note(secret, result, now)
        due_at = self._journal.due_at(secret, result, now)
        if due_at is not None and due_at > now:
            yield Wake(secret, due_at)
        elif due_at is not None:
            self._journal.said(secret, result)
            yield Log(secret_line(*secret, users, result if isinstance(result, Failed) else None))

    def _note(self, secret: Secret, result: Connection | Failed | None, now: float) -> None:
        """Note the connection that a Secret describes; one that had lost its last user begins anew."""
        before = self._described.pop(secret, None)
        if not isinstance(result, Connection):
            return
        self._described[secret] = result
        if before != result and not self._users.is_described_by_others(result, secret, now):
            self._of_connections.forget(result)

    def retain(self, used: Container[Secret]) -> None:
        """Forget all but these."""
        self._journal.retain(used)
        self._described = {secret: each for secret, each in self._described.items() if secret in used}
