"""What is noted of Kopf's lists and watches, on a real socket."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import pytest

from astra_mirror.api.app_backup_ref import NAMES
from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.watch_requests import WatchRequests
from tests.cluster.fake import APIServer, serving

_REFS: Final = f"/apis/astra-mirror.io/v1/{NAMES.plural}"
_LIST: Final[Mapping[str, Any]] = {"metadata": {"resourceVersion": "2"}, "items": [{"metadata": {"name": "a"}}]}


class Listener:
    """Counts."""

    def __init__(self) -> None:
        self.taken: list[float] = []
        self.lists = 0

    def take(self, _: Mapping[str, Any], listed_at: float) -> None:
        """An object."""
        self.taken.append(listed_at)

    def relisted(self) -> None:
        """A list after the first."""
        self.lists += 1


@asynccontextmanager
async def _asking(listener: Listener) -> AsyncIterator[tuple[WatchRequests, APIServer, aiohttp.ClientSession]]:
    requests = WatchRequests(NAMES, "AppBackupRefs of all namespaces", Availability(), listener)
    async with (
        serving() as (server, api),
        aiohttp.ClientSession(api.configuration.host, middlewares=(requests.intercept,)) as session,
    ):
        server.answer = lambda _: (200, _LIST)
        yield requests, server, session


async def _read(session: aiohttp.ClientSession, path: str) -> Any:
    async with session.get(path) as response:
        return await response.json()


async def test_what_has_succeeded() -> None:
    """A list, then a watch. A list after the first one means that a watch has started again."""
    listener = Listener()
    async with _asking(listener) as (requests, _, session):
        assert not requests.list_requested.is_set()
        await _read(session, _REFS)
        assert (requests.have_listed, requests.have_watched, listener.lists) == (True, False, 0)
        await _read(session, f"{_REFS}?watch=true")
        assert (requests.have_watched, listener.lists) == (True, 0)
        await _read(session, _REFS)
        assert listener.lists == 1


async def test_all_pages_of_a_list_have_its_time() -> None:
    """That of the request for the first page."""
    listener = Listener()
    async with _asking(listener) as (requests, _, session):
        assert (await _read(session, _REFS))["items"] == []
        await _read(session, f"{_REFS}?continue=more")
        assert listener.taken == [requests.listed_at] * 2
        await _read(session, _REFS)
        assert requests.listed_at > listener.taken[0]
        assert listener.lists == 1


@pytest.mark.parametrize("path", ["/api", "/apis/astra-mirror.io/v1", f"{_REFS}/ref", f"{_REFS}/ref/status"])
async def test_other_requests_are_not_touched(path: str) -> None:
    """They reach Kopf as they are."""
    listener = Listener()
    async with _asking(listener) as (requests, _, session):
        assert await _read(session, path) == _LIST
        assert (requests.list_requested.is_set(), listener.taken) == (False, [])


async def test_a_refusal_is_logged_until_a_watch_succeeds(caplog: pytest.LogCaptureFixture) -> None:
    """Once, when it is the second in a row; a good list ends nothing. A 410 is normal, and a 403 is said elsewhere."""
    async with _asking(Listener()) as (requests, server, session):

        async def refused(code: int, query: str = "?watch=true") -> None:
            server.answer = lambda _: (code, {})
            await _read(session, _REFS + query)

        async def answered(query: str = "") -> None:
            server.answer = lambda _: (200, _LIST)
            await _read(session, _REFS + query)

        for _ in range(3):
            await refused(429)
        for code in (403, 404, 410):
            await refused(code)
            await refused(code)
        assert (requests.have_listed, requests.have_watched) == (False, False)
        for _ in range(2):
            await refused(429)
            await answered()
        await answered("?watch=true")
        for _ in range(2):
            await refused(500, "")
    about = "AppBackupRefs of all namespaces cannot be"
    assert [each.getMessage() for each in caplog.records] == [
        f"{about} watched, trying again: 429 Too Many Requests",
        f"{about} listed, trying again: 500 Internal Server Error",
    ]
