"""Reads Secrets from the API server: lists in pages of bounded size, watches, and single Secrets.

Every failure is raised as a `ReadError`: no exception of the client library or of aiohttp leaves this module.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import client

from astra_mirror.cluster.api import REQUEST_TIMEOUT, error_text, failure_text
from astra_mirror.cluster.secret_wire import (
    Page,
    ReadError,
    TooLargeError,
    WatchEvent,
    event_of,
    page_of,
    says_not_found,
    secret_of,
)
from astra_mirror.core.secret_content import Content
from astra_mirror.core.secret_names import NamespacedName, SecretSelector

MAX_PAGE_BYTES: Final = 1024 * 1024
"""A larger page is requested again with fewer Secrets, because one page is parsed in one step of the event loop."""
MAX_OBJECT_BYTES: Final = 8 * 1024 * 1024
"""More than the largest Secret: etcd stores at most 1.5 MiB, which base64 and JSON's escapes make longer."""
OPEN_SECONDS: Final = 10.0
"""How long the API server may take to send the headers of a watch."""
_GRACE_SECONDS: Final = 8.0
"""How long after its timeoutSeconds a watch may go on before its connection counts as dead."""


class SecretAPI:
    """Reads Secrets from the API server."""

    def __init__(self, api: client.ApiClient) -> None:
        self._api = api

    async def page(self, selector: SecretSelector, limit: int, token: str | None = None) -> Page:
        """One page of a list.

        Args:
            selector: which Secrets.
            limit: how many Secrets the page may have.
            token: the continue token of the page before; None for the first page.

        Raises:
            TooLargeError: the page has more than MAX_PAGE_BYTES, or one Secret has more than MAX_OBJECT_BYTES.
            ReadError: the request failed in any other way.
        """
        query = _query(selector, limit=limit) | ({"continue": token} if token else {})
        with _as_read_error():
            response = await self._request(_path(selector.scope), query, REQUEST_TIMEOUT)
            try:
                await _raise_unless_ok(response)
                raw = await _read_bounded(response, MAX_PAGE_BYTES if limit > 1 else MAX_OBJECT_BYTES)
            finally:
                response.release()
            return page_of(selector, raw)

    async def get(self, secret: NamespacedName) -> Content | None:
        """One Secret; None when it does not exist.

        Raises:
            ReadError: the request failed.
        """
        with _as_read_error():
            response = await self._request(f"{_path(secret.namespace)}/{secret.name}", {}, OPEN_SECONDS)
            try:
                raw = await _read_bounded(response, MAX_OBJECT_BYTES)
            finally:
                response.release()
            if response.status == HTTPStatus.NOT_FOUND and says_not_found(raw, secret):
                return None
            if response.status != HTTPStatus.OK:
                raise ReadError(failure_text(response.status, response.reason, raw), response.status)
            return secret_of(raw, secret)

    async def watch(self, selector: SecretSelector, version: str, seconds: int) -> "SecretWatch":
        """Open a watch that starts after resourceVersion `version` and lasts `seconds`. The caller closes it.

        Raises:
            ReadError: the watch could not be opened.
        """
        query = _query(selector, timeoutSeconds=seconds) | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
        }
        # The server ends the stream after timeoutSeconds. A stream that goes on for longer has lost its connection.
        with _as_read_error():
            async with asyncio.timeout(OPEN_SECONDS):
                response = await self._request(_path(selector.scope), query, seconds + _GRACE_SECONDS)
            with ExitStack() as unused:
                unused.callback(response.close)
                await _raise_unless_ok(response)
                unused.pop_all()
            return SecretWatch(selector, response)

    async def _request(self, path: str, query: Mapping[str, str], seconds: float) -> aiohttp.ClientResponse:
        headers = {"Accept": "application/json"}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, "GET", None)
        url = f"{self._api.configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
        answer = await self._api.call_api("GET", url, headers, _request_timeout=aiohttp.ClientTimeout(total=seconds))
        response: aiohttp.ClientResponse = answer.response
        return response


class SecretWatch:
    """An open watch: an iterator over its events, which ends when the server ends the stream."""

    def __init__(self, selector: SecretSelector, response: aiohttp.ClientResponse) -> None:
        self._selector = selector
        self._response = response

    def close(self) -> None:
        """Close the connection."""
        self._response.close()

    async def __aiter__(self) -> AsyncIterator[WatchEvent]:
        """The events, as they arrive.

        Raises:
            ReadError: the connection was lost, the server reported an error, or a line is not an event.
        """
        buffer = bytearray()
        with _as_read_error():
            async for chunk in self._response.content.iter_any():
                start = len(buffer)
                buffer += chunk
                end = buffer.find(b"\n", start)
                begin = 0
                while end >= 0:
                    yield event_of(self._selector, bytes(memoryview(buffer)[begin:end]))
                    begin, end = end + 1, buffer.find(b"\n", end + 1)
                del buffer[:begin]
                if len(buffer) > MAX_OBJECT_BYTES:
                    raise TooLargeError("an event has no end")
        if buffer.strip():
            raise ReadError("an event was cut off")


@contextmanager
def _as_read_error() -> Iterator[None]:
    try:
        yield
    except client.ApiException as error:
        raise ReadError(error_text(error), error.status or None) from error
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise ReadError(error_text(error)) from error


def _path(namespace: str | None) -> str:
    return "/api/v1/secrets" if namespace is None else f"/api/v1/namespaces/{namespace}/secrets"


def _query(selector: SecretSelector, **options: int) -> dict[str, str]:
    return {"fieldSelector": f"metadata.name={selector.name}"} | {key: str(value) for key, value in options.items()}


async def _read_bounded(response: aiohttp.ClientResponse, limit: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit:
            response.close()
            raise TooLargeError(f"more than {limit} bytes")
    return bytes(body)


async def _raise_unless_ok(response: aiohttp.ClientResponse) -> None:
    if response.status != HTTPStatus.OK:
        raw = await _read_bounded(response, MAX_PAGE_BYTES)
        raise ReadError(failure_text(response.status, response.reason, raw), response.status)
