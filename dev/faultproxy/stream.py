"""A watch on its way through the proxy, line by line, and what can happen to it while it is open."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from aiohttp import web

from dev.faultproxy.faults import Fault, Faults, Request
from dev.faultproxy.tcp import drop_everything
from dev.loop_thread import until


class Stream:
    """One watch. `news` is set when the faults have changed."""

    def __init__(self, faults: Faults, entry: Request) -> None:
        self._faults = faults
        self._entry = entry
        self.news = asyncio.Event()

    async def pass_on(self, request: web.Request, answer: aiohttp.ClientResponse, response: web.StreamResponse) -> bool:
        """Forward until it ends; whether the connection has to be cut then."""
        async for line in self._lines(answer):
            fault = self._faults.take(self._entry, stream=True)
            match fault.kind if fault else None:
                case "error-event" if fault:
                    await response.write(json.dumps(fault.event).encode() + b"\n")
                    return False
                case "silent" | "dead" if fault:
                    await _go_dark(request, fault)
                    return True
                case "swallow" if fault and line and json.loads(line).get("type") in fault.types:
                    continue
            if line:
                await response.write(line)
        return False

    async def _lines(self, answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """The lines as they come, and an empty one at first and whenever the faults have changed."""
        yield b""
        chunks = answer.content.iter_any()
        rest = b""
        coming: asyncio.Future[Any] | None = None
        news: asyncio.Future[Any] = asyncio.ensure_future(self.news.wait())
        try:
            while True:
                coming = coming or asyncio.ensure_future(anext(chunks, b""))
                await asyncio.wait({coming, news}, return_when=asyncio.FIRST_COMPLETED)
                if news.done():
                    self.news.clear()
                    news = asyncio.ensure_future(self.news.wait())
                    yield b""
                if coming.done():
                    chunk, coming = coming.result(), None
                    if not chunk:
                        break
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        yield line + b"\n"
        finally:
            for each in (coming, news):
                if each is not None:
                    each.cancel()
        if rest:
            yield rest


async def _go_dark(request: web.Request, fault: Fault) -> None:
    if fault.kind == "dead" and request.transport is not None:
        drop_everything(request.transport.get_extra_info("socket"))
    await until(fault.cleared)
