"""Whether the API server is away: found by at most one small request a second, and only after a failed call."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import REGISTRY

from astra_mirror.cluster.availability import PROBE_SECONDS, Availability
from tests.virtual_time import passes


class _Server:
    """An API server as its probe finds it: the failure that the test sets; None for a response."""

    def __init__(self, says: str | None = None) -> None:
        self.says = says
        self.asked: list[float] = []
        self.hangs = False
        self.probed = asyncio.Event()

    async def probe(self) -> str | None:
        self.asked.append(asyncio.get_running_loop().time())
        self.probed.set()
        if self.hangs:
            self.hangs = False
            await asyncio.Event().wait()
        return self.says


@asynccontextmanager
async def _running(server: _Server) -> AsyncIterator[Availability]:
    availability = Availability(server.probe, name="https://kube.example")
    task = asyncio.create_task(availability.run())
    yield availability
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _is_held(availability: Availability) -> bool:
    """Whether a caller has to wait now."""
    waiting = asyncio.create_task(availability.wait_until_back())
    await passes(2)
    held = not waiting.done()
    waiting.cancel()
    return held


@pytest.mark.virtual
async def test_nothing_is_asked_while_nobody_complains() -> None:
    """No probe is sent before a call fails; then one is, and a writer waits for its result."""
    server = _Server()
    async with _running(server) as availability, asyncio.timeout(10):
        await availability.wait_until_back()
        assert server.asked == []
        server.hangs = True
        availability.request_probe()
        await server.probed.wait()
        assert await _is_held(availability)
        assert not availability.is_away
        # The one that hangs delays nothing: the next is made a second later.
        await availability.wait_until_back()
    assert len(server.asked) == 2


@pytest.mark.virtual
async def test_away_and_back(caplog: pytest.LogCaptureFixture) -> None:
    """An outage and its end are logged once each, set the metric, and all callers resume together."""
    server = _Server(says="connection refused")
    with caplog.at_level(logging.INFO):
        async with _running(server) as availability, asyncio.timeout(20):
            availability.request_probe()
            await server.probed.wait()
            server.probed.clear()
            waiting = [asyncio.create_task(availability.wait_until_back()) for _ in range(3)]
            await server.probed.wait()
            assert availability.is_away
            assert REGISTRY.get_sample_value("astra_mirror_apiserver_up") == 0
            assert not any(each.done() for each in waiting)
            server.says = None
            await asyncio.gather(*waiting)
            assert not availability.is_away
            assert REGISTRY.get_sample_value("astra_mirror_apiserver_up") == 1
    lines = [each.getMessage() for each in caplog.records if "https://kube.example" in each.getMessage()]
    assert len(lines) == 2
    assert "is away, trying every second: connection refused" in lines[0]
    assert "is back after" in lines[1]


@pytest.mark.virtual
async def test_one_probe_a_second() -> None:
    """At most one probe is sent each second, however many calls fail, and whether it succeeds or not."""
    server = _Server()
    async with _running(server) as availability, asyncio.timeout(10):
        while len(server.asked) < 4:
            availability.request_probe()
            await asyncio.sleep(0.01)
            server.says = "503" if len(server.asked) == 2 else None
    gaps = [after - before for before, after in zip(server.asked, server.asked[1:], strict=False)]
    assert all(gap > 0.95 * PROBE_SECONDS for gap in gaps)


@pytest.mark.virtual
async def test_calls_that_always_fail_do_not_hold_up_the_others() -> None:
    """While the webhook of one namespace returns 500 for ever, other callers do not wait for each probe."""
    server = _Server()
    async with _running(server) as availability, asyncio.timeout(10):
        availability.request_probe()
        await server.probed.wait()
        await availability.wait_until_back()
        server.probed.clear()
        server.hangs = True
        availability.request_probe()
        await server.probed.wait()
        assert not await _is_held(availability)


async def test_what_counts_as_a_reason() -> None:
    """No connection, a 5xx, a 429 and a time-out request a probe; other responses do not."""
    server = _Server()

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/hang":
            await asyncio.Event().wait()
        return web.Response(status=int(request.path[1:]))

    app = web.Application()
    app.router.add_get("/{status}", answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with (
            _running(server) as availability,
            aiohttp.ClientSession(middlewares=(availability.probe_after_failure,)) as session,
        ):
            for status in (200, 401, 403, 404, 409, 422):
                await session.get(f"{address}/{status}")
            assert server.asked == []
            for status in (500, 503, 429):
                await session.get(f"{address}/{status}")
                await _probed(server)
            with pytest.raises(TimeoutError):
                await session.get(f"{address}/hang", timeout=aiohttp.ClientTimeout(total=0.05))
            await _probed(server)
            await site.stop()
            with pytest.raises(aiohttp.ClientConnectionError):
                await session.get(f"{address}/200")
            await _probed(server)
    finally:
        await runner.cleanup()


async def _probed(server: _Server) -> None:
    async with asyncio.timeout(10):
        await server.probed.wait()
    server.probed.clear()


@pytest.mark.virtual
async def test_a_defect_of_the_probe_does_not_vanish() -> None:
    """An exception of the probe is raised; otherwise every caller would wait for ever."""

    async def broken() -> str | None:
        raise ZeroDivisionError("a bug")

    availability = Availability(broken)
    availability.request_probe()
    async with asyncio.timeout(10):
        with pytest.raises(ZeroDivisionError):
            await availability.run()
