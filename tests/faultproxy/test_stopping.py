"""A test server that is stopped leaves nothing open.

Python's warning would fail whatever test runs when the garbage is collected.
"""

import contextlib
import gc
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
import trustme
from yarl import URL

from dev.faultproxy import FaultProxy
from dev.hostile.echo import EchoServer
from dev.simulator.server import Simulator

_STOPS: Final = 5


def _proxy(folder: Path) -> FaultProxy:
    certificate = trustme.CA().issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    return FaultProxy("http://127.0.0.1:1", certificate=folder / "server.pem", key=folder / "server.pem")


def _simulator(_: Path) -> Simulator:
    return Simulator.start(tls=True)


def _echo_server(_: Path) -> EchoServer:
    return EchoServer()


def _connect(url: str, *, with_handshake: bool) -> socket.socket:
    address = URL(url)
    connection = socket.create_connection((address.host or "", address.port or 0), 5)
    if not with_handshake or address.scheme == "http":
        return connection
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connection)


@pytest.mark.parametrize("with_handshake", [True, False])
@pytest.mark.parametrize("start", [_proxy, _simulator])
def test_a_connection_whose_client_says_nothing(
    tmp_path: Path, start: Callable[[Path], FaultProxy | Simulator], with_handshake: bool
) -> None:
    """It is broken off: there is nobody who would take part in the end of TLS."""
    server = start(tmp_path)
    with _connect(server.url, with_handshake=with_handshake):
        server.stop()
        gc.collect()


@contextlib.contextmanager
def _connecting(url: str) -> Iterator[None]:
    """Connections all the time."""
    ended = threading.Event()

    def connect() -> None:
        while not ended.is_set():
            with contextlib.suppress(OSError), _connect(url, with_handshake=False):
                pass

    thread = threading.Thread(target=connect)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize("start", [_proxy, _simulator, _echo_server])
def test_connections_that_are_being_accepted(
    tmp_path: Path, start: Callable[[Path], FaultProxy | Simulator | EchoServer]
) -> None:
    """They end with the server."""
    for _ in range(_STOPS):
        server = start(tmp_path)
        with _connecting(server.url):
            server.stop()
        gc.collect()
