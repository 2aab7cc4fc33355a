"""A server or a proxy that echoes the operator's credentials puts them into no line of the log and into no error."""

import asyncio
import base64
import json
import logging
import re
import traceback
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

import aiohttp
import pytest
from kubernetes.aio import client

from astra_mirror.cluster.api import error_text, failure_text
from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.endpoint import Endpoint
from astra_mirror.cluster.raw import Response
from astra_mirror.cluster.secret_wire import ReadError, event_of
from astra_mirror.cluster.watch import _end_reason
from astra_mirror.core.secret_names import SecretSelector
from astra_mirror.observability import logs
from astra_mirror.observability.hidden_values import HiddenValues
from tests.cluster.fake import config

_TOKEN: Final = "abcdefgh.token-of-the-operator"
_PASSWORD: Final = "pass:word/of?the#operator"
_BASIC: Final = base64.b64encode(f"me:{_PASSWORD}".encode()).decode()
_CONFIG: Final = config("http://kube.example", f"Bearer {_TOKEN}")
_ECHOES: Final = {
    "a body": "HTTP/1.1 500 Error\r\nContent-Length: {length}\r\n\r\n{echo}",
    "a Status": (
        "HTTP/1.1 500 Error\r\nContent-Type: application/json\r\nContent-Length: {status_length}\r\n\r\n{status}"
    ),
    "a reason phrase": "HTTP/1.1 500 {echo}\r\nContent-Length: 0\r\n\r\n",
    "an invalid header": "HTTP/1.1 500 Error\r\nX-Echo: {echo}\0\r\nContent-Length: 0\r\n\r\n",
    "an invalid status line": "HTTP/1.1 {echo}\r\nContent-Length: 0\r\n\r\n",
    "a header": "HTTP/1.1 500 Error\r\nX-Echo: {echo}\r\nContent-Length: 0\r\n\r\n",
}


_UNFINISHED: Final = {
    "a header that is invalid": "HTTP/1.1 502 Bad\r\nX-Echo: {echo}\rx\r\n\r\n",
    "a header whose name is invalid": "HTTP/1.1 502 Bad\r\n{echo} (x\r\n\r\n",
    "a header that is too long": "HTTP/1.1 502 Bad\r\nX-Echo: {echo}" + "x" * 9000 + "\r\n\r\n",
    "a header that has no end": "HTTP/1.1 502 Bad\r\nX-Echo: {echo}",
    "a length that is no number": "HTTP/1.1 200 OK\r\nContent-Length: {echo}\r\n\r\n",
    "a status that is no number": "HTTP/1.1 5{echo}\r\n\r\n",
    "a reason phrase that is invalid": "HTTP/1.1 502 {echo}\rx\r\n\r\n",
    "a body that is too short": "HTTP/1.1 502 Bad\r\nContent-Length: 9999\r\n\r\n{echo}",
}


@asynccontextmanager
async def _echoing(response: str, at: slice = slice(None)) -> AsyncIterator[str]:
    """A server that sends the credentials of each request back; yields its host and port.

    `at` is the part of the credentials that it sends. What follows their 14th character is sent later.
    """
    answers: list[asyncio.Task[None] | None] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers.append(asyncio.current_task())
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        echo = " ".join(re.findall(r"(?mi)^(?:proxy-)?authorization: (.*?)\r$", request))
        status = f'{{"kind": "Status", "apiVersion": "v1", "message": "refused {echo}"}}'
        text = response.format(echo=echo[at], length=len(echo), status=status, status_length=len(status)).encode()
        head = text.find(echo[at].encode()) + len("Bearer ") + 14
        writer.write(text[:head])
        await asyncio.sleep(0.02)
        writer.write(text[head:])
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield "{}:{}".format(*server.sockets[0].getsockname())
        await asyncio.wait([each for each in answers if each is not None])


@pytest.fixture
def hidden() -> Iterator[HiddenValues]:
    """What the log leaves out; the root logger is restored afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield HiddenValues()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize("way", ["direct", "tunnel"])
@pytest.mark.parametrize("sent", [slice(None), slice(len("Bearer ") + 10)], ids=["all", "its beginning"])
@pytest.mark.parametrize("response", _UNFINISHED.values(), ids=_UNFINISHED)
async def test_what_the_parser_quotes_is_not_logged(
    response: str, sent: slice, way: str, hidden: HiddenValues, capsys: pytest.CaptureFixture[str]
) -> None:
    """It quotes the TCP segment in which it failed: neither half of the credentials shows that they are credentials."""
    logs.configure("debug", "text", hidden)
    async with _echoing(response, sent) as server:
        config = replace(_CONFIG, host=f"http://{server}")
        if way == "tunnel":
            proxy = f"http://me:pass%3Aword%2Fof%3Fthe%23operator@{server}"
            config = replace(_CONFIG, host="https://kube.example", proxy=proxy, authorization=None)
        await _log_failures(Endpoint(config, hidden))
    written = capsys.readouterr().err
    assert written.count("test") >= 2
    shown = [_TOKEN[:8], _TOKEN[14:], _BASIC[:8], _BASIC[14:]]
    assert [each for each in shown if each in written] == []


async def _log_failures(endpoint: Endpoint) -> None:
    """Log what the callers of the API server log, and all that an error has to show."""
    logger = logging.getLogger("test")
    try:
        status, body = await endpoint.get("/api", seconds=5)
        logger.warning("%s", failure_text(status, None, body))
    except (aiohttp.ClientError, OSError) as error:
        logger.warning("%s %r", error_text(error), error, exc_info=error)
    api = endpoint.api_client(Availability())
    try:
        await client.CoreV1Api(api).list_namespace(_request_timeout=5)
    except (client.ApiException, aiohttp.ClientError, OSError) as error:
        logger.warning("%s %s %r", error_text(error), error, error, exc_info=error)
    finally:
        await api.close()  # type: ignore[no-untyped-call]
        await endpoint.close()


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("way", ["direct", "proxy", "tunnel"])
@pytest.mark.parametrize("response", _ECHOES.values(), ids=_ECHOES)
async def test_what_is_sent_back_is_not_logged(
    response: str, way: str, log_format: str, hidden: HiddenValues, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither the token nor the password of the proxy, whatever the library quotes."""
    logs.configure("debug", "json" if log_format == "json" else "text", hidden)
    async with _echoing(response) as server:
        proxy = f"http://me:pass%3Aword%2Fof%3Fthe%23operator@{server}"
        config = {
            "direct": replace(_CONFIG, host=f"http://{server}"),
            "proxy": replace(_CONFIG, proxy=proxy),
            "tunnel": replace(_CONFIG, host="https://kube.example", proxy=proxy),
        }[way]
        await _log_failures(Endpoint(config, hidden))
    written = capsys.readouterr().err
    assert written.count("test") >= 2
    assert [each for each in (_TOKEN, _PASSWORD, _BASIC, _TOKEN[9:20], _BASIC[9:20]) if each in written] == []


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "200 OK\r\nX: \0", "a"])
async def test_the_failure_of_a_tunnel_shows_no_credentials(status: str) -> None:
    """Its text, its repr and its traceback, also before anything is hidden in the log."""
    async with _echoing(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n") as proxy:
        config = replace(_CONFIG, host="https://kube.example", proxy=f"http://me:password@{proxy}")
        endpoint = Endpoint(config, HiddenValues())
        with pytest.raises(aiohttp.ClientError) as caught:
            await endpoint.get("/api", seconds=5)
        await endpoint.close()
    error = caught.value
    shown = f"{error} {error!r} {error.args!r} {''.join(traceback.format_exception(error))}"
    sent = base64.b64encode(b"me:password").decode()
    assert [each for each in ("password", sent, _TOKEN) if each in shown] == []


@pytest.mark.parametrize("length", range(455, 505))
def test_a_message_that_is_cut_within_a_password(length: int) -> None:
    """No beginning of it is logged."""
    hidden = HiddenValues()
    hidden.hide(["Tr0ub4dor&3x"])
    message = "x" * length + "Tr0ub4dor&3x" + "y" * 1000
    body = json.dumps({"kind": "Status", "apiVersion": "v1", "message": message}).encode()
    assert "Tr0u" not in hidden.redact(failure_text(500, None, body))
    longer = "z" * 524 + message
    for value in (json.loads(body) | {"message": longer}, longer):
        assert "Tr0u" not in hidden.redact(Response(500, value).message)
    assert "Tr0u" not in hidden.redact(_watch_error({"code": 500, "message": message}))
    assert "Tr0u" not in hidden.redact(error_text(client.ApiException(500, message.removeprefix("xxxx"))))


def _watch_error(status: Mapping[str, object]) -> str:
    line = json.dumps({"type": "ERROR", "object": status}).encode()
    with pytest.raises(ReadError) as caught:
        event_of(SecretSelector(None, "astra"), line)
    return str(caught.value)


async def _end_of_watch(error: Exception) -> str:
    async def fail() -> None:
        raise error

    task = asyncio.create_task(fail())
    await asyncio.wait([task])
    return _end_reason({task}) or ""


@pytest.mark.parametrize("text", ["a\n2026-11-27 INFO forged\x1b[2J", "\xff\n" * 250_000], ids=["lines", "length"])
async def test_what_the_api_server_sends_is_one_line_of_limited_length(text: str) -> None:
    """However it comes."""
    status = {"kind": "Status", "apiVersion": "v1", "message": text, "reason": text}
    shown = [
        failure_text(500, None, json.dumps(status).encode()),
        failure_text(500, text, b""),
        error_text(client.ApiException(500, text)),
        error_text(aiohttp.ClientConnectionError(text)),
        Response(500, status).message,
        Response(500, status).reason,
        Response(500, text).message,
        _watch_error({"code": 500, "message": text}),
        _watch_error({"code": [text], "message": ""}),
        await _end_of_watch(RuntimeError(text)),
        await _end_of_watch(aiohttp.ClientConnectionError(text)),
    ]
    assert [each for each in shown if not each.isprintable() or len(each) > 1024] == []
    assert all(each.count("2026") == text.count("2026") for each in shown)


async def test_what_the_parser_quotes_of_a_body_is_not_logged() -> None:
    """The one that aiohttp has in Python puts the line in which it failed into the error."""
    error = aiohttp.ClientPayloadError(f"400, message:\n  {_TOKEN[14:]}")
    assert error_text(error) == "the body of the response is incomplete or malformed"
    assert _TOKEN[14:] not in await _end_of_watch(error)
