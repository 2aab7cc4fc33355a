"""The addresses of /healthz, /readyz and /metrics, and what the probes respond."""

import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from astra_mirror.observability.probes import HTTPServer, everywhere


@asynccontextmanager
async def _serving(address: str, lacks: str | None = None) -> AsyncIterator[str]:
    """Serve during a `with` block; the address that is reported."""
    told: list[str] = []
    async with HTTPServer(address, lambda: lacks, told.append):
        yield told[0]


async def _get(host: str, port: str, path: str = "/healthz") -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://{host}:{port}{path}") as response:
        return response.status, await response.text()


def _loopback() -> list[str]:
    """This machine's loopback addresses, one for each family."""
    try:
        with socket.socket(socket.AF_INET6) as tried:
            tried.bind(("::1", 0))
    except OSError:
        return ["127.0.0.1"]
    return ["127.0.0.1", "[::1]"]


async def test_all_addresses_of_both_families() -> None:
    """Without a host, one socket serves all addresses of the families that the machine has."""
    async with _serving(":0") as address:
        port = address.rpartition(":")[2]
        for host in _loopback():
            assert await _get(host, port) == (200, "ok\n")


@pytest.mark.parametrize("host", _loopback())
async def test_one_address(host: str) -> None:
    """With a host, other addresses are not served."""
    async with _serving(f"{host}:0") as address:
        assert address.rpartition(":")[0] == host
        port = address.rpartition(":")[2]
        assert await _get(host, port) == (200, "ok\n")
        with pytest.raises(aiohttp.ClientConnectionError):
            await _get("127.0.0.1" if host == "[::1]" else "127.0.0.2", port)


@pytest.mark.parametrize("code", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
def test_where_ipv6_is_off(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where IPv6 is missing or switched off, IPv4 alone is served."""
    made = socket.socket

    def without_ipv6(family: int, kind: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(code, "no IPv6")
        return made(family, kind)

    with monkeypatch.context() as patched:
        patched.setattr(socket, "socket", without_ipv6)
        bound = everywhere(0)
    with bound:
        assert bound.family is socket.AF_INET
        assert bound.getsockname()[0] == "0.0.0.0"


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6][: len(_loopback())])
def test_a_port_in_use(family: socket.AddressFamily) -> None:
    """A port in use is an error in either family."""
    with socket.socket(family, socket.SOCK_STREAM) as taken:
        taken.bind(("", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            everywhere(taken.getsockname()[1])


async def test_what_is_lacking_is_said() -> None:
    """While the operator is not ready, /readyz says why, and /healthz still succeeds."""
    async with _serving("127.0.0.1:0", lacks="the API server is away") as address:
        host, _, port = address.rpartition(":")
        assert await _get(host, port, "/readyz") == (503, "the API server is away\n")
        assert await _get(host, port, "/healthz") == (200, "ok\n")


async def test_no_series_says_when_another_was_created() -> None:
    """It would double what is scraped, and say no more than the start of the process does."""
    async with _serving("127.0.0.1:0") as address:
        host, _, port = address.rpartition(":")
        _, text = await _get(host, port, "/metrics")
    assert "astra_mirror_remote_request_seconds" in text
    assert "_created" not in text
