"""Below HTTP: connections that are dead, frozen or cut, and the tunnel that HTTPS_PROXY names."""

import errno
import socket
import threading
import time
from contextlib import suppress

import pytest

from dev.faultproxy import FaultProxy, TCPProxy, Tunnel
from tests.faultproxy.upstream import Upstream


def _can_be_used(connection: socket.socket) -> bool:
    try:
        connection.sendall(b"x")
        return bool(connection.recv(1))
    except ConnectionError:
        return False


def _read_to_the_end(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def test_a_dead_connection_acknowledges_nothing(proxy: FaultProxy) -> None:
    """TCP itself finds out, when it is told to look: a silent one would be kept for ever."""
    connection = socket.create_connection(("127.0.0.1", int(proxy.url.rpartition(":")[2])), timeout=20)
    with connection, proxy.fault(kind="dead"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 2000)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
        connection.sendall(b"GET /api/v1/secrets?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(OSError, match=r"timed out") as caught:
            _read_to_the_end(connection)
        # The kernel's own time-out, not the test's.
        assert caught.value.errno == errno.ETIMEDOUT


def test_bytes_that_are_frozen_and_cut(upstream: Upstream) -> None:
    """The layer below: nothing comes while it is frozen, all of it afterwards, and nothing after a cut."""
    with (
        TCPProxy(upstream.port) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as connection,
    ):
        connection.sendall(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        proxy.freeze()
        begun = time.monotonic()
        threading.Timer(0.3, proxy.thaw).start()
        connection.sendall(b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n")
        while b"/b" not in connection.recv(4096):
            pass
        assert time.monotonic() - begun >= 0.3
        proxy.cut()
        with suppress(ConnectionError):
            _read_to_the_end(connection)
        assert not _can_be_used(connection)


def test_a_tunnel(upstream: Upstream) -> None:
    """CONNECT, and what was asked for; the name leads here whatever it is."""
    with Tunnel() as tunnel, socket.create_connection(("127.0.0.1", tunnel.port), timeout=10) as connection:
        connection.sendall(b"CONNECT nowhere.example:%d HTTP/1.1\r\n\r\n" % upstream.port)
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        assert tunnel.asked == [f"nowhere.example:{upstream.port}"]
