"""A server that answers with the very bytes that a test gives, whatever HTTP says of them."""

import asyncio

from dev.faultproxy.listener import StreamServer


class RawServer(StreamServer):
    """The server; `asked` are the requests' heads so far.

    Args:
        answer: what each request is answered with; the connection is closed after it.
    """

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self.asked: list[bytes] = []
        super().__init__("raw server")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self._answer)
        writer.close()
        await writer.wait_closed()
