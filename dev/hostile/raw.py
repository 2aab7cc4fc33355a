"""A server that answers with the very bytes that a test gives, whatever HTTP says of them."""

import asyncio
from typing import Self

from dev.faultproxy.thread import LoopThread


class RawServer:
    """The server, on loopback; `url` is its address, `asked` the requests' heads so far.

    Args:
        answer: what each request is answered with; the connection is closed after it.
    """

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self.asked: list[bytes] = []
        self._thread = LoopThread("raw server")
        self.url = f"http://127.0.0.1:{self._thread.call(self._start())}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.call(self._stop())
        self._thread.stop()

    async def _start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _stop(self) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(self._answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            # The client has gone, or the test is over; asyncio's streams would log a cancellation as a fault.
            pass
        finally:
            writer.close()
