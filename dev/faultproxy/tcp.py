"""The layer below HTTP: bytes that are forwarded, frozen or cut, and the tunnel that HTTPS_PROXY names."""

import abc
import asyncio
import contextlib
import ctypes
import socket
import threading
from typing import Final

from dev.faultproxy.listener import StreamServer
from dev.loop_thread import until

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


class _Forwarder(StreamServer):
    """Forwards what each connection sends; a subclass says where it leads."""

    def __init__(self, name: str) -> None:
        self._running = threading.Event()
        self._running.set()
        super().__init__(name)

    def freeze(self) -> None:
        """Forward nothing any more; connections stay, and new ones are accepted: a process that was stopped."""
        self._running.clear()

    def thaw(self) -> None:
        """Undo `freeze`; what was sent meanwhile arrives."""
        self._running.set()

    def cut(self) -> None:
        """Break all connections."""
        self.thread.loop.call_soon_threadsafe(self.break_off)

    @abc.abstractmethod
    async def _target(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int] | None:
        """Where a connection leads; None when it was answered here."""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (target := await self._target(reader, writer)) is None:
            return
        from_there, there = await asyncio.open_connection(*target)
        with self.holding(there):
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._copy(reader, there))
                ways.create_task(self._copy(from_there, writer))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            await until(self._running)
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError


class TCPProxy(_Forwarder):
    """Forwards connections on `port` to another port of this machine, whatever they speak."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        super().__init__("tcp proxy")

    async def _target(self, _reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> tuple[str, int]:
        return "127.0.0.1", self._target_port


class Tunnel(_Forwarder):
    """A proxy that is asked to CONNECT; `asked` are the addresses that it was asked for.

    Every address leads to 127.0.0.1, so that a name that nobody else resolves can be proxied in a test.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__("tunnel")

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
