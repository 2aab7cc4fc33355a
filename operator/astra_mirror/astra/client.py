"""Requests backups and lists of backups from Astra Control.

Every response, and every failure to get one, is returned as an outcome: no exception of aiohttp or the network leaves
this module. Paths and names are those of Astra Control's API reference.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from http import HTTPStatus
from typing import Final, TypeVar

import aiohttp

from astra_mirror.astra.answers import AnswerError, failure_of, parse_backup, read_list
from astra_mirror.astra.bodies import Bodies, NoMemoryError, Reservation
from astra_mirror.astra.failures import closed_mid_response, evicted, timed_out, unreachable
from astra_mirror.astra.listing import Body, ListError
from astra_mirror.astra.names import REQUEST_NAMESPACE
from astra_mirror.astra.refused_list import refused_list
from astra_mirror.astra.transport import Client, ClientPool, header
from astra_mirror.core.body import Kind
from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Answer, Failed, Known, Listed, NotFound, Observed, SyncReason, Unchanged
from astra_mirror.core.request_plan import Collection, Document
from astra_mirror.observability.metrics import REMOTE_REQUEST_SECONDS, REMOTE_REQUESTS, series
from astra_mirror.support.slots import Slots
from astra_mirror.support.time_slices import TimeSlice

_READ_AT_ONCE: Final = 2
"""How many lists longer than one window are decoded at a time: decoding takes several times the size of the body."""
_LARGE_DOCUMENT: Final = 65_536
"""A larger document of a single backup waits for a time slice before it is parsed: 1 MiB takes about 10 ms."""
_CHUNK: Final = 16 * 1024
"""The most bytes of a body that are read at a time, before their memory has been granted."""
_ERROR_SECONDS: Final = 2.0
"""How long the body of an error response may take to arrive, without the time that it waits for memory."""

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
Parser = Callable[[aiohttp.ClientResponse, Body], Awaitable[Result]]


class AstraClient:
    """Reads backups.

    Args:
        clients: the HTTP clients.
        request_timeout: the time limit for a request as a whole, in seconds, including name resolution and body.
        bodies: the memory budget for bodies; a new one when left out.
    """

    def __init__(self, clients: ClientPool, request_timeout: float, bodies: Bodies | None = None) -> None:
        self._clients = clients
        self._timeout = request_timeout
        self._bodies = bodies or Bodies()
        self._reading = Slots(_READ_AT_ONCE)

    async def get_backup(
        self, connection: Connection, document: Document, known: int | None = None, *, namespace: str = ""
    ) -> Answer:
        """The single GET for a backup: "Retrieve an application backup for an app".

        Args:
            connection: the Astra Control to call.
            document: which backup.
            known: the digest of the last document of this backup, if any.
            namespace: the namespace whose quotas of look-ups, TLS contexts and memory the request counts against.
        """
        path = f"/accounts/{document.account_id}/k8s/v1/apps/{document.app_id}/appBackups/{document.backup_id}"

        async def answer(response: aiohttp.ClientResponse, windows: Body) -> Answer:
            body = b"".join(windows)
            if len(body) > _LARGE_DOCUMENT:
                await TimeSlice(namespace, is_large=True).checkpoint()
            if response.status != HTTPStatus.OK:
                return _refused(connection, response, body)
            digest = hash(body)
            if digest == known:
                return Unchanged()
            return Observed(parse_backup(body, document.backup_id, connection.redact_text), digest=digest)

        return await self._request(connection, namespace, "backup", path, Kind.SINGLE, answer)

    async def list_backups(
        self, connection: Connection, collection: Collection, known: Known, *, namespace: str = ""
    ) -> Listed | Failed:
        """The backups in `known`, from the list of an app's or an account's backups.

        Args:
            connection: the Astra Control to call.
            collection: which list.
            known: the backups that matter, and the digests of what is known of them.
            namespace: as in `get_backup`.
        """
        if collection.app is None:
            endpoint, path = "account_backups", f"/accounts/{collection.account}/topology/v1/appBackups"
        else:
            endpoint = "app_backups"
            path = f"/accounts/{collection.account}/k8s/v1/apps/{collection.app}/appBackups"

        async def answer(response: aiohttp.ClientResponse, windows: Body) -> Listed | Failed:
            if response.status != HTTPStatus.OK:
                return refused_list(_refused(connection, response, b"".join(windows)), known)
            try:
                if len(windows) == 1:
                    return await read_list(windows, known, connection.redact_text, namespace)
                async with self._reading.take(namespace):
                    return await read_list(windows, known, connection.redact_text, namespace)
            except ListError as error:
                raise AnswerError(
                    SyncReason.UNEXPECTED_RESPONSE, f"The answer is not a list of backups: {error}."
                ) from error

        return await self._request(connection, namespace, endpoint, path, Kind.LIST, answer)

    async def _request(
        self,
        connection: Connection,
        namespace: str,
        endpoint: str,
        path: str,
        kind: Kind,
        answer: Parser[Result],
    ) -> Result | Failed:
        started = time.monotonic()
        code = "none"
        memory: Reservation | None = None
        context_token = REQUEST_NAMESPACE.set(namespace)
        try:
            # The body keeps its memory until it has been parsed, which does not count towards the time-out.
            with ExitStack() as stack:
                async with asyncio.timeout(self._timeout) as deadline:
                    memory = stack.enter_context(self._bodies.reserve((namespace, connection), deadline))
                    async with self._clients.use(connection.tls, namespace) as client:
                        response, body = await _fetch(client, connection, path, kind, memory)
                code = str(response.status)
                return await answer(response, body)
        except AnswerError as error:
            code_known = memory.status if memory is not None and error.reason.facts.is_answer else None
            return Failed(error.reason, str(error), code=code_known)
        except aiohttp.ServerTimeoutError as error:
            # A TimeoutError, but one of the connection.
            return unreachable(connection, error)
        except TimeoutError:
            is_evicted = memory is not None and memory.is_evicted
            return evicted(connection) if is_evicted else timed_out(connection, self._timeout)
        except aiohttp.ClientPayloadError:
            return closed_mid_response(connection)
        except (aiohttp.ClientError, OSError) as error:
            return unreachable(connection, error)
        finally:
            REQUEST_NAMESPACE.reset(context_token)
            series(REMOTE_REQUESTS, endpoint, code).inc()
            series(REMOTE_REQUEST_SECONDS, endpoint).observe(time.monotonic() - started)
            _log(connection, path, namespace, code, started)


def _log(connection: Connection, path: str, namespace: str, code: str, started: float) -> None:
    """At debug, one line for each request; the path has IDs alone."""
    if logger.isEnabledFor(logging.DEBUG):
        logger.debug(
            "GET %s%s for the namespace %s: %s after %.3fs",
            connection.url,
            path,
            namespace,
            "no response" if code == "none" else code,
            time.monotonic() - started,
            extra={"host": connection.url.authority, "namespaces": [namespace]},
        )


async def _fetch(
    client: Client, connection: Connection, path: str, kind: Kind, memory: Reservation
) -> tuple[aiohttp.ClientResponse, Body]:
    async with await client.get(connection.url, path, connection.token) as response:
        memory.status = response.status
        if response.status == HTTPStatus.OK:
            return response, await _receive(response, kind, memory)
        try:
            async with asyncio.timeout(_ERROR_SECONDS) as deadline:
                return response, await _receive(response, Kind.SINGLE, memory, deadline)
        except NoMemoryError:
            # What a 404 means is in its body, and so is what all of them say: it has to be asked for again.
            raise
        except (AnswerError, aiohttp.ClientError, OSError):
            # The status code alone decides where the body of an error response cannot be read, or does not arrive.
            return response, []


async def _receive(
    response: aiohttp.ClientResponse, kind: Kind, memory: Reservation, within: asyncio.Timeout | None = None
) -> Body:
    return await memory.receive(
        response.content.iter_chunked(_CHUNK),
        kind,
        encoding=header(response, "Content-Encoding", "identity"),
        length=header(response, "Content-Length"),
        within=within,
    )


def _refused(connection: Connection, response: aiohttp.ClientResponse, body: bytes) -> NotFound | Failed:
    return failure_of(
        response.status,
        connection.redact(body),
        connection.redact_text,
        retry_after=header(response, "Retry-After"),
        date=header(response, "Date"),
    )
