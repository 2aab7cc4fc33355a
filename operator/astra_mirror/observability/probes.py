"""/healthz, /readyz and /metrics, for the kubelet and Prometheus."""

import errno
import socket
from collections.abc import Callable
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

_NO_IPV6: Final = frozenset(
    {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT, errno.EPFNOSUPPORT, errno.ENETUNREACH}
)

NotReadyReason = Callable[[], str | None]
"""Why the operator is not ready; None when it is."""


def application(not_ready_reason: NotReadyReason) -> web.Application:
    """The application with the three handlers.

    /healthz responds while the event loop runs. /readyz also fails for conditions that a restart would not cure, such
    as an API server that is away.
    """

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        reason = not_ready_reason()
        return web.Response(text="ok\n") if reason is None else web.Response(status=503, text=f"{reason}\n")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    return app


class HTTPServer:
    """The server, as a context manager.

    Args:
        address: HOST:PORT; without a host, all addresses of both families by one socket.
        not_ready_reason: why /readyz fails; None while it succeeds.
        started: called with the bound address.

    Raises:
        OSError: on entering, when the address cannot be bound.
    """

    def __init__(self, address: str, not_ready_reason: NotReadyReason, started: Callable[[str], None]) -> None:
        host, _, port = address.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)
        self._runner = web.AppRunner(application(not_ready_reason), access_log=None)
        self._started = started

    async def __aenter__(self) -> None:
        await self._runner.setup()
        if self._host:
            await web.TCPSite(self._runner, self._host, self._port).start()
        else:
            await web.SockSite(self._runner, everywhere(self._port)).start()
        host, port = self._runner.addresses[0][:2]
        self._started(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()


def everywhere(port: int) -> socket.socket:
    """A socket bound to the port on all addresses: of both families, or of IPv4 only where IPv6 is off.

    Raises:
        OSError: neither family can be bound.
    """
    try:
        return _bound(socket.AF_INET6, "::", port)
    except OSError as error:
        if error.errno not in _NO_IPV6:
            raise
    return _bound(socket.AF_INET, "0.0.0.0", port)  # noqa: S104 - the option says all addresses


def _bound(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    return made
