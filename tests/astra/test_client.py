"""The client and its connections, against a real server: lost and slow ones, certificates, cookies, many at once."""

import asyncio
import logging
import re
import socket

import pytest

from astra_mirror.astra.client import AstraClient
from astra_mirror.astra.transport import ClientPool
from astra_mirror.core.connection import TLS, Connection
from astra_mirror.core.outcome import Failed, Observed, SyncReason
from astra_mirror.core.request_plan import Document
from astra_mirror.core.urls import AllowedURL, BaseURL
from dev.simulator import Simulator
from tests.astra.asking import ask, connection_to, document_of

ID = "00000000-0000-4000-8000-000000000001"


async def test_a_truncated_body_is_unreachable(astra: Simulator, clients: ClientPool) -> None:
    """A connection that is closed mid-response is Unreachable."""
    with astra.fault("*", kind="truncate"):
        outcome = await ask(clients, astra, astra.add_backup())
    assert outcome == Failed(SyncReason.UNREACHABLE, f"{astra.url}: connection closed mid-response.")


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


async def test_one_line_a_request_at_debug(
    astra: Simulator, clients: ClientPool, caplog: pytest.LogCaptureFixture
) -> None:
    """With what was asked for and how it ended; no line at info, and never the token."""
    backup = astra.add_backup()
    for level, expected in ((logging.INFO, 0), (logging.DEBUG, 3)):
        caplog.clear()
        with caplog.at_level(level, "astra_mirror.astra"):
            client = AstraClient(clients, 0.2)
            await client.get_backup(connection_to(astra), document_of(backup), namespace="shop")
            await client.get_backup(connection_to(astra, token="another-token"), document_of(backup), namespace="shop")
            with astra.fault("*", kind="hang"):
                await client.get_backup(connection_to(astra), document_of(backup), namespace="shop")
        lines = [each.getMessage() for each in caplog.records if each.name == "astra_mirror.astra.client"]
        assert len(lines) == expected
    path = f"/accounts/{backup.account}/k8s/v1/apps/{backup.app}/appBackups/{backup.id}"
    endings = ("200", "401", "no response")
    for line, ending in zip(lines, endings, strict=True):
        assert re.fullmatch(
            rf"GET {re.escape(astra.url)}{path} for the namespace shop: {ending} after \d\.\d{{3}}s", line
        )
    assert astra.token not in caplog.text
    assert "another-token" not in caplog.text
    assert vars(caplog.records[0])["namespaces"] == ["shop"]
