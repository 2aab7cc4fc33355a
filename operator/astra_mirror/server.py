"""/healthz, /readyz and /metrics, for the kubelet and Prometheus."""

import asyncio
from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest


class Health:
    """What the probes are told.

    Ready: the watch runs. Healthy: the event loop turns, which answering shows; a lost Lease or a dead watch ends the
    process instead.
    """

    def __init__(self) -> None:
        self.ready = asyncio.Event()


def application(health: Health) -> web.Application:
    """The handlers."""

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        if health.ready.is_set():
            return web.Response(text="ok\n")
        return web.Response(status=503, text="the watch on AppBackupRefs has not started\n")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    return app


class HTTPServer:
    """The server, as a context manager.

    Raises:
        OSError: on entering, when the address is not to be had.
    """

    def __init__(self, host: str, port: int, health: Health, started: Callable[[str], None]) -> None:
        self._host, self._port = host, port
        self._runner = web.AppRunner(application(health), access_log=None)
        self._started = started

    async def __aenter__(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        host, port = self._runner.addresses[0][:2]
        self._started(f"{host}:{port}")

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
