"""Asks Astra Control for a backup. Whatever comes back, or does not, becomes an outcome: no exception leaves here.

The calls are those of the API reference.
"""

import asyncio
import time
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Final, TypeVar

import aiohttp
import httpx

from astra_mirror.astra.addresses import AddressRefusedError
from astra_mirror.astra.answers import AnswerError, failure_of, parse_backup, read_list
from astra_mirror.astra.transport import Clients
from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Answer, Failed, Known, Listed, Observed, SyncReason, Unchanged
from astra_mirror.core.plan import Collection
from astra_mirror.core.resource import AppBackupRefSpec
from astra_mirror.core.text import cut, sentence
from astra_mirror.metrics import REMOTE_REQUEST_SECONDS, REMOTE_REQUESTS

MAX_DOCUMENT: Final = 1024 * 1024
MAX_LIST: Final = 64 * 1024 * 1024

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

    async def get_backup(self, connection: Connection, spec: AppBackupRefSpec, known: int | None = None) -> Answer:
        """The single GET for the backup that `spec` names: "Retrieve an application backup for an app".

        Args:
            connection: whom to ask.
            spec: what to ask for.
            known: the digest of the document that is known already, if any.
        """
        path = f"/accounts/{spec.account_id}/k8s/v1/apps/{spec.app_id}/appBackups/{spec.backup_id}"

        def answer(response: httpx.Response, body: bytes) -> Answer:
            # Before anything is parsed or cut: half a token would be one too many as well.
            body = connection.redact(body)
            if response.status_code != httpx.codes.OK:
                return failure_of(response.status_code, response.headers, body)
            digest = hash(body)
            return Unchanged() if digest == known else Observed(parse_backup(body, spec.backup_id), digest)

        return await self._ask(connection, "backup", path, MAX_DOCUMENT, answer)

    async def list_backups(self, connection: Connection, collection: Collection, known: Known) -> Listed | Failed:
        """The list of an app's backups, or of an account's: what it says of those in `known`."""
        if collection.app is None:
            endpoint, path = "account_backups", f"/accounts/{collection.account}/topology/v1/appBackups"
        else:
            endpoint = "app_backups"
            path = f"/accounts/{collection.account}/k8s/v1/apps/{collection.app}/appBackups"

        def answer(response: httpx.Response, body: bytes) -> bytes | Failed:
            if response.status_code == httpx.codes.OK:
                return body
            failure = failure_of(response.status_code, response.headers, connection.redact(body))
            # That a list is not found says nothing of any backup.
            return failure if isinstance(failure, Failed) else Failed(SyncReason.UNEXPECTED_RESPONSE, failure.message)

        body = await self._ask(connection, endpoint, path, MAX_LIST, answer)
        if isinstance(body, Failed):
            return body
        try:
            return await read_list(connection.redact_plain(body), known, connection.redact)
        except ValueError as error:
            return Failed(SyncReason.UNEXPECTED_RESPONSE, f"The answer is not a list of backups: {error}.")

    async def _ask(
        self,
        connection: Connection,
        endpoint: str,
        path: str,
        limit: int,
        answer: Callable[[httpx.Response, bytes], Result],
    ) -> Result | Failed:
        started = time.monotonic()
        code = "none"
        try:
            async with asyncio.timeout(self._timeout):
                response, body = await self._fetch(connection, path, limit)
            code = str(response.status_code)
            return answer(response, body)
        except AnswerError as error:
            return Failed(error.reason, connection.redact_text(str(error)))
        except TimeoutError:
            return Failed(SyncReason.UNREACHABLE, f"{connection.url} gave no answer within {self._timeout:g}s.")
        except (httpx.HTTPError, aiohttp.ClientError, OSError) as error:
            return _unreachable(connection, error)
        finally:
            REMOTE_REQUESTS.labels(endpoint, code).inc()
            REMOTE_REQUEST_SECONDS.labels(endpoint).observe(time.monotonic() - started)

    async def _fetch(self, connection: Connection, path: str, limit: int) -> tuple[httpx.Response, bytes]:
        client = self._clients.client_for(connection.tls)
        headers = {"Authorization": f"Bearer {connection.token}"}
        async with client.stream("GET", f"{connection.url}{path}", headers=headers) as response:
            body = await _bounded_body(response, limit)
        return response, body


async def _bounded_body(response: httpx.Response, limit: int) -> bytes:
    """The body, decompressed; httpx would inflate a whole chunk before anybody could look at its size."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"identity", "gzip"}:
        raise AnswerError(
            SyncReason.UNEXPECTED_RESPONSE,
            f"The answer is compressed with {cut(encoding, 32)!r}, which nobody asked for.",
        )
    chunks = response.aiter_raw() if encoding == "identity" else _inflated(response.aiter_raw(), limit)
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > limit:
            raise AnswerError(SyncReason.UNEXPECTED_RESPONSE, f"The answer is larger than {limit // 1024} KiB.")
    return bytes(body)


async def _inflated(chunks: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        async for chunk in chunks:
            yield inflater.decompress(chunk, limit + 1)
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
