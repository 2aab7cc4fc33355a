"""Whatever a server does with the token, no message and no log line has it, or half of it."""

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astra_mirror.astra.answers import AnswerError, failure_of, parse_backup, read_list
from astra_mirror.astra.client import AstraClient
from astra_mirror.astra.failures import unreachable
from astra_mirror.astra.listing import ListError
from astra_mirror.astra.transport import ClientPool
from astra_mirror.core.connection import TLS, Connection
from astra_mirror.core.outcome import Failed, Known, Listed, NotFound, Observed
from astra_mirror.core.request_plan import Collection, Document
from astra_mirror.core.urls import AllowedURL, BaseURL

ID = "00000000-0000-4000-8000-000000000001"
DOCUMENT = Document(ID, ID, ID)
TOKEN = "tOkEn-SeCrEt/0123456789+aBcDeF"
CONNECTION = Connection(BaseURL.parse("https://astra.example"), TOKEN)
_PIECE = 8


def pieces() -> Iterator[str]:
    """The texts that must not be shown, in lower case."""
    for start in range(len(TOKEN) - _PIECE + 1):
        yield TOKEN[start : start + _PIECE].lower()


def assert_clean(text: str) -> None:
    """Assert that a text has no piece of the token."""
    assert [piece for piece in pieces() if piece in text.lower()] == []


def answer(body: str | bytes, status: str = "200 OK", **headers: str) -> bytes:
    """A complete response."""
    encoded = body if isinstance(body, bytes) else body.encode()
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\n{lines}Content-Length: {len(encoded)}\r\n\r\n".encode() + encoded


def chunked(body: bytes) -> bytes:
    """A response in chunks."""
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body


def problem(**fields: object) -> str:
    """A problem document."""
    return json.dumps({"type": "t", "title": "bad", **fields})


def escaped(text: str) -> str:
    """The text as JSON may escape it."""
    return "".join(f"\\u{ord(each):04x}" for each in text)


ANSWERS = {
    "content-encoding": answer("x", Content_Encoding=TOKEN),
    "long header": answer("x", X_Long=TOKEN * 400),
    "long reason": f"HTTP/1.1 200 {TOKEN * 400}\r\n\r\n".encode(),
    "status line": f"{TOKEN}\r\n\r\n".encode(),
    "version": f"HTTP/{TOKEN} 200 OK\r\n\r\n".encode(),
    "status": f"HTTP/1.1 {TOKEN} OK\r\n\r\n".encode(),
    "header name": f'HTTP/1.1 200 OK\r\n"{TOKEN}" x: y\r\n\r\n'.encode(),
    "header without colon": f"HTTP/1.1 200 OK\r\n{TOKEN}\r\n\r\n".encode(),
    "quote": f"HTTP/1.1 200 OK\r\nX: a\x00'{TOKEN}\r\n\r\n".encode(),
    "content-length": f"HTTP/1.1 200 OK\r\nContent-Length: {TOKEN}\r\n\r\n".encode(),
    "two lengths": answer(TOKEN, Content_Length="7"),
    "transfer-encoding": f"HTTP/1.1 200 OK\r\nTransfer-Encoding: {TOKEN}\r\n\r\n{TOKEN}".encode(),
    "chunk size": chunked(f"{TOKEN}\r\n".encode()),
    "chunk extension": chunked(b"1;" + TOKEN.encode() * 400 + b"\r\n"),
    "chunk end": chunked(f"1\r\nx{TOKEN}\r\n".encode()),
    "trailer": chunked(f"0\r\n{TOKEN}\r\n\r\n".encode()),
    "gzip": answer(TOKEN, Content_Encoding="gzip"),
    "gzip body": answer(gzip.compress(TOKEN.encode()) + TOKEN.encode(), Content_Encoding="gzip"),
    "cookie": answer("{}", Set_Cookie=f'{TOKEN}="; {TOKEN}'),
    "location": answer("", "302 Found", Location=f"https://x.example/{TOKEN}"),
    "reason phrase": answer("", f"418 {TOKEN}"),
    "retry-after": answer("", "429 Slow", Retry_After=TOKEN),
    "no json": answer(TOKEN),
    "half a json": answer(f'{{"{TOKEN}'),
    "control character": answer(f'{{"a": "\x01{TOKEN}"}}'),
    "bad escape": answer(f'{{"a": "\\q{TOKEN}"}}'),
    "id": answer(json.dumps({"id": TOKEN, "state": "x"})),
    "id as a number": answer(f'{{"id": [{{"{TOKEN}": 1}}], "state": "x"}}'),
    "state": answer(json.dumps({"id": ID, "state": TOKEN * 100})),
    "html": answer(f"<p>{TOKEN}", "403 No"),
    "title": answer(problem(title=TOKEN), "500 E"),
    "upper case": answer(problem(detail=TOKEN.upper()), "500 E"),
    "escaped": answer(f'{{"type": "t", "title": "{escaped(TOKEN)}"}}', "401 E"),
    "correlation id": answer(problem(correlationID=f"x{TOKEN}"), "500 E"),
    "long correlation id": answer(problem(correlationID="x" * 50 + TOKEN), "500 E"),
    "params": answer(problem(invalidParams=[{"name": TOKEN, "reason": TOKEN}] * 40), "400 E"),
    **{f"cut at {each}": answer(problem(detail="x" * each + TOKEN), "404 E") for each in range(590, 640)},
    "ends": b"",
}


@asynccontextmanager
async def server(sent: bytes) -> AsyncIterator[str]:
    """A server that sends these bytes to every request and closes the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(sent)
            await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as serving:
        yield f"http://127.0.0.1:{serving.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("name", list(ANSWERS))
async def test_no_message_and_no_log_line_quotes_an_answer(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """No message and no log line quotes a response, for a single backup and for a list."""
    caplog.set_level(logging.DEBUG)
    async with server(ANSWERS[name]) as url:
        clients = ClientPool([AllowedURL.parse(url)])
        client, connection = AstraClient(clients, 5.0), Connection(BaseURL.parse(url), TOKEN)
        single = await client.get_backup(connection, DOCUMENT)
        listed = await client.list_backups(connection, Collection(ID, ID), Known({ID: None}))
        await clients.close()
    for outcome in (single, listed):
        assert_clean(repr(outcome))
        assert isinstance(outcome, Failed | NotFound | Observed | Listed)
    assert_clean(caplog.text)


async def test_no_error_of_a_request_quotes_its_headers() -> None:
    """Whoever might log an error of the library: the request in it is shown without the token."""
    async with server(b"garbage\r\n\r\n") as url:
        clients = ClientPool([AllowedURL.parse(url)])
        async with clients.use(TLS()) as client:
            with pytest.raises(aiohttp.ClientResponseError) as raised:
                await client.get(BaseURL.parse(url), "/", TOKEN)
        await clients.close()
    assert_clean(repr(raised.value))
    assert_clean(repr(raised.value.args))
    assert f"GET {url}" in repr(raised.value)


_DOCUMENT = {"id": ID, "state": "failed"}


@pytest.mark.parametrize("text", [TOKEN, f"x{TOKEN}y", TOKEN.lower(), "x" * 250 + TOKEN, "x" * 1010 + TOKEN])
def test_no_field_of_a_backup_has_it(text: str) -> None:
    """No field of a backup has the token, whole or cut, and everything else stays."""
    detail = [{"type": text, "title": text, "detail": text}]
    document = {
        **_DOCUMENT,
        **dict.fromkeys(("name", "version", "bucketID", "snapshotID", "scheduleID", "hookState"), text),
        "backupCreationTimestamp": text,
        "stateUnready": [text],
        "stateDetails": detail,
        "hookStateDetails": detail,
        "metadata": {"labels": [{"name": text, "value": text}], "createdBy": text, "modifiedBy": text},
    }
    backup = parse_backup(json.dumps(document).encode(), ID, CONNECTION.redact_text)
    assert_clean(repr(backup))
    assert backup.info is not None
    assert "[token]" in (backup.info.name or "") or "[cut]" in (backup.info.name or "")


def test_an_undocumented_state_has_it_not_and_a_documented_one_stays() -> None:
    """A documented state is shown although the token is the same word; any other state is redacted."""
    body = json.dumps({"id": ID, "state": f"failed {TOKEN}"}).encode()
    assert parse_backup(body, ID, CONNECTION.redact_text).state == "failed [token]"
    word = Connection(CONNECTION.url, "completed")
    body = json.dumps({"id": ID, "state": "completed", "stateUnready": ["completed it"]}).encode()
    assert parse_backup(body, ID, word.redact_text).state == "completed"


def test_the_document_stays_what_it_was() -> None:
    """A token that is part of a name or of an id neither makes the document invalid nor changes the id."""
    for token in (ID, "stateUnready", '"id":"' + ID, "metadata"):
        body = json.dumps({**_DOCUMENT, "stateUnready": ["ok"]}, separators=(",", ":")).encode()
        backup = parse_backup(body, ID, Connection(CONNECTION.url, token).redact_text)
        assert (backup.id, backup.state_unready) == (ID, ("ok",))


@given(
    st.recursive(
        st.none() | st.integers() | st.just(TOKEN) | st.text(),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["id", "state", "title", "type", "detail", TOKEN]), inner)
        ),
    )
)
def test_any_document_with_the_token_in_it(document: object) -> None:
    """No outcome has the token, for any backup or problem document that contains it."""
    body = json.dumps(document).encode()
    try:
        assert_clean(repr(parse_backup(body, ID, CONNECTION.redact_text)))
    except AnswerError as error:
        assert_clean(str(error))
    for code in (400, 401, 404, 500, 418, 302):
        assert_clean(repr(failure_of(code, body, CONNECTION.redact_text)))


@given(st.lists(st.sampled_from([TOKEN, '"', "{", "}", "[", "]", ":", ",", "\\", "items", '"items"', "1", "\x00"])))
def test_any_list_with_the_token_in_it(parts: list[str]) -> None:
    """No outcome has the token, for any list that contains it."""

    async def read() -> str:
        try:
            return repr(await read_list(["".join(parts).encode()], Known({ID: None}), CONNECTION.redact_text))
        except ListError as error:
            return str(error)

    assert_clean(asyncio.run(read()))


@given(st.sampled_from([OSError, ValueError, ConnectionResetError, TimeoutError]), st.none() | st.integers(0, 200))
def test_an_error_of_any_library_is_told_in_our_words(kind: type[Exception], number: int | None) -> None:
    """No library's error message is shown."""
    error = kind(number, TOKEN) if number is not None else kind(TOKEN)
    assert_clean(unreachable(CONNECTION, error).message)
