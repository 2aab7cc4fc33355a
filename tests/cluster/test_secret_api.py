"""Reads of Secrets over a real connection: pages, watches and faults."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio import client

from astra_mirror.cluster.secret_api import MAX_PAGE_BYTES, SecretAPI, SecretWatch
from astra_mirror.cluster.secret_wire import ReadError, TooLargeError, WatchEvent
from astra_mirror.core.secret_content import content_of
from astra_mirror.core.secret_names import NamespacedName, SecretSelector

_SELECTOR = SecretSelector(None, "astra-control")
_SECRET_NAME = NamespacedName("ns", "astra-control")
_DATA = {"url": "aHR0cHM=", "token": "dG9rZW4="}
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _secret(namespace: str = "ns", data: Any = None, **others: Any) -> dict[str, Any]:
    metadata = {"namespace": namespace, "name": "astra-control", "resourceVersion": "7"}
    return {"metadata": metadata, "data": _DATA if data is None else data} | others


def _listed(*items: Any, **metadata: Any) -> dict[str, Any]:
    return {"kind": "SecretList", "apiVersion": "v1", "metadata": {"resourceVersion": "5"} | metadata, "items": items}


@asynccontextmanager
async def _reader(answer: Answer) -> AsyncIterator[SecretAPI]:
    application = web.Application()
    application.router.add_route("GET", "/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with client.ApiClient(client.Configuration(host=host)) as api:
            yield SecretAPI(api)
    finally:
        await runner.cleanup()


def _with(body: Any, status: int = 200) -> Answer:
    async def answer(_: web.Request) -> web.Response:
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(text=text, status=status, content_type="application/json")

    return answer


async def test_a_page_is_asked_for_by_name_and_says_where_the_next_one_is() -> None:
    """The query is one that the shipped role allows, in all namespaces or in one; other keys are dropped."""
    asked: list[tuple[str, dict[str, str]]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append((request.path, dict(request.query)))
        item = _secret(data=_DATA | {"other": "eA=="}, type="Opaque")
        return web.json_response(_listed(item, **{"continue": "next", "remainingItemCount": 3}))

    async with _reader(answer) as reader:
        page = await reader.page(_SELECTOR, 10)
        await reader.page(SecretSelector("ns", "astra-control"), 10, page.token)
    assert page.found == {_SECRET_NAME: content_of(_DATA)}
    assert page.found[_SECRET_NAME].data == _DATA
    assert (page.version, page.token) == ("5", "next")
    selector = {"fieldSelector": "metadata.name=astra-control", "limit": "10"}
    assert asked == [
        ("/api/v1/secrets", selector),
        ("/api/v1/namespaces/ns/secrets", selector | {"continue": "next"}),
    ]


async def test_a_page_has_a_bounded_size() -> None:
    """A larger page is not read to its end, but one Secret alone may have the size of any Secret."""
    large = base64.b64encode(b"x" * MAX_PAGE_BYTES).decode()
    async with _reader(_with(_listed(_secret(data={"other": large})))) as reader:
        with pytest.raises(TooLargeError):
            await reader.page(_SELECTOR, 2)
        page = await reader.page(_SELECTOR, 1)
    assert page.found == {_SECRET_NAME: content_of({})}


_NOT_LISTS: dict[str, Any] = {
    "no JSON": "<html>page not found</html>",
    "cut off": '{"kind": "SecretList", "apiVersion": "v1", "metadata": {"resourceVersion": "5"}, "items": [',
    "nothing": "",
    "a number": 7,
    "another kind": _listed() | {"kind": "PodList"},
    "another version": _listed() | {"apiVersion": "v2"},
    "no version": _listed() | {"metadata": {}},
    "an empty version": _listed(resourceVersion=""),
    "metadata null": _listed() | {"metadata": None},
    "items of another type": _listed() | {"items": {"a": 1}},
    "another name": _listed(_secret() | {"metadata": {"namespace": "ns", "name": "other", "resourceVersion": "7"}}),
    "an item without metadata": _listed({"data": _DATA}),
    "an item that is null": _listed(None),
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize("body", _NOT_LISTS)
async def test_what_is_no_list_is_an_error_and_nothing_is_taken_from_it(body: str) -> None:
    """A body that is not the list is an error, also with status 200."""
    async with _reader(_with(_NOT_LISTS[body])) as reader:
        with pytest.raises(ReadError) as raised:
            await reader.page(_SELECTOR, 1)
    assert raised.value.status is None
    assert raised.value.suggests_outage


@pytest.mark.parametrize(
    ("status", "refusal", "expired", "server"),
    [
        (401, False, False, False),
        (403, True, False, False),
        (404, False, False, False),
        (410, False, True, False),
        (429, False, False, True),
        (500, False, False, True),
        (504, False, False, True),
    ],
)
async def test_a_status_says_what_it_speaks_of(status: int, *, refusal: bool, expired: bool, server: bool) -> None:
    """The API server's message is in the error, for a list, a watch and a single Secret alike."""
    async with _reader(_with({"kind": "Status", "message": "no, because"}, status)) as reader:
        for call in (reader.page(_SELECTOR, 1), reader.watch(_SELECTOR, "5", 10), reader.get(_SECRET_NAME)):
            with pytest.raises(ReadError, match=f"{status} no, because") as raised:
                await call
            error = raised.value
            assert (error.is_refusal, error.is_expired, error.suggests_outage) == (refusal, expired, server)


async def test_a_single_secret() -> None:
    """A get returns the content, or None if the API server's own Status says that the Secret does not exist."""
    gone = {"kind": "Status", "apiVersion": "v1", "reason": "NotFound", "details": {"name": "astra-control"}}
    async with _reader(_with(_secret(kind="Secret", apiVersion="v1"))) as reader:
        assert await reader.get(_SECRET_NAME) == content_of(_DATA)
        with pytest.raises(ReadError):
            await reader.get(NamespacedName("ns", "other"))
    async with _reader(_with(gone, 404)) as reader:
        assert await reader.get(_SECRET_NAME) is None
    for body in ("404 page not found", {**gone, "details": {"name": "other"}}, {**gone, "details": None}, [gone]):
        async with _reader(_with(body, 404)) as reader:
            with pytest.raises(ReadError):
                await reader.get(_SECRET_NAME)


def _stream(*pieces: bytes, ends: bool = True) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
        if not ends:
            request.transport.abort()  # type: ignore[union-attr]
        return response

    return answer


def _line(kind: str, item: Any) -> bytes:
    return json.dumps({"type": kind, "object": item}).encode() + b"\n"


async def _collect(stream: SecretWatch, seen: list[WatchEvent]) -> None:
    async for event in stream:
        seen.append(event)  # noqa: PERF401 - what came before the error is to be there


async def _events(reader: SecretAPI) -> list[WatchEvent]:
    stream = await reader.watch(_SELECTOR, "5", 10)
    try:
        return [event async for event in stream]
    finally:
        stream.close()


async def test_events_come_in_any_pieces() -> None:
    """A chunk may have many events, and an event many chunks."""
    bookmark = {"kind": "Secret", "apiVersion": "v1", "metadata": {"resourceVersion": "9"}}
    whole = _line("ADDED", _secret()) + _line("BOOKMARK", bookmark) + _line("DELETED", _secret("two"))
    expected = [
        WatchEvent("7", _SECRET_NAME, content_of(_DATA)),
        WatchEvent("9"),
        WatchEvent("7", NamespacedName("two", "astra-control"), None),
    ]
    for size in (1, 7, 100, len(whole)):
        async with _reader(_stream(*[whole[start : start + size] for start in range(0, len(whole), size)])) as reader:
            assert await _events(reader) == expected


_NOT_EVENTS = {
    "an error": _line("ERROR", {"kind": "Status", "code": 410, "message": "too old"}),
    "an error without code and reason": _line("ERROR", {"kind": "Status"}),
    "an error that is null": _line("ERROR", None),
    "another type": _line("RENAMED", _secret()),
    "no object": b'{"type": "ADDED"}\n',
    "another Secret": _line("ADDED", {"metadata": {"namespace": "ns", "name": "other", "resourceVersion": "1"}}),
    "no JSON": b"page not found\n",
    "null": b"null\n",
    "cut off": _line("ADDED", _secret())[:-9],
}


@pytest.mark.parametrize("line", _NOT_EVENTS)
async def test_what_is_no_event_ends_the_watch_as_a_read_error(line: str) -> None:
    """Events before an invalid line count, the line raises ReadError, and no other exception is raised."""
    async with _reader(_stream(_line("ADDED", _secret()), _NOT_EVENTS[line])) as reader:
        stream = await reader.watch(_SELECTOR, "5", 10)
        seen: list[WatchEvent] = []
        with pytest.raises(ReadError) as raised:
            await _collect(stream, seen)
        stream.close()
    assert [event.secret for event in seen] == [_SECRET_NAME]
    assert raised.value.is_expired == (line == "an error")


async def test_a_connection_that_breaks_off_is_a_read_error() -> None:
    """A lost connection is a ReadError, within a watch and before any response."""
    async with _reader(_stream(_line("ADDED", _secret()), ends=False)) as reader:
        with pytest.raises(ReadError):
            await _events(reader)
    async with client.ApiClient(client.Configuration(host="http://127.0.0.1:1")) as api:
        for call in (SecretAPI(api).page(_SELECTOR, 1), SecretAPI(api).get(_SECRET_NAME)):
            with pytest.raises(ReadError) as raised:
                await call
            assert raised.value.suggests_outage


async def test_a_silent_connection_counts_as_dead() -> None:
    """A watch that lasts longer than its timeoutSeconds and a little more raises ReadError."""
    silent = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await silent.wait()
        return response

    async with _reader(answer) as reader:
        # Eight seconds are the little more.
        stream = await reader.watch(_SELECTOR, "5", -7)
        with pytest.raises(ReadError, match="Timeout") as raised:
            await _collect(stream, [])
        stream.close()
        silent.set()
    assert raised.value.status is None
