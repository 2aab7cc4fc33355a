"""An event loop in a thread, for servers that a test starts and stops."""

import asyncio
import socket
import threading
from asyncio.trsock import TransportSocket
from collections.abc import Coroutine, Iterable
from typing import Any, Final, TypeVar

_SECONDS: Final = 15.0
_CHECK_SECONDS: Final = 0.02
T = TypeVar("T")


class LoopThread:
    """A running event loop; `call` runs a coroutine on it and waits for its result."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`.

        Raises:
            TimeoutError: it took longer than any start or stop should.
        """
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(_SECONDS)

    def stop(self) -> None:
        """Cancel what still runs, break off all connections, and end the loop."""
        self.call(_cancel_others())
        self.call(self._break_off())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(_SECONDS)
        self.loop.close()

    async def _break_off(self) -> None:
        # A TLS connection that was closed still waits for the other side's farewell, longer than this loop lives.
        # asyncio has no public list of the transports, and nobody else knows those in a handshake.
        for transport in list(self.loop._transports.values()):  # type: ignore[attr-defined]  # noqa: SLF001
            transport.abort()
        await asyncio.sleep(0)


def bound_socket(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """A socket for a server to listen on; at any free port by default.

    Raises:
        OSError: the port is taken, or the address is not this machine's.
    """
    # With the protocol named, asyncio turns Nagle's algorithm off; without, each answer would take 40 ms.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((host, port))
    return bound


async def stop_accepting(listening: Iterable[socket.socket | TransportSocket]) -> None:
    """Accept no more connections, and let each that is being accepted have its transport and its protocol.

    To be called before a server is closed: Python 3.11 would leave the sockets of such connections open.
    """
    loop = asyncio.get_running_loop()
    for each in listening:
        loop.remove_reader(each.fileno())
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def until(event: threading.Event) -> None:
    """Wait for a thread's event without holding up the loop."""
    while not event.is_set():  # noqa: ASYNC110 - it is set in another thread, which wakes no loop
        await asyncio.sleep(_CHECK_SECONDS)
