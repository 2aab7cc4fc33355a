"""The layer below HTTP: bytes that are forwarded, frozen or cut, and the tunnel that HTTPS_PROXY names."""

import asyncio
import contextlib
import ctypes
import socket
import threading
from typing import Final, Self

from dev.faultproxy.thread import LoopThread, until

_SO_ATTACH_FILTER: Final = 26
_CHUNK: Final = 2**16


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(_Instruction)))


def drop_everything(connection: socket.socket) -> None:
    """Let the kernel drop each segment that comes in for a TCP connection, so that nothing is acknowledged any more.

    To the peer it is a host that has vanished: no FIN, no RST. A filter of one instruction, `return 0`; no privilege is
    needed. See socket(7), SO_ATTACH_FILTER.
    """
    instructions = (_Instruction * 1)(_Instruction(0x06, 0, 0, 0))
    program = _Program(1, instructions)
    connection.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, bytes(program))


class _Server:
    """A server on loopback in a thread of its own; a subclass says where each connection leads."""

    def __init__(self, name: str) -> None:
        self._thread = LoopThread(name)
        self._running = threading.Event()
        self._running.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = self._thread.call(self._start())

    def stop(self) -> None:
        """End it and all its connections."""
        self.cut()
        self._thread.call(self._stop())
        self._thread.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def freeze(self) -> None:
        """Forward nothing any more; connections stay, and new ones are accepted: a process that was stopped."""
        self._running.clear()

    def thaw(self) -> None:
        """Undo `freeze`; what was sent meanwhile arrives."""
        self._running.set()

    def cut(self) -> None:
        """Break all connections."""

        def cut() -> None:
            for writer in self._writers:
                writer.transport.abort()

        self._thread.loop.call_soon_threadsafe(cut)

    async def _start(self) -> int:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _stop(self) -> None:
        self._server.close()

    async def _target(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int] | None:
        raise NotImplementedError

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        there: asyncio.StreamWriter | None = None
        try:
            target = await self._target(reader, writer)
            if target is None:
                return
            from_there, there = await asyncio.open_connection(*target)
            self._writers.add(there)
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._copy(reader, there))
                ways.create_task(self._copy(from_there, writer))
        except* (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # Either side has gone, and so does the other; asyncio's streams would log a cancellation as a fault.
            pass
        finally:
            for each in (writer, there):
                if each is not None:
                    self._writers.discard(each)
                    each.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            await until(self._running)
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError


class TCPProxy(_Server):
    """Forwards connections on `port` to another port of this machine, whatever they speak."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        super().__init__("tcp proxy")

    async def _target(self, _reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> tuple[str, int]:
        return "127.0.0.1", self._target_port


class Tunnel(_Server):
    """A proxy that is asked to CONNECT; `asked` are the addresses that it was asked for.

    Every address leads to 127.0.0.1, so that a name that nobody else resolves can be proxied in a test.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__("tunnel")

    @property
    def url(self) -> str:
        """What HTTPS_PROXY or proxy-url would say."""
        return f"http://127.0.0.1:{self.port}"

    async def _target(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int] | None:
        head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0].decode("latin-1").split(" ")
        self.asked.append(head[1])
        if head[0] != "CONNECT":
            writer.write(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
            with contextlib.suppress(OSError):
                await writer.drain()
            return None
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        return "127.0.0.1", int(head[1].rpartition(":")[2])
