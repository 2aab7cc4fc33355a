"""Asks Astra Control for a backup. Whatever comes back, or does not, becomes an outcome: no exception leaves here.

The calls are those of the API reference.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Final, TypeVar

import aiohttp
import httpx

from astra_mirror.api.app_backup_ref import AppBackupRefSpec
from astra_mirror.astra.answers import AnswerError, failure_of, parse_backup, read_list
from astra_mirror.astra.bodies import Bodies, Hold
from astra_mirror.astra.failures import crowded_out, interrupted, late, unreachable
from astra_mirror.astra.listing import Body, ListError
from astra_mirror.astra.names import ASKING_NAMESPACE
from astra_mirror.astra.transport import Clients
from astra_mirror.core.body import Kind
from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Answer, Failed, Known, Listed, Observed, SyncReason, Unchanged
from astra_mirror.core.request_plan import Collection
from astra_mirror.observability.metrics import REMOTE_REQUEST_SECONDS, REMOTE_REQUESTS
from astra_mirror.support.slots import Slots
from astra_mirror.support.time_slices import Turn

_READ_AT_ONCE: Final = 2
"""Lists longer than a window that are read at once: what is decoded of one takes several times its size."""
_LARGE_DOCUMENT: Final = 65_536
"""Bytes of a single backup's document from which on its reading waits for its turn: a mebibyte takes about 10 ms."""
_ERROR_SECONDS: Final = 2.0
"""How long the words of an error are waited for, whose status code is there already."""

Result = TypeVar("Result")
Reader = Callable[[httpx.Response, Body], Awaitable[Result]]


class AstraClient:
    """Reads backups.

    Args:
        clients: where HTTP clients come from.
        request_timeout: seconds that a request may take in all, name resolution and body included.
        bodies: the memory for answers; one of its own when left out.
    """

    def __init__(self, clients: Clients, request_timeout: float, bodies: Bodies | None = None) -> None:
        self._clients = clients
        self._timeout = request_timeout
        self._bodies = bodies or Bodies()
        self._reading = Slots(_READ_AT_ONCE)

    async def get_backup(
        self, connection: Connection, spec: AppBackupRefSpec, known: int | None = None, *, namespace: str = ""
    ) -> Answer:
        """The single GET for the backup that `spec` names: "Retrieve an application backup for an app".

        Args:
            connection: whom to ask.
            spec: what to ask for.
            known: the digest of the document that is known already, if any.
            namespace: whose share of name look-ups, TLS contexts and memory it takes.
        """
        path = f"/accounts/{spec.account_id}/k8s/v1/apps/{spec.app_id}/appBackups/{spec.backup_id}"

        async def answer(response: httpx.Response, windows: Body) -> Answer:
            body = b"".join(windows)
            if len(body) > _LARGE_DOCUMENT:
                await Turn(namespace, is_large=True).may_end()
            if response.status_code != httpx.codes.OK:
                return failure_of(
                    response.status_code, response.headers, connection.redact(body), connection.redact_text
                )
            digest = hash(body)
            if digest == known:
                return Unchanged()
            return Observed(parse_backup(body, spec.backup_id, connection.redact_text), digest)

        return await self._ask(connection, namespace, "backup", path, Kind.SINGLE, answer)

    async def list_backups(
        self, connection: Connection, collection: Collection, known: Known, *, namespace: str = ""
    ) -> Listed | Failed:
        """The list of an app's backups, or of an account's: what it says of those in `known`.

        Args:
            connection: whom to ask.
            collection: which list.
            known: the backups that matter, and what is known of them.
            namespace: whose share it takes, as in `get_backup`.
        """
        if collection.app is None:
            endpoint, path = "account_backups", f"/accounts/{collection.account}/topology/v1/appBackups"
        else:
            endpoint = "app_backups"
            path = f"/accounts/{collection.account}/k8s/v1/apps/{collection.app}/appBackups"

        async def answer(response: httpx.Response, windows: Body) -> Listed | Failed:
            if response.status_code != httpx.codes.OK:
                return _refused_list(connection, response, windows)
            try:
                if len(windows) == 1:
                    return await read_list(windows, known, connection.redact_text, namespace)
                async with self._reading.take(namespace):
                    return await read_list(windows, known, connection.redact_text, namespace)
            except ListError as error:
                raise AnswerError(
                    SyncReason.UNEXPECTED_RESPONSE, f"The answer is not a list of backups: {error}."
                ) from error

        return await self._ask(connection, namespace, endpoint, path, Kind.LIST, answer)

    async def _ask(
        self, connection: Connection, namespace: str, endpoint: str, path: str, kind: Kind, answer: Reader[Result]
    ) -> Result | Failed:
        started = time.monotonic()
        code = "none"
        hold: Hold | None = None
        asking = ASKING_NAMESPACE.set(namespace)
        try:
            # What has been received is held until it has been read, which the remote's time does not include.
            with ExitStack() as room:
                async with asyncio.timeout(self._timeout) as deadline:
                    hold = room.enter_context(self._bodies.hold((namespace, connection), deadline))
                    async with self._clients.use(connection.tls, namespace) as client:
                        response, body = await _fetch(client, connection, path, kind, hold)
                code = str(response.status_code)
                return await answer(response, body)
        except AnswerError as error:
            code_known = hold.status if hold is not None and error.reason.facts.is_answer else None
            return Failed(error.reason, str(error), code=code_known)
        except TimeoutError:
            is_ended = hold is not None and hold.is_ended
            return crowded_out(connection) if is_ended else late(connection, self._timeout)
        except httpx.ReadError:
            return interrupted(connection)
        except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError) as error:
            return unreachable(connection, error)
        finally:
            ASKING_NAMESPACE.reset(asking)
            REMOTE_REQUESTS.labels(endpoint, code).inc()
            REMOTE_REQUEST_SECONDS.labels(endpoint).observe(time.monotonic() - started)


async def _fetch(
    client: httpx.AsyncClient, connection: Connection, path: str, kind: Kind, hold: Hold
) -> tuple[httpx.Response, Body]:
    headers = {"Authorization": f"Bearer {connection.token}"}
    async with client.stream("GET", f"{connection.url}{path}", headers=headers) as response:
        hold.status = response.status_code
        if response.status_code == httpx.codes.OK:
            return response, await hold.receive(response, kind)
        try:
            async with asyncio.timeout(_ERROR_SECONDS):
                return response, await hold.receive(response, Kind.SINGLE)
        except (AnswerError, httpx.HTTPError, aiohttp.ClientError, OSError):
            # An error whose words cannot be read, or do not come, is still what its status code says.
            return response, []


def _refused_list(connection: Connection, response: httpx.Response, windows: Body) -> Failed:
    body = connection.redact(b"".join(windows))
    failure = failure_of(response.status_code, response.headers, body, connection.redact_text)
    if isinstance(failure, Failed):
        return failure
    # That a list is not found says nothing of any backup.
    return Failed(
        SyncReason.UNEXPECTED_RESPONSE,
        failure.message,
        code=response.status_code,
        correlation_id=failure.correlation_id,
    )
