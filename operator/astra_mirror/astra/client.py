"""Asks Astra Control for a backup. Whatever comes back, or does not, becomes an outcome: no exception leaves here.

The calls are those of the API reference.
"""

import asyncio
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final, TypeVar

import aiohttp
import httpx

from astra_mirror.astra.addresses import AddressRefusedError
from astra_mirror.astra.answers import AnswerError, failure_of, parse_backup, read_list
from astra_mirror.astra.listing import WINDOW, Body
from astra_mirror.astra.transport import Clients
from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Answer, Failed, Known, Listed, Observed, SyncReason, Unchanged
from astra_mirror.core.plan import Collection
from astra_mirror.core.resource import AppBackupRefSpec
from astra_mirror.core.text import cut, sentence
from astra_mirror.metrics import REMOTE_REQUEST_SECONDS, REMOTE_REQUESTS
from astra_mirror.turn import Turn

MAX_DOCUMENT: Final = 1024 * 1024
MAX_LIST: Final = 64 * 1024 * 1024
_SMALL: Final = 4
"""Windows of 1 MiB that a body may have before it has to wait for room."""
_LARGE_AT_ONCE: Final = 2
"""Bodies larger than that which are held at once: several of the largest would not fit into the pod's memory."""
_ERROR_SECONDS: Final = 2.0
"""How long the words of an error are waited for, whose status code is there already."""

Result = TypeVar("Result")


class AstraClient:
    """Reads backups.

    Args:
        clients: where HTTP clients come from.
        request_timeout: seconds that a request may take in all, name resolution and body included.
    """

    def __init__(self, clients: Clients, request_timeout: float) -> None:
        self._clients = clients
        self._timeout = request_timeout
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)

    async def get_backup(self, connection: Connection, spec: AppBackupRefSpec, known: int | None = None) -> Answer:
        """The single GET for the backup that `spec` names: "Retrieve an application backup for an app".

        Args:
            connection: whom to ask.
            spec: what to ask for.
            known: the digest of the document that is known already, if any.
        """
        path = f"/accounts/{spec.account_id}/k8s/v1/apps/{spec.app_id}/appBackups/{spec.backup_id}"

        async def answer(response: httpx.Response, windows: Body) -> Answer:
            body = b"".join(windows)
            if response.status_code != httpx.codes.OK:
                return failure_of(response.status_code, response.headers, connection.redact(body))
            digest = hash(body)
            if digest == known:
                return Unchanged()
            # Before anything is parsed or cut: half a token would be one too many as well.
            return Observed(parse_backup(connection.redact(body), spec.backup_id), digest)

        return await self._ask(connection, "backup", path, MAX_DOCUMENT, answer)

    async def list_backups(self, connection: Connection, collection: Collection, known: Known) -> Listed | Failed:
        """The list of an app's backups, or of an account's: what it says of those in `known`."""
        if collection.app is None:
            endpoint, path = "account_backups", f"/accounts/{collection.account}/topology/v1/appBackups"
        else:
            endpoint = "app_backups"
            path = f"/accounts/{collection.account}/k8s/v1/apps/{collection.app}/appBackups"

        async def answer(response: httpx.Response, windows: Body) -> Listed | Failed:
            if response.status_code != httpx.codes.OK:
                body = connection.redact(b"".join(windows))
                failure = failure_of(response.status_code, response.headers, body)
                # That a list is not found says nothing of any backup.
                unexpected = SyncReason.UNEXPECTED_RESPONSE
                return failure if isinstance(failure, Failed) else Failed(unexpected, failure.message)
            try:
                return await read_list(windows, known, connection.redact)
            except ValueError as error:
                raise AnswerError(
                    SyncReason.UNEXPECTED_RESPONSE, f"The answer is not a list of backups: {error}."
                ) from error

        return await self._ask(connection, endpoint, path, MAX_LIST, answer)

    async def _ask(
        self,
        connection: Connection,
        endpoint: str,
        path: str,
        limit: int,
        answer: Callable[[httpx.Response, Body], Awaitable[Result]],
    ) -> Result | Failed:
        started = time.monotonic()
        code = "none"
        try:
            async with asyncio.timeout(self._timeout), AsyncExitStack() as room:
                response, body = await self._fetch(connection, path, limit, room)
                code = str(response.status_code)
                return await answer(response, body)
        except AnswerError as error:
            return Failed(error.reason, connection.redact_text(str(error)))
        except TimeoutError:
            return Failed(SyncReason.UNREACHABLE, f"{connection.url} gave no answer within {self._timeout:g}s.")
        except httpx.ReadError:
            return Failed(SyncReason.UNREACHABLE, f"{connection.url} broke its answer off.")
        except (httpx.HTTPError, aiohttp.ClientError, OSError) as error:
            return _unreachable(connection, error)
        finally:
            REMOTE_REQUESTS.labels(endpoint, code).inc()
            REMOTE_REQUEST_SECONDS.labels(endpoint).observe(time.monotonic() - started)

    async def _fetch(
        self, connection: Connection, path: str, limit: int, room: AsyncExitStack
    ) -> tuple[httpx.Response, Body]:
        client = await self._clients.client_for(connection.tls)
        headers = {"Authorization": f"Bearer {connection.token}"}
        async with client.stream("GET", f"{connection.url}{path}", headers=headers) as response:
            if response.status_code == httpx.codes.OK:
                return response, await self._bounded_body(response, limit, room)
            try:
                async with asyncio.timeout(_ERROR_SECONDS):
                    return response, await self._bounded_body(response, MAX_DOCUMENT, room)
            except (AnswerError, httpx.HTTPError, aiohttp.ClientError, OSError):
                # An error whose words cannot be read, or do not come, is still what its status code says.
                return response, []

    async def _bounded_body(self, response: httpx.Response, limit: int, room: AsyncExitStack) -> Body:
        """The body, decompressed; httpx would inflate a whole chunk before anybody could look at its size.

        It is not made one piece: to find room for 64 MiB, and to copy them there, takes too long at a time. `room` is
        kept until the body has been read.
        """
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in {"identity", "gzip"}:
            raise AnswerError(
                SyncReason.UNEXPECTED_RESPONSE,
                f"The answer is compressed with {cut(encoding, 32)!r}, which nobody asked for.",
            )
        chunks = response.aiter_raw() if encoding == "identity" else _inflated(response.aiter_raw())
        windows: list[bytes] = []
        window = bytearray()
        async for chunk in chunks:
            window += chunk
            if len(windows) * WINDOW + len(window) > limit:
                raise AnswerError(SyncReason.UNEXPECTED_RESPONSE, f"The answer is larger than {limit // 1024} KiB.")
            while len(window) >= WINDOW:
                windows.append(bytes(window[:WINDOW]))
                del window[:WINDOW]
                if len(windows) == _SMALL:
                    await room.enter_async_context(self._large)
        return [*windows, bytes(window)]


async def _inflated(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        with Turn() as turn:
            async for chunk in chunks:
                while chunk and not inflater.eof:
                    # A few kilobytes may stand for many megabytes.
                    yield inflater.decompress(chunk, WINDOW)
                    chunk = inflater.unconsumed_tail  # noqa: PLW2901
                    await turn.may_end()
    except zlib.error as error:
        raise AnswerError(SyncReason.UNEXPECTED_RESPONSE, f"The answer is not valid gzip: {error}.") from error
    if not inflater.eof:
        raise AnswerError(SyncReason.UNEXPECTED_RESPONSE, "The answer is a gzip stream that ends too early.")


def _unreachable(connection: Connection, error: BaseException) -> Failed:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, AddressRefusedError):
            return Failed(SyncReason.URL_NOT_ALLOWED, f"{connection.url} is not called: {cause}.")
        cause = cause.__cause__ or cause.__context__
    # A malformed answer is quoted by the library that could not read it, the token in it as well.
    why = cut(connection.redact_text(_name(error)), 300)
    return Failed(SyncReason.UNREACHABLE, sentence(f"{connection.url} cannot be reached: {why}"))


def _name(error: BaseException) -> str:
    return str(error) or type(error).__name__
