"""A server whose lists are held: almost 4 MiB each, the last byte seconds later. Single backups are small and quick.

Lists of the accounts in `large` come at once instead: almost a MiB of items, each time others.
"""

import asyncio
from collections.abc import Collection
from typing import Final

from dev.faultproxy.listener import StreamServer

BODY: Final = b'{"items":[' + b" " * (4 * 2**20 - 100) + b"]}"
_ITEM: Final = b'{"id":"%032d","state":"running","name":"' + b"x" * 200 + b'","stateUnready":[]}'
_ITEMS: Final = [_ITEM % (number + 1_000_000) for number in range(3500)]


class HeldLists(StreamServer):
    """The server; `asked` counts the lists that it was asked for."""

    def __init__(self, *, seconds: float = 9.0, large: Collection[str] = ()) -> None:
        self._seconds = seconds
        self._large = {each.encode() for each in large}
        self.asked = 0
        super().__init__("held lists")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1]
            if path.endswith(b"appBackups"):
                self.asked += 1
                is_large = any(each in path for each in self._large)
                await (self._send_large(writer) if is_large else self._hold(writer))
            else:
                await _send(writer, b'{"id":"' + path.rsplit(b"/", 1)[1] + b'","state":"running"}')

    async def _send_large(self, writer: asyncio.StreamWriter) -> None:
        items = b",".join([_ITEM % self.asked, *_ITEMS])
        await _send(writer, b'{"items":[' + items + b"]}")

    async def _hold(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY))
        writer.write(BODY[:-1])
        await writer.drain()
        await asyncio.sleep(self._seconds)
        writer.write(BODY[-1:])
        await writer.drain()


async def _send(writer: asyncio.StreamWriter, body: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    await writer.drain()
