"""Credentials are renewed as kubectl renews them, and shared by all clients."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from aiohttp import web

from astra_mirror.cluster.credentials import Credentials
from astra_mirror.cluster.kubeconfig import ClusterConfig, ClusterConfigError
from astra_mirror.observability.hidden_values import HiddenValues
from tests.cluster.fake import config

_OLD = config(authorization="Bearer old")
_NEW = replace(_OLD, authorization="Bearer new")


class _Source:
    """The source of the credentials."""

    def __init__(self, config: ClusterConfig | None) -> None:
        self.config = config
        self.loaded = 0
        self.renewed: list[ClusterConfig] = []
        self.hidden = HiddenValues()

    async def load(self) -> ClusterConfig:
        self.loaded += 1
        await asyncio.sleep(0)
        if self.config is None:
            raise ClusterConfigError("the plugin has failed")
        return self.config


class _APIServer:
    """An API server that accepts one token."""

    def __init__(self, session: aiohttp.ClientSession, url: str, credentials: Credentials) -> None:
        self.session, self.url, self.credentials = session, url, credentials

    async def post(self, text: str = "body") -> tuple[int, str]:
        async with self.session.post(self.url, data=text) as response:
            return response.status, await response.text()


@asynccontextmanager
async def _api_server(
    source: _Source, first: ClusterConfig = _OLD, *, accepts: Callable[[], str] = lambda: "Bearer new"
) -> AsyncIterator[_APIServer]:
    async def answer(request: web.Request) -> web.Response:
        is_right = request.headers.get("Authorization") == accepts()
        return web.Response(status=200 if is_right else 401, text=await request.text())

    app = web.Application()
    app.router.add_post("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    credentials = Credentials(first, source.load, source.renewed.append, source.hidden)
    try:
        async with aiohttp.ClientSession(middlewares=(credentials,)) as session:
            yield _APIServer(session, f"http://127.0.0.1:{runner.addresses[0][1]}/", credentials)
    finally:
        await runner.cleanup()


async def test_a_refused_token_is_renewed_and_the_request_repeated() -> None:
    """A 401 renews the token once for all requests, and each is repeated with its body."""
    source = _Source(_NEW)
    async with _api_server(source) as server:
        answers = await asyncio.gather(*(server.post(f"body {number}") for number in range(20)))
    assert answers == [(200, f"body {number}") for number in range(20)]
    assert source.loaded == 1
    assert source.renewed == [_NEW]


async def test_a_token_that_has_ended_is_not_sent() -> None:
    """An expired token is renewed before the request, so that no request is refused."""
    accepted = ["Bearer old"]
    source = _Source(replace(_NEW, expires_at=datetime.now(UTC) + timedelta(hours=1)))
    past = replace(_OLD, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    async with _api_server(source, past, accepts=lambda: accepted[0]) as server:
        # The old token would be accepted: it is the new one that is sent.
        assert (await server.post())[0] == 401
        accepted[0] = "Bearer new"
        assert (await server.post())[0] == 200
    assert source.renewed[0].authorization == "Bearer new"


async def test_refused_for_ever() -> None:
    """When new credentials are refused too, the 401 is returned, and they are not loaded for each request."""
    source = _Source(_OLD)
    async with _api_server(source) as server:
        assert {status for status, _ in await asyncio.gather(*(server.post() for _ in range(20)))} == {401}
    assert source.loaded == 1
    assert source.renewed == []


async def test_a_plugin_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """When the renewal fails, the 401 is returned, and one log line says why."""
    source = _Source(None)
    with caplog.at_level(logging.WARNING):
        async with _api_server(source) as server:
            assert (await server.post())[0] == 401
            source.config = _NEW
            await asyncio.sleep(1)
            assert (await server.post())[0] == 200
    assert [each.getMessage() for each in caplog.records] == [
        "The credentials for the API server could not be renewed: the plugin has failed"
    ]


async def test_a_plugin_that_takes_longer_than_the_one_who_began_it_waits() -> None:
    """A renewal that outlasts the request that started it is finished, and is started once."""
    source = _Source(_NEW)
    done = asyncio.Event()
    load = source.load

    async def slow() -> ClusterConfig:
        await done.wait()
        return await load()

    source.load = slow  # type: ignore[method-assign]
    async with _api_server(source) as server:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await server.post()
        waiting = asyncio.create_task(server.post())
        done.set()
        assert await waiting == (200, "body")
    assert source.loaded == 1


async def test_the_user_to_act_as_is_named_in_each_request() -> None:
    """Once, also in a request that is repeated, and the former one no longer after a renewal."""
    seen: list[list[tuple[str, str]]] = []

    async def answer(request: web.Request) -> web.Response:
        headers = [(name, value) for name, value in request.headers.items() if name.startswith(("Imp", "Auth"))]
        seen.append(headers)
        return web.Response(status=401 if len(seen) == 1 else 200)

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    old = (("Impersonate-User", "me"), ("Impersonate-Uid", "7"), ("Impersonate-Group", "one"))
    new = (("Impersonate-User", "you"), ("Impersonate-Group", "two"), ("Impersonate-Group", "three"))
    source = _Source(replace(_NEW, authorization=None, impersonation=new))
    credentials = Credentials(replace(_OLD, impersonation=old), source.load, source.renewed.append, source.hidden)
    try:
        async with aiohttp.ClientSession(middlewares=(credentials,)) as session:
            for _ in range(2):
                await session.get(f"http://127.0.0.1:{runner.addresses[0][1]}/")
    finally:
        await runner.cleanup()
    assert seen == [[("Authorization", "Bearer old"), *old], [*new], [*new]]


class _HangingSource(_Source):
    """A plugin that does not end."""

    def __init__(self) -> None:
        super().__init__(None)
        self.hangs = asyncio.Event()

    async def load(self) -> ClusterConfig:
        """Never return."""
        self.hangs.set()
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]


@pytest.mark.parametrize("is_hurried_before", [False, True])
async def test_the_last_requests_of_a_process(is_hurried_before: bool) -> None:
    """They do not wait for a plugin that hangs: they are sent with the old credentials."""
    source = _HangingSource()
    past = replace(_OLD, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    async with _api_server(source, past, accepts=lambda: "Bearer old") as server, asyncio.timeout(10):
        if is_hurried_before:
            server.credentials.hurry()
        sent = asyncio.create_task(server.post())
        await source.hangs.wait()
        server.credentials.hurry()
        assert (await sent)[0] == 200
