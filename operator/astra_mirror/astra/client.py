"""Asks Astra Control for a backup. Whatever comes back, or does not, becomes an outcome: no exception leaves here.

The call is the one of the API reference, "Retrieve an application backup for an app".
"""

import asyncio
import time
import zlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp
import httpx
from pydantic import ValidationError

from astra_mirror.astra.addresses import AddressRefusedError
from astra_mirror.astra.transport import Clients
from astra_mirror.astra.wire import BackupDocument, Problem
from astra_mirror.core.backup import Backup
from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Failed, NotFound, Observed, Outcome, SyncReason
from astra_mirror.core.resource import AppBackupRefSpec
from astra_mirror.core.text import cut, sentence
from astra_mirror.metrics import REMOTE_REQUEST_SECONDS, REMOTE_REQUESTS

MAX_DOCUMENT: Final = 1024 * 1024
# The words of a remote error, so that with the sentence around them they stay below a condition's message.
_MAX_WORDS: Final = 640
_MAX_CORRELATION_ID: Final = 64

_REASONS: Final = {
    400: (SyncReason.INVALID_REQUEST, "Astra Control refused the request (400)"),
    401: (SyncReason.UNAUTHORIZED, "Astra Control refused the token (401)"),
    403: (SyncReason.FORBIDDEN, "The token may not read this app's backups (403)"),
    429: (SyncReason.RATE_LIMITED, "Astra Control asks for fewer requests (429)"),
}


class AnswerError(Exception):
    """An answer that is not the document asked for."""

    def __init__(self, reason: SyncReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class AstraClient:
    """Reads backups.

    Args:
        clients: where HTTP clients come from.
        request_timeout: seconds that a request may take in all, name resolution and body included.
    """

    def __init__(self, clients: Clients, request_timeout: float) -> None:
        self._clients = clients
        self._timeout = request_timeout

    async def get_backup(self, connection: Connection, spec: AppBackupRefSpec) -> Outcome:
        """The single GET for the backup that `spec` names."""
        path = f"/accounts/{spec.account_id}/k8s/v1/apps/{spec.app_id}/appBackups/{spec.backup_id}"
        started = time.monotonic()
        code = "none"
        try:
            async with asyncio.timeout(self._timeout):
                response, body = await self._fetch(connection, path, MAX_DOCUMENT)
            code = str(response.status_code)
            # Before anything is parsed or cut: half a token would be one too many as well.
            body = connection.redact(body)
            outcome = _outcome(response, body, spec.backup_id)
        except AnswerError as error:
            outcome = Failed(error.reason, str(error))
        except TimeoutError:
            outcome = Failed(SyncReason.UNREACHABLE, f"{connection.url} gave no answer within {self._timeout:g}s.")
        except (httpx.HTTPError, aiohttp.ClientError, OSError) as error:
            outcome = _unreachable(connection, error)
        finally:
            REMOTE_REQUESTS.labels("backup", code).inc()
            REMOTE_REQUEST_SECONDS.labels("backup").observe(time.monotonic() - started)
        return outcome

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


def _outcome(response: httpx.Response, body: bytes, backup_id: str) -> Outcome:
    code = response.status_code
    if code == httpx.codes.OK:
        return Observed(parse_backup(body, backup_id))
    problem = _problem(body)
    if code == httpx.codes.NOT_FOUND and problem is not None:
        return NotFound(_words("Astra Control has no such backup (404)", problem))
    if code in _REASONS:
        reason, text = _REASONS[code]
    elif 500 <= code < 600:
        reason, text = SyncReason.SERVER_ERROR, f"Astra Control failed to answer ({code})"
    elif 300 <= code < 400:
        reason, text = SyncReason.UNEXPECTED_RESPONSE, f"The answer is a redirect ({code}), and none is followed"
    else:
        reason, text = SyncReason.UNEXPECTED_RESPONSE, f"The answer's status code {code} is not one of the API's"
    return Failed(reason, _words(text, problem), _retry_after(response))


def parse_backup(body: bytes, backup_id: str) -> Backup:
    """The backup that a document describes.

    Raises:
        AnswerError: it is no JSON, no backup, or another backup than the one asked for.
    """
    try:
        document = BackupDocument.model_validate_json(body)
    except ValidationError as error:
        raise AnswerError(SyncReason.UNEXPECTED_RESPONSE, _why_invalid(error)) from error
    if document.id.lower() != backup_id:
        raise AnswerError(
            SyncReason.UNEXPECTED_RESPONSE, f"The answer is about another backup, {cut(document.id, 64)!r}."
        )
    return document.to_backup()


def _why_invalid(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return f"The answer is not JSON: {cut(first['msg'], 200)}."
    where = ".".join(map(str, first["loc"]))
    return f"The answer is not a backup: {where or 'the document'}: {cut(first['msg'], 200)}."


def _problem(body: bytes) -> Problem | None:
    try:
        return Problem.model_validate_json(body)
    except ValidationError:
        return None


def _words(text: str, problem: Problem | None) -> str:
    if problem is None:
        return f"{text}, without a problem document."
    message = sentence(f"{text}: {cut(problem.words(), _MAX_WORDS)}")
    if problem.correlation_id:
        # The last part of a message, where core.status expects it.
        return f"{message} (correlationID {_plain(cut(problem.correlation_id, _MAX_CORRELATION_ID))})"
    return message


def _plain(text: str) -> str:
    return text.replace("(", "[").replace(")", "]")


def _retry_after(response: httpx.Response) -> float | None:
    """Retry-After in seconds from now: the header has a number of seconds or an HTTP date (RFC 9110, 10.2.3)."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds())


def _unreachable(connection: Connection, error: BaseException) -> Failed:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, AddressRefusedError):
            return Failed(SyncReason.URL_NOT_ALLOWED, f"{connection.url} is not called: {cause}.")
        cause = cause.__cause__ or cause.__context__
    return Failed(SyncReason.UNREACHABLE, sentence(f"{connection.url} cannot be reached: {cut(_name(error), 300)}"))


def _name(error: BaseException) -> str:
    return str(error) or type(error).__name__
