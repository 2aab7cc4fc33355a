"""Servers on loopback that speak less than HTTP, each in a thread of its own."""

import abc
import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from dev.loop_thread import LoopThread, stop_accepting


class StreamServer(abc.ABC):
    """Listens on `port` as long as it is entered, or until `stop`; a subclass says what a connection gets.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self.thread = LoopThread(name)
        self._connections: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = self.thread.call(self._start())

    @property
    def url(self) -> str:
        """Its address, for who speaks HTTP with it."""
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """End it and all its connections."""
        self.thread.call(self._stop())
        self.thread.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @abc.abstractmethod
    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, which is broken off when this returns."""

    async def _start(self) -> int:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _stop(self) -> None:
        await stop_accepting(self._server.sockets)
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.break_off()

    def break_off(self) -> None:
        """Break all connections; to be called on the loop."""
        for writer in self._connections:
            writer.transport.abort()

    @contextmanager
    def holding(self, writer: asyncio.StreamWriter) -> Iterator[None]:
        """A connection that is broken off with the others, and in the end in any case."""
        self._connections.add(writer)
        try:
            yield
        finally:
            self._connections.discard(writer)
            writer.transport.abort()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # At once: a task that is cancelled before it begins would leave the connection open.
        self._connections.add(writer)
        task = asyncio.get_running_loop().create_task(self._connected(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with self.holding(writer):
            try:
                await self._serve(reader, writer)
            except* (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                # Either side has gone, or the test is over; asyncio's streams would log a cancellation as a fault.
                pass
