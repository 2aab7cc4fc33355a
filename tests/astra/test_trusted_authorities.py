"""--ca-file: authorities that count for every connection beside the usual ones, and that change while it runs."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
import trustme

from astra_mirror.astra.client import AstraClient
from astra_mirror.astra.tls import ssl_context
from astra_mirror.astra.transport import ClientPool
from astra_mirror.core.connection import TLS, Connection
from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.urls import AllowedURL, BaseURL
from astra_mirror.support.ca_file import CAFile
from tests.astra.certificates import context_for, issued, served
from tests.astra.test_exchange import DOCUMENT, TOKEN

MINE, OTHER = trustme.CA(), trustme.CA()
STRANGER: Final = trustme.CA().cert_pem.bytes().decode()
LEAF: Final = issued(MINE)


def write(path: Path, *authorities: trustme.CA) -> None:
    """Make these the content of the file."""
    path.write_bytes(b"".join(each.cert_pem.bytes() for each in authorities))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file, with an authority that has not issued the server's certificate."""
    path = tmp_path / "authorities.pem"
    write(path, OTHER)
    return path


@asynccontextmanager
async def server(path: Path) -> AsyncIterator[tuple[ClientPool, BaseURL]]:
    """A server whose certificate `MINE` has issued, and clients with the file."""
    async with served(context_for(LEAF, path.parent)) as url:
        clients = ClientPool([AllowedURL.parse(url)], ca_file=CAFile(str(path)))
        yield clients, BaseURL.parse(url)
        await clients.close()


async def reason(clients: ClientPool, url: BaseURL, tls: TLS) -> SyncReason:
    """Why a request fails: the server refuses every token."""
    outcome = await AstraClient(clients, 10.0).get_backup(Connection(url, TOKEN, tls), DOCUMENT)
    assert isinstance(outcome, Failed)
    return outcome.reason


@pytest.mark.parametrize("tls", [TLS(), TLS(STRANGER)], ids=["usual", "beside-ca-crt"])
async def test_they_are_trusted_beside_the_others(tls: TLS, path: Path) -> None:
    """By connections whose Secret has no ca.crt, and by those whose ca.crt is of another authority."""
    write(path, OTHER, MINE)
    async with server(path) as (clients, url):
        assert await reason(clients, url, tls) is SyncReason.UNAUTHORIZED


async def test_a_ca_crt_counts_beside_them(path: Path) -> None:
    """The file replaces nothing."""
    async with server(path) as (clients, url):
        assert await reason(clients, url, TLS(MINE.cert_pem.bytes().decode())) is SyncReason.UNAUTHORIZED


async def test_the_public_authorities_count_beside_them(path: Path) -> None:
    """All that certifi has, and one more."""
    usual = len(ssl_context(TLS()).get_ca_certs())
    assert usual > 50
    assert len(ssl_context(TLS(), CAFile(str(path)).certificates).get_ca_certs()) == usual + 1


@pytest.mark.parametrize("tls", [TLS(), TLS(STRANGER)], ids=["usual", "beside-ca-crt"])
async def test_the_file_changes(tls: TLS, path: Path) -> None:
    """What is added counts from the next request on, and what is taken out no longer does: on new connections."""
    async with server(path) as (clients, url):
        assert await reason(clients, url, tls) is SyncReason.TLS_VERIFICATION_FAILED
        for authorities, expected in (
            ((OTHER, MINE), SyncReason.UNAUTHORIZED),
            ((OTHER,), SyncReason.TLS_VERIFICATION_FAILED),
            ((MINE,), SyncReason.UNAUTHORIZED),
        ):
            write(path, *authorities)
            await clients.reread_ca_file()
            assert await reason(clients, url, tls) is expected


async def test_an_unchanged_file_costs_no_connection(path: Path) -> None:
    """The client stays."""
    async with server(path) as (clients, _):
        async with clients.use(TLS()) as before:
            pass
        await clients.reread_ca_file()
        async with clients.use(TLS()) as after:
            assert after is before


async def test_a_request_under_way_ends_as_it_began(path: Path) -> None:
    """Its client is closed after it, and not before."""
    async with server(path) as (clients, _):
        async with clients.use(TLS()) as before:
            write(path, MINE)
            await clients.reread_ca_file()
            assert not before.is_closed
            async with clients.use(TLS()) as after:
                assert after is not before
        assert before.is_closed
        assert not after.is_closed


async def test_a_change_while_a_context_is_made(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The context has the old content: it serves its request and no other."""
    async with server(path) as (clients, url):
        threads = _Held(ssl_context, asyncio.get_running_loop())
        monkeypatch.setattr("astra_mirror.astra.transport.ssl_context", threads.make)
        first = asyncio.create_task(reason(clients, url, TLS()))
        await threads.made.wait()
        write(path, MINE)
        await clients.reread_ca_file()
        threads.go_on.set()
        assert await first is SyncReason.TLS_VERIFICATION_FAILED
        assert len(clients) == 0
        assert await reason(clients, url, TLS()) is SyncReason.UNAUTHORIZED


class _Held:
    """Makes a TLS context, and gives it away only when it may."""

    def __init__(self, make: Callable[..., object], loop: asyncio.AbstractEventLoop) -> None:
        self.made, self.go_on = asyncio.Event(), asyncio.Event()
        self._make, self._loop = make, loop

    def make(self, tls: TLS, also: Sequence[str]) -> object:
        context = self._make(tls, also)
        self._loop.call_soon_threadsafe(self.made.set)
        asyncio.run_coroutine_threadsafe(self.go_on.wait(), self._loop).result(10)
        return context


async def test_the_file_is_followed(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody has to ask for it."""
    async with server(path) as (clients, url):
        following = asyncio.create_task(clients.follow_ca_file())
        assert await reason(clients, url, TLS()) is SyncReason.TLS_VERIFICATION_FAILED
        async with clients.use(TLS()) as before:
            pass
        write(path, MINE)
        async with asyncio.timeout(20):
            while not before.is_closed:  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.05)
        assert await reason(clients, url, TLS()) is SyncReason.UNAUTHORIZED
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    assert not [each for each in caplog.records if each.levelname == "ERROR"]
