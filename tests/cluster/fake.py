"""An API server on a real socket that responds as a test sets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from kubernetes.aio import client

from astra_mirror.cluster.kubeconfig import ClusterConfig

Answer = web.StreamResponse | tuple[int, Any]
"""A response, or a status code and a JSON value."""


@dataclass
class APIServer:
    """Records the requests that it receives, and responds as the test sets."""

    answer: Callable[[web.Request], Answer | None] = lambda _: (200, {})
    asked: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    received: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Respond as the test sets; None means never."""
        body = await request.json() if request.can_read_body else None
        self.asked.append((request.method, request.path, dict(request.query), body))
        async with self.received:
            self.received.notify_all()
        answer = self.answer(request)
        if answer is None:
            await asyncio.get_running_loop().create_future()
        if isinstance(answer, web.StreamResponse):
            return answer
        code, value = answer or (500, {})
        return web.json_response(value, status=code)

    async def until(self, number: int) -> None:
        """Wait until that many requests have arrived."""
        async with asyncio.timeout(30), self.received:
            await self.received.wait_for(lambda: len(self.asked) >= number)


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[APIServer, client.ApiClient]]:
    """The server, and a client for it, during a `with` block."""
    server = APIServer()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address: tuple[str, int] = runner.addresses[0]
    configuration = client.Configuration()
    configuration.host = f"http://127.0.0.1:{address[1]}"
    try:
        async with client.ApiClient(configuration) as api:
            yield server, api
    finally:
        await runner.cleanup()


def config(host: str = "https://kube.example", authorization: str | None = None) -> ClusterConfig:
    """A configuration with nothing but a server and, if given, credentials."""
    return ClusterConfig(
        host=host,
        authorization=authorization,
        expires_at=None,
        is_in_file=False,
        ca_file=None,
        cert_file=None,
        key_file=None,
        verify=True,
        server_name=None,
        proxy=None,
    )
