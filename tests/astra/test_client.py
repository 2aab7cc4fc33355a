"""The client against a real server: every response, and every lack of one, becomes the right outcome."""

import asyncio
import gzip
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from astra_mirror.astra.bodies import MAX_DOCUMENT
from astra_mirror.astra.client import AstraClient
from astra_mirror.astra.transport import ClientPool
from astra_mirror.core.connection import TLS, Connection
from astra_mirror.core.outcome import Answer, Failed, NotFound, Observed, SyncReason
from astra_mirror.core.request_plan import Document
from astra_mirror.core.urls import AllowedURL, BaseURL
from dev.simulator import Backup, Simulator

ID = "00000000-0000-4000-8000-000000000001"
EXAMPLES = Path("dev/simulator/examples")


@pytest.fixture
async def clients(astra: Simulator) -> AsyncIterator[ClientPool]:
    """HTTP clients that may call the simulator."""
    clients = ClientPool([AllowedURL.parse(astra.url)])
    yield clients
    await clients.close()


def connection_to(astra: Simulator, *, token: str | None = None, tls: TLS | None = None) -> Connection:
    """The connection that a Secret for the simulator describes."""
    return Connection(BaseURL.parse(astra.url), token or astra.token, tls or TLS())


def document_of(backup: Backup) -> Document:
    """A ref to a backup."""
    return Document(backup.account, backup.app, backup.id)


async def ask(clients: ClientPool, astra: Simulator, backup: Backup, *, token: str | None = None) -> Answer:
    """One request for a backup."""
    return await AstraClient(clients, 5.0).get_backup(connection_to(astra, token=token), document_of(backup))


async def test_a_backup_is_observed_with_every_field(astra: Simulator, clients: ClientPool) -> None:
    """Each field of the document becomes a field of the backup."""
    backup = astra.add_backup("hooks-fail", seconds=0)
    backup.set(stateDetails=[{"type": "t", "title": "x", "detail": "y"}], scheduleID="s")
    outcome = await ask(clients, astra, backup)
    assert isinstance(outcome, Observed)
    seen = outcome.backup
    assert (seen.state, seen.hook_state, seen.percent_done) == ("completed", "failed", 100)
    assert seen.bytes_done == seen.total_bytes == 3_113_851_289
    assert seen.hook_state_details is not None
    assert seen.hook_state_details[0].title == "Execution hook failed"
    assert seen.state_details is not None
    assert seen.info is not None
    assert (seen.info.version, seen.info.schedule_id) == ("1.2", "s")
    assert seen.info.creation_timestamp == "2026-01-05T20:58:16.305662Z"
    request = astra.requests.matching()[-1]
    assert request.path == f"/accounts/{backup.account}/k8s/v1/apps/{backup.app}/appBackups/{backup.id}"


async def test_the_reference_pages_example_is_observed(astra: Simulator, clients: ClientPool) -> None:
    """The example document of the API reference is parsed, byte for byte."""
    backup = astra.add_backup(id="bab39d53-2d04-5297-b92e-58df89a2117b")
    backup.serve_raw((EXAMPLES / "backup.json").read_bytes())
    outcome = await ask(clients, astra, backup)
    assert isinstance(outcome, Observed)
    assert outcome.backup.state == "pending"
    assert outcome.backup.info is not None
    assert outcome.backup.info.name == "app-name-245"
    assert outcome.backup.percent_done is None


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        (400, SyncReason.INVALID_REQUEST, "Invalid query parameters"),
        (401, SyncReason.UNAUTHORIZED, "Missing bearer token"),
        (403, SyncReason.FORBIDDEN, "Operation not permitted"),
        (429, SyncReason.RATE_LIMITED, "429"),
        (500, SyncReason.SERVER_ERROR, "Backup not retrieved"),
        (502, SyncReason.SERVER_ERROR, "502"),
        (418, SyncReason.UNEXPECTED_RESPONSE, "418"),
    ],
)
async def test_each_status_code_has_its_reason(
    astra: Simulator, clients: ClientPool, status: int, reason: SyncReason, words: str
) -> None:
    """Each status code has its reason, and the message has the words of the problem document."""
    with astra.fault("*", status=status):
        outcome = await ask(clients, astra, astra.add_backup())
    assert isinstance(outcome, Failed)
    assert outcome.reason is reason
    assert words in outcome.message
    assert outcome.code == status


async def test_a_missing_backup_is_not_found(astra: Simulator, clients: ClientPool) -> None:
    """A 404 with a problem document says that the backup does not exist."""
    backup = astra.add_backup()
    backup.remove()
    outcome = await ask(clients, astra, backup)
    assert isinstance(outcome, NotFound)
    assert "Collection not found" in outcome.message


async def test_a_404_of_somebody_else_is_no_answer(astra: Simulator, clients: ClientPool) -> None:
    """The 404 page of a proxy does not mean that the backup does not exist."""
    with astra.fault("*", kind="plain-404"):
        outcome = await ask(clients, astra, astra.add_backup())
    assert isinstance(outcome, Failed)
    assert outcome.reason is SyncReason.UNEXPECTED_RESPONSE


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        ("body", b"<html>Sign in</html>", "not JSON"),
        ("body", b"", "not JSON"),
        ("body", b"\xff\xfe\x00", "not JSON"),
        ("body", b"[]", "not a backup"),
        ("body", b'{"id": 1, "state": "running"}', "id"),
        ("body", b'{"state": "running"}', "id"),
        ("body", b"[" * 100_000, "not JSON"),
        ("wrong-id", None, "another backup"),
        ("redirect", None, "redirect"),
        ("body", b" " * (MAX_DOCUMENT + 1), "larger than 1024 KiB"),
    ],
)
async def test_what_was_not_promised_is_unexpected(
    astra: Simulator, clients: ClientPool, kind: str, body: bytes | None, words: str
) -> None:
    """Each kind of invalid body is UnexpectedResponse, with a message that names the kind."""
    with astra.fault("*", kind=kind, body=body):
        outcome = await ask(clients, astra, astra.add_backup())
    assert isinstance(outcome, Failed)
    assert outcome.reason is SyncReason.UNEXPECTED_RESPONSE
    assert words in outcome.message
    assert outcome.code == (302 if kind == "redirect" else 200)
    assert len(astra.requests.matching()) == 1


@pytest.mark.parametrize(
    ("body", "encoding", "words"),
    [
        (gzip.compress(b" " * 300_000_000, 1), "gzip", "larger"),
        (gzip.compress(b"{}")[:-4], "gzip", "too early"),
        (b"no gzip", "gzip", "not valid gzip"),
        (b"x", "br", "'br'"),
    ],
    # The first two would be named after what gzip writes of the time.
    ids=["bomb", "cut", "no-gzip", "unknown"],
)
async def test_compressed_bodies_are_bounded(
    astra: Simulator, clients: ClientPool, body: bytes, encoding: str, words: str
) -> None:
    """A compressed body is never decompressed beyond the limit, and invalid compression is UnexpectedResponse."""
    with astra.fault("*", kind="body", body=body, headers={"Content-Encoding": encoding}):
        outcome = await ask(clients, astra, astra.add_backup())
    assert isinstance(outcome, Failed)
    assert outcome.reason is SyncReason.UNEXPECTED_RESPONSE
    assert words in outcome.message


@pytest.mark.parametrize(
    ("body", "headers"),
    [(b" " * (MAX_DOCUMENT + 1), {}), (b"no gzip", {"Content-Encoding": "gzip"}), (b"x", {"Content-Encoding": "br"})],
)
async def test_an_error_with_an_unreadable_body_is_what_its_code_says(
    astra: Simulator, clients: ClientPool, body: bytes, headers: dict[str, str]
) -> None:
    """The status code alone decides where the body of an error response cannot be read."""
    with astra.fault("*", status=401, body=body, headers=headers):
        outcome = await ask(clients, astra, astra.add_backup())
    assert isinstance(outcome, Failed)
    assert outcome.reason is SyncReason.UNAUTHORIZED
    assert "without a problem document" in outcome.message


async def test_good_gzip_is_read(astra: Simulator, clients: ClientPool) -> None:
    """A compressed document is decompressed."""
    backup = astra.add_backup("fails", seconds=0)
    backup.set(stateUnready=["x" * 250] * 30)
    outcome = await ask(clients, astra, backup)
    assert isinstance(outcome, Observed)
    assert len(outcome.backup.state_unready or ()) == 30


async def test_a_truncated_body_is_unreachable(astra: Simulator, clients: ClientPool) -> None:
    """A connection that is closed mid-response is Unreachable."""
    with astra.fault("*", kind="truncate"):
        outcome = await ask(clients, astra, astra.add_backup())
    assert outcome == Failed(SyncReason.UNREACHABLE, f"{astra.url}: connection closed mid-response.")


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("120", 120, 120),
        ("Wed, 01 Jan 2200 00:00:00 GMT", 10**9, 10**10),
        ("soon", None, None),
        ("0", None, None),
        ("000", None, None),
        ("-5", None, None),
        ("1.5", None, None),
        ("120, 120", None, None),
        ("", None, None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", None, None),
        ("99999999999999999999 Jan", None, None),
        ("Fri, 31 Dec 9999 23:59:59 -0100", None, None),
        ("9" * 400, 10**9, float("inf")),
    ],
)
async def test_retry_after_in_both_forms(
    astra: Simulator, clients: ClientPool, header: str, low: float | None, high: float | None
) -> None:
    """Retry-After may have seconds or an HTTP date; anything else is ignored."""
    with astra.fault("*", status=429, headers={"Retry-After": header}):
        outcome = await ask(clients, astra, astra.add_backup())
    assert isinstance(outcome, Failed)
    if low is None or high is None:
        assert outcome.retry_after is None
    else:
        assert outcome.retry_after is not None
        assert low <= outcome.retry_after <= high


async def test_a_hanging_server_costs_the_time_out(astra: Simulator, clients: ClientPool) -> None:
    """The time-out covers the whole exchange, and the message names it."""
    backup = astra.add_backup()
    with astra.fault("*", kind="hang"):
        outcome = await AstraClient(clients, 0.2).get_backup(connection_to(astra), document_of(backup))
    assert isinstance(outcome, Failed)
    assert outcome.reason is SyncReason.UNREACHABLE
    assert "within 0.2s" in outcome.message


async def test_a_dead_server_is_unreachable(clients: ClientPool, astra: Simulator) -> None:
    """A refused connection is Unreachable, and the message names the address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    outcome = await AstraClient(clients, 5).get_backup(
        Connection(BaseURL.parse(url), "t"), document_of(astra.add_backup())
    )
    assert isinstance(outcome, Failed)
    assert outcome.reason is SyncReason.UNREACHABLE
    assert url in outcome.message


async def test_an_echoed_token_is_cut_out(astra: Simulator, clients: ClientPool) -> None:
    """A problem document that repeats the token does not carry it into a status."""
    token = astra.add_token("t" * 60)
    body = f'{{"type": "t", "title": "bad", "detail": "{"x" * 600} {token}", "correlationID": "c(1)"}}'.encode()
    with astra.fault("*", status=500, body=body):
        outcome = await ask(clients, astra, astra.add_backup(), token=token)
    assert isinstance(outcome, Failed)
    assert "ttt" not in outcome.message
    assert outcome.correlation_id == "c(1)"
    assert outcome.text.endswith(" (correlationID c[1])")


async def test_invalid_params_are_named(astra: Simulator, clients: ClientPool) -> None:
    """The message of a 400 has the invalid parameters."""
    body = b'{"type":"t","title":"Invalid","detail":"d","status":"400","invalidParams":[{"name":"a","reason":"b"},7]}'
    with astra.fault("*", status=400, body=body):
        outcome = await ask(clients, astra, astra.add_backup())
    assert isinstance(outcome, Failed)
    assert "Invalid: d [a: b]" in outcome.message


async def test_tenants_do_not_see_each_others_cookies() -> None:
    """A cookie from one response is sent with no other request."""
    received = list[bytes]()

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: session=secret; Path=/\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(respond, "127.0.0.1", 0) as server:
        # A jar would keep no cookie of a bare address.
        url = f"http://localhost:{server.sockets[0].getsockname()[1]}"
        clients = ClientPool([AllowedURL.parse(url)])
        for token in ("a-token", "another-token"):
            connection = Connection(BaseURL.parse(url), token)
            await AstraClient(clients, 5).get_backup(connection, Document(ID, ID, ID))
        await clients.close()
    assert [each.count(b"Bearer ") for each in received] == [1, 1]
    assert all(b"cookie" not in each.lower() for each in received)


async def test_tls_is_judged_as_the_secret_says() -> None:
    """A private authority is trusted only with ca.crt, or with verification switched off."""
    with Simulator.start(tls=True) as astra:
        clients = ClientPool([AllowedURL.parse(astra.url)])
        document = document_of(astra.add_backup("completes", seconds=0))
        client = AstraClient(clients, 5)
        good = await client.get_backup(connection_to(astra, tls=TLS(astra.ca_pem)), document)
        unverified = await client.get_backup(connection_to(astra, tls=TLS(verify=False)), document)
        bad = await client.get_backup(connection_to(astra), document)
        await clients.close()
    assert isinstance(good, Observed)
    assert isinstance(unverified, Observed)
    assert isinstance(bad, Failed)
    assert bad.reason is SyncReason.TLS_VERIFICATION_FAILED
    assert re.search("certificate", bad.message, re.IGNORECASE)


async def test_many_requests_share_the_connections(astra: Simulator, clients: ClientPool) -> None:
    """A hundred requests at once all succeed."""
    backups = [astra.add_backup("completes", seconds=0) for _ in range(100)]
    outcomes = await asyncio.gather(*(ask(clients, astra, each) for each in backups))
    assert all(isinstance(each, Observed) for each in outcomes)
