"""The proxy for HTTP(S): it ends TLS, so that it can read and spoil what goes through it."""

import asyncio
import contextlib
import json
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Self

import aiohttp
from aiohttp import web
from yarl import URL

from dev.faultproxy.faults import Fault, Faults, Request, Requests
from dev.faultproxy.stream import Stream
from dev.loop_thread import LoopThread, bound_socket, stop_accepting, until

_CONNECTION_HEADERS: Final = frozenset(
    {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host", "content-length"}
)
_MAX_BODY: Final = 2**26


class FaultProxy(Faults):
    """A proxy that runs until `stop`. `url` is its address, `requests` the log of what it was asked.

    Args:
        upstream: the URL of the server behind it, without a path.
        authority: who has issued that server's certificate, in PEM format; for an https URL.
        certificate: the file with the proxy's own certificate chain; without, it speaks plain HTTP.
        key: the file with the key of that.
    """

    def __init__(
        self, upstream: str, *, authority: str | None = None, certificate: Path | None = None, key: Path | None = None
    ) -> None:
        super().__init__()
        self.requests = Requests()
        self._upstream = upstream
        self._upstream_context = ssl.create_default_context(cadata=authority) if authority else None
        self._context = _server_context(certificate, key) if certificate and key else None
        self._streams: set[Stream] = set()
        self._thread = LoopThread("fault proxy")
        self.changed = self._stir
        self.url = self._thread.call(self._start())

    def stop(self) -> None:
        """End it, also while requests hang."""
        self.clear()
        self._thread.call(self._stop())
        self._thread.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _start(self) -> str:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._upstream_context or True),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        # A watch upstream ends with the one downstream.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        self._listening = bound_socket()
        await web.SockSite(self._runner, self._listening, ssl_context=self._context).start()
        host, port = self._listening.getsockname()
        return f"{'https' if self._context else 'http'}://{host}:{port}"

    async def _stop(self) -> None:
        await stop_accepting([self._listening])
        await self._runner.cleanup()
        await self._session.close()

    def _stir(self) -> None:
        """Let each open watch look at the faults anew."""

        def stir() -> None:
            for stream in self._streams:
                stream.news.set()

        self._thread.loop.call_soon_threadsafe(stir)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        entry = Request(request.method, request.path, request.query_string)
        self.requests.append(entry)
        try:
            return await self._answer(request, entry)
        except (aiohttp.ClientError, ConnectionError):
            # Who is proxied is away: so is the proxy.
            return _cut(request)
        finally:
            entry.ended = time.time()

    async def _answer(self, request: web.Request, entry: Request) -> web.StreamResponse:
        if request.method == "PATCH":
            entry.uid = _uid_in(await request.read())
        fault = self.take(entry)
        if fault is not None and fault.latency:
            await asyncio.sleep(fault.latency)
        match fault.kind if fault else None:
            case "status" if fault:
                entry.status = fault.status
                return _refusal(fault)
            case "hang" if fault:
                await until(fault.cleared)
                return _cut(request)
            case "cut":
                return _cut(request)
        async with self._ask(request) as answer:
            if fault and fault.kind == "cut-answer":
                await answer.read()
                return _cut(request)
            entry.status = answer.status
            return await self._pass_on(request, entry, answer)

    @contextlib.asynccontextmanager
    async def _ask(self, request: web.Request) -> AsyncIterator[aiohttp.ClientResponse]:
        url = URL(f"{self._upstream}{request.raw_path}", encoded=True)
        headers = _end_to_end(request.headers)
        body = await request.read() or None
        async with self._session.request(
            request.method, url, data=body, headers=headers, allow_redirects=False
        ) as answer:
            yield answer

    async def _pass_on(
        self, request: web.Request, entry: Request, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        headers = _end_to_end(answer.headers)
        if entry.verb != "watch" or answer.status != HTTPStatus.OK:
            return web.Response(status=answer.status, headers=headers, body=await answer.read())
        response = web.StreamResponse(status=answer.status, headers=headers)
        await response.prepare(request)
        stream = Stream(self, entry)
        self._streams.add(stream)
        try:
            must_cut = await stream.pass_on(request, answer, response)
        finally:
            self._streams.discard(stream)
        if must_cut:
            _cut(request)
        return response


def _server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def _uid_in(patch: bytes) -> str:
    """The uid of the object that a patch is made for; "" where it names none."""
    try:
        return str(json.loads(patch)["metadata"]["uid"])
    except (ValueError, TypeError, KeyError):
        return ""


def _end_to_end(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers.items() if name.lower() not in _CONNECTION_HEADERS]


def _refusal(fault: Fault) -> web.Response:
    if fault.body is not None:
        headers = {"Content-Type": "text/plain"} | dict(fault.headers)
        return web.Response(status=fault.status, body=fault.body, headers=headers)
    body = json.dumps(_status_document(fault.status)).encode()
    return web.Response(
        status=fault.status, body=body, headers={"Content-Type": "application/json"} | dict(fault.headers)
    )


def _status_document(code: int) -> dict[str, Any]:
    """What an API server answers instead of an object."""
    phrase = HTTPStatus(code).phrase
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f"the fault proxy says {phrase}",
        "reason": phrase.replace(" ", ""),
        "code": code,
    }


def _cut(request: web.Request) -> web.Response:
    """Close the connection at once; the response that is returned can not be sent any more."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=HTTPStatus.BAD_GATEWAY)
