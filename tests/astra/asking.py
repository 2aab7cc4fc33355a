"""One request of the client to the simulator, and its outcome."""

from astra_mirror.astra.client import AstraClient
from astra_mirror.astra.transport import ClientPool
from astra_mirror.core.connection import TLS, Connection
from astra_mirror.core.outcome import Answer
from astra_mirror.core.request_plan import Document
from astra_mirror.core.urls import BaseURL
from dev.simulator import Backup, Simulator


def connection_to(astra: Simulator, *, token: str | None = None, tls: TLS | None = None) -> Connection:
    """The connection that a Secret for the simulator describes."""
    return Connection(BaseURL.parse(astra.url), token or astra.token, tls or TLS())


def document_of(backup: Backup) -> Document:
    """A ref to a backup."""
    return Document(backup.account, backup.app, backup.id)


async def ask(clients: ClientPool, astra: Simulator, backup: Backup, *, token: str | None = None) -> Answer:
    """One request for a backup."""
    return await AstraClient(clients, 5.0).get_backup(connection_to(astra, token=token), document_of(backup))
