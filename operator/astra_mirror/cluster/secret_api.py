"""Reads Secrets from the API server: lists in pages of bounded size, watches, and single ones.

Every failure leaves this module as a `ReadError`.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import client

from astra_mirror.cluster.api import REQUEST_TIMEOUT, why, words_of
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
from astra_mirror.core.secret_names import Pair, Watched

MAX_PAGE_BYTES: Final = 1024 * 1024
"""A page that is larger is asked for again with fewer Secrets: what is parsed in one step holds up the event loop."""
MAX_OBJECT_BYTES: Final = 8 * 1024 * 1024
"""More than any Secret takes: etcd stores 1.5 MiB, which base64 and JSON's escapes make longer."""
OPEN_SECONDS: Final = 10.0
"""Within this time an API server begins to answer a watch."""
_PASS_SECONDS: Final = 8.0
"""How much longer than asked for a watch may last before its connection counts as dead."""


class SecretReads:
    """The API server's Secrets."""

    def __init__(self, api: client.ApiClient) -> None:
        self._api = api

    async def page(self, watched: Watched, limit: int, token: str | None = None) -> Page:
        """One page of a list.

        Args:
            watched: which Secrets.
            limit: how many Secrets it may have.
            token: the page before's; None for the first one.

        Raises:
            TooLargeError: it has more than MAX_PAGE_BYTES, or one Secret more than MAX_OBJECT_BYTES.
            ReadError: anything else.
        """
        query = _query(watched, limit=limit) | ({"continue": token} if token else {})
        with _failures():
            response = await self._ask(_path(watched.scope), query, REQUEST_TIMEOUT)
            try:
                await _check(response)
                raw = await _bounded(response, MAX_PAGE_BYTES if limit > 1 else MAX_OBJECT_BYTES)
            finally:
                response.release()
            return page_of(watched, raw)

    async def get(self, pair: Pair) -> Content | None:
        """One Secret; None when there is none.

        Raises:
            ReadError: it could not be read.
        """
        with _failures():
            response = await self._ask(f"{_path(pair.namespace)}/{pair.name}", {}, OPEN_SECONDS)
            try:
                raw = await _bounded(response, MAX_OBJECT_BYTES)
            finally:
                response.release()
            if response.status == HTTPStatus.NOT_FOUND and says_not_found(raw, pair):
                return None
            if response.status != HTTPStatus.OK:
                raise ReadError(words_of(response.status, response.reason, raw), response.status)
            return secret_of(raw, pair)

    async def watch(self, watched: Watched, version: str, seconds: int) -> "SecretWatch":
        """Begin to watch from `version` on, for that many seconds; to be closed.

        Raises:
            ReadError: it could not be begun.
        """
        query = _query(watched, timeoutSeconds=seconds) | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
        }
        # The server ends the stream in time: beyond that the connection is dead, whoever says nothing.
        with _failures():
            async with asyncio.timeout(OPEN_SECONDS):
                response = await self._ask(_path(watched.scope), query, seconds + _PASS_SECONDS)
            with ExitStack() as unused:
                unused.callback(response.close)
                await _check(response)
                unused.pop_all()
            return SecretWatch(watched, response)

    async def _ask(self, path: str, query: Mapping[str, str], seconds: float) -> aiohttp.ClientResponse:
        headers = {"Accept": "application/json"}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, "GET", None)
        url = f"{self._api.configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
        answer = await self._api.call_api("GET", url, headers, _request_timeout=aiohttp.ClientTimeout(total=seconds))
        response: aiohttp.ClientResponse = answer.response
        return response


class SecretWatch:
    """The events of a watch that was begun, as an iterator that ends when the server ends it."""

    def __init__(self, watched: Watched, response: aiohttp.ClientResponse) -> None:
        self._watched = watched
        self._response = response

    def close(self) -> None:
        """Give the connection back."""
        self._response.close()

    async def __aiter__(self) -> AsyncIterator[WatchEvent]:
        """What happens, as it comes.

        Raises:
            ReadError: the connection is dead, the server reports an error, or what it sends is no event.
        """
        buffer = bytearray()
        with _failures():
            async for chunk in self._response.content.iter_any():
                start = len(buffer)
                buffer += chunk
                end = buffer.find(b"\n", start)
                begin = 0
                while end >= 0:
                    yield event_of(self._watched, bytes(memoryview(buffer)[begin:end]))
                    begin, end = end + 1, buffer.find(b"\n", end + 1)
                del buffer[:begin]
                if len(buffer) > MAX_OBJECT_BYTES:
                    raise TooLargeError("an event has no end")
        if buffer.strip():
            raise ReadError("an event was cut off")


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except client.ApiException as error:
        raise ReadError(why(error), error.status or None) from error
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise ReadError(why(error)) from error


def _path(namespace: str | None) -> str:
    return "/api/v1/secrets" if namespace is None else f"/api/v1/namespaces/{namespace}/secrets"


def _query(watched: Watched, **options: int) -> dict[str, str]:
    return {"fieldSelector": f"metadata.name={watched.name}"} | {key: str(value) for key, value in options.items()}


async def _bounded(response: aiohttp.ClientResponse, limit: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit:
            response.close()
            raise TooLargeError(f"more than {limit} bytes")
    return bytes(body)


async def _check(response: aiohttp.ClientResponse) -> None:
    if response.status != HTTPStatus.OK:
        raw = await _bounded(response, MAX_PAGE_BYTES)
        raise ReadError(words_of(response.status, response.reason, raw), response.status)
