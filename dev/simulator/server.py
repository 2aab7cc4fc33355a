"""The simulator as a context manager: a real HTTP(S) server on loopback, in a thread of its own."""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Final, Self

import trustme
import uvicorn

from dev.loop_thread import LoopThread, bound_socket, stop_accepting
from dev.simulator.scheduled import ScheduledStore
from dev.simulator.store import DEFAULT_ACCOUNT, DEFAULT_APP
from dev.simulator.web import application

_START_SECONDS: Final = 10.0
_STOP_SECONDS: Final = 15.0


class _Server(uvicorn.Server):
    """uvicorn, which says when it is ready, and leaves no connection half accepted."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await stop_accepting(sockets or [])
        await super().shutdown(sockets)


class Simulator(ScheduledStore):
    """A running simulator; its state is what Store offers.

    `url` is its address, `ca_pem` its authority when it speaks TLS, `token` one that may read everything, `account` and
    `app` the ones that are meant when none is named.
    """

    account: Final = DEFAULT_ACCOUNT
    app: Final = DEFAULT_APP

    def __init__(
        self, *, host: str = "127.0.0.1", port: int = 0, tls: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(clock)
        self.token = self.add_token()
        self.ca_pem: str | None = None
        self._socket = bound_socket(host, port)
        # uvicorn's own configuration of logging would enable all loggers of this process that somebody has disabled.
        config = uvicorn.Config(
            application(self), log_config=None, log_level="critical", access_log=False, lifespan="off"
        )
        if tls:
            authority = trustme.CA()
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert(host, "localhost").configure_cert(context)
            self.ca_pem = authority.cert_pem.bytes().decode()
            config.load()
            config.ssl = context
        self.url = f"{'https' if tls else 'http'}://{host}:{self._socket.getsockname()[1]}"
        self._server = _Server(config)
        self._thread = LoopThread("simulator")
        self._serving = asyncio.run_coroutine_threadsafe(self._server.serve([self._socket]), self._thread.loop)

    @classmethod
    def start(
        cls, *, host: str = "127.0.0.1", port: int = 0, tls: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> Self:
        """Start one on an IPv4 address of this machine, on any free port by default.

        Raises:
            OSError: the port is taken, or the address is not this machine's.
            TimeoutError: the server did not come up.
        """
        self = cls(host=host, port=port, tls=tls, clock=clock)
        if not self._server.ready.wait(_START_SECONDS):
            raise TimeoutError("the simulator did not start")
        return self

    def stop(self) -> None:
        """End it, also while requests hang."""
        self.clear_faults()
        self._server.should_exit = True
        self._server.force_exit = True
        self._serving.result(_STOP_SECONDS)
        self._thread.stop()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
