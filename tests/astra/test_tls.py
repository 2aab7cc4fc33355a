"""How certificates are verified, with every Python version, and the messages about untrusted ones."""

import asyncio
import gc
import ssl
import weakref
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme

from astra_mirror.astra import tls as tls_module
from astra_mirror.astra.client import AstraClient
from astra_mirror.astra.tls import certificate_error, problem_text, ssl_context, trust_usual_authorities
from astra_mirror.astra.transport import ClientPool
from astra_mirror.core.connection import TLS, Connection
from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.request_plan import Document
from astra_mirror.core.urls import AllowedURL, BaseURL
from tests.astra.certificates import DAY, NOW, Identity, context_for, issued, self_signed, served

ID = "00000000-0000-4000-8000-000000000001"
DOCUMENT = Document(ID, ID, ID)
AUTHORITY = trustme.CA()
INTERMEDIATE = AUTHORITY.create_child_ca()
STRANGER = trustme.CA()


def pem(authority: trustme.CA) -> str:
    """An authority in PEM, as in ca.crt."""
    return authority.cert_pem.bytes().decode()


class Asking:
    """Client pools, and one request with them."""

    def __init__(self) -> None:
        self.clients: list[ClientPool] = []

    def client(self, url: str) -> AstraClient:
        """A client pool that may call this URL."""
        self.clients.append(ClientPool([AllowedURL.parse(url)]))
        return AstraClient(self.clients[-1], 5.0)

    async def ask(self, url: str, tls: TLS) -> Failed:
        """The failure of a request: the server refuses every token."""
        outcome = await self.client(url).get_backup(Connection(BaseURL.parse(url), "a-good-token", tls), DOCUMENT)
        assert isinstance(outcome, Failed)
        return outcome


@pytest.fixture
async def asking() -> AsyncIterator[Asking]:
    """Client pools that are closed after the test."""
    asking = Asking()
    yield asking
    for each in asking.clients:
        await each.close()


@pytest.mark.parametrize("tls", [TLS(), TLS(pem(AUTHORITY)), TLS(pem(AUTHORITY), verify=False), TLS(verify=False)])
def test_every_context_judges_alike(tls: TLS) -> None:
    """Each context has the same flags with every Python version."""
    context = ssl_context(tls)
    assert context.verify_flags & ssl.VERIFY_X509_PARTIAL_CHAIN
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.check_hostname is tls.verify
    assert context.verify_mode is (ssl.CERT_REQUIRED if tls.verify else ssl.CERT_NONE)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    before = context.verify_flags
    trust_usual_authorities(context)
    assert context.verify_flags == before
    assert context.check_hostname is tls.verify


_OWN = self_signed()
_LEAF = issued(AUTHORITY)
_DEEP = issued(INTERMEDIATE)


@pytest.mark.parametrize(
    ("identity", "ca"),
    [
        (_LEAF, pem(AUTHORITY)),
        (_LEAF, _LEAF.own),
        (_DEEP, pem(AUTHORITY)),
        (_DEEP, pem(INTERMEDIATE)),
        (_DEEP, _DEEP.own),
        (Identity(_DEEP.own.encode(), _DEEP.key), pem(INTERMEDIATE)),
        (_OWN, _OWN.own),
        (_LEAF, pem(STRANGER) + pem(AUTHORITY)),
    ],
    ids=["root", "own", "root-of-issuer", "issuer", "own-of-issuer", "issuer-not-sent", "self-signed", "two"],
)
async def test_what_ca_crt_may_be(identity: Identity, ca: str, asking: Asking, tmp_path: Path) -> None:
    """With the issuing authority alone, or the server's own certificate, the request reaches the server."""
    async with served(context_for(identity, tmp_path)) as url:
        outcome = await asking.ask(url, TLS(ca))
    assert (outcome.reason, outcome.code) == (SyncReason.UNAUTHORIZED, 401)


_EXPIRED = issued(AUTHORITY, not_after=NOW - DAY)
_ELSEWHERE = issued(AUTHORITY, "elsewhere.example")
_OWN_EXPIRED = self_signed(not_after=NOW - DAY / 2)
_OWN_EARLY = self_signed(not_before=NOW + DAY / 2)
_OWN_ELSEWHERE = self_signed("token-in-a-name.example")


@pytest.mark.parametrize(
    ("identity", "tls", "words"),
    [
        (_LEAF, TLS(), "issued it; put the issuing authority"),
        (_LEAF, TLS(pem(STRANGER)), "issued it; put the issuing authority"),
        (_DEEP, TLS(pem(STRANGER)), "ca.crt"),
        (_OWN, TLS(), "self-signed"),
        (_OWN, TLS(pem(AUTHORITY)), "self-signed"),
        (_EXPIRED, TLS(pem(AUTHORITY)), "has expired"),
        (_ELSEWHERE, TLS(pem(AUTHORITY)), "another host name"),
        (_OWN_EXPIRED, TLS(_OWN_EXPIRED.own), "has expired"),
        (_OWN_EARLY, TLS(_OWN_EARLY.own), "not valid yet"),
        (_OWN_ELSEWHERE, TLS(_OWN_ELSEWHERE.own), "another host name"),
    ],
)
async def test_who_is_not_believed(identity: Identity, tls: TLS, words: str, asking: Asking, tmp_path: Path) -> None:
    """Host name and validity are checked with every trust anchor, and the message quotes nothing."""
    async with served(context_for(identity, tmp_path)) as url:
        outcome = await asking.ask(url, tls)
    assert outcome.reason is SyncReason.TLS_VERIFICATION_FAILED
    assert outcome.message.startswith(f"The certificate of {url} is not trusted: ")
    assert words in outcome.message
    for foreign in ("_ssl.c", "unable to get", "SSL", "token-in-a-name", "elsewhere.example", "Astra Control Center"):
        assert foreign not in outcome.message


@pytest.mark.parametrize("identity", [_LEAF, _OWN, _EXPIRED, _ELSEWHERE, _OWN_EARLY])
async def test_verification_may_be_switched_off(identity: Identity, asking: Asking, tmp_path: Path) -> None:
    """With verification switched off every certificate is accepted."""
    async with served(context_for(identity, tmp_path)) as url:
        assert (await asking.ask(url, TLS(verify=False))).reason is SyncReason.UNAUTHORIZED


def _wants_certificate(context: ssl.SSLContext) -> None:
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = ssl.TLSVersion.TLSv1_2


def _old(context: ssl.SSLContext) -> None:
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1


@pytest.mark.parametrize("change", [_wants_certificate, _old, None])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
async def test_other_failures_of_the_handshake_are_no_verdict(
    change: Callable[[ssl.SSLContext], None] | None, asking: Asking, tmp_path: Path
) -> None:
    """Other failures of the handshake are Unreachable, because they may end without a change."""
    context = context_for(_LEAF, tmp_path)
    if change is not None:
        change(context)
    async with served(None if change is None else context) as url:
        outcome = await asking.ask(url, TLS(pem(AUTHORITY)))
    assert outcome.reason is SyncReason.UNREACHABLE
    assert "SSL" not in outcome.message
    assert "alert" not in outcome.message


async def test_the_usual_authorities_count_beside_ca_crt(
    asking: Asking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The public authorities are loaded once, when a certificate first needs them."""
    usual = tmp_path / "usual.pem"
    usual.write_text(pem(AUTHORITY))
    read = list[str]()

    def where() -> str:
        read.append(str(usual))
        return read[-1]

    monkeypatch.setattr("certifi.where", where)
    connection: dict[str, Any] = {"token": "a-good-token", "tls": TLS(pem(STRANGER))}
    async with served(context_for(_LEAF, tmp_path)) as url:
        client = asking.client(url)
        requests = [client.get_backup(Connection(BaseURL.parse(url), **connection), DOCUMENT) for _ in range(5)]
        outcomes = await asyncio.gather(*requests)
    assert [each.reason for each in outcomes if isinstance(each, Failed)] == [SyncReason.UNAUTHORIZED] * 5
    assert len(read) == 1


async def test_a_failure_that_comes_after_the_authorities_were_loaded_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that began without them is sent again, also if another one has loaded them by the time it fails."""
    usual = tmp_path / "usual.pem"
    usual.write_text(pem(AUTHORITY))
    monkeypatch.setattr("certifi.where", lambda: str(usual))
    async with served(context_for(_LEAF, tmp_path)) as url:
        clients = ClientPool([AllowedURL.parse(url)])
        async with clients.use(TLS(pem(STRANGER)), "mine") as client:
            send, sent = client._send, list[str]()

            async def late(base: BaseURL, path: str, token: str) -> Any:
                sent.append(path)
                try:
                    return await send(base, path, token)
                except aiohttp.ClientError:
                    if sent == ["/late"]:
                        async with await client.get(base, "/other", token) as response:
                            assert response.status == 401
                    raise

            monkeypatch.setattr(client, "_send", late)
            async with await client.get(BaseURL.parse(url), "/late", "a-good-token") as response:
                assert response.status == 401
        assert sent == ["/late", "/other", "/other", "/late"]
        await clients.close()


def test_a_certificates_error_is_found_wherever_it_is() -> None:
    """The certificate error is found among all causes, in a cycle too, and with an unknown code."""
    inner = ssl.SSLCertVerificationError(1, "quoted")
    inner.verify_code = 999
    outer = ValueError("x")
    outer.__cause__, inner.__context__ = inner, outer
    assert certificate_error(outer) is inner
    assert certificate_error(ssl.SSLError(1, "alert")) is None
    assert problem_text(inner) == "it does not pass the verification"
    assert all("ssl" not in words.lower() for words in tls_module._PROBLEMS.values())


async def test_the_third_ca_of_a_namespace_closes_its_first(tmp_path: Path) -> None:
    """The third client of a namespace evicts its first, which is closed after its requests."""
    async with served(context_for(_LEAF, tmp_path)) as url:
        clients = ClientPool([AllowedURL.parse(url)])
        authorities = [TLS(pem(AUTHORITY) + f"\n{number}") for number in range(3)]
        async with clients.use(authorities[0], "mine") as first:
            async with clients.use(authorities[1], "mine"), clients.use(authorities[2], "mine") as third:
                assert not first.is_closed
            async with clients.use(authorities[2], "mine") as again:
                assert again is third
            async with await first.get(BaseURL.parse(url), "/", "a-good-token") as response:
                assert response.status == 401
        assert first.is_closed
        assert not third.is_closed
        await clients.retain({authorities[1]})
        assert third.is_closed
        await clients.close()


async def test_many_tenants_make_no_more_contexts_than_there_may_be() -> None:
    """A hundred namespaces with three authorities each get open clients within the limit."""
    clients = ClientPool([])
    made = set[int]()

    async def request(number: int) -> None:
        async with clients.use(TLS(f"{pem(AUTHORITY)}\n{number}"), f"n{number // 3}") as client:
            await asyncio.sleep(0)
            assert not client.is_closed
            made.add(id(client))

    await asyncio.gather(*(request(number) for number in range(300)))
    assert len(clients) <= 64
    await clients.close()


async def test_a_context_that_nobody_uses_is_freed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A context is freed without a garbage collection, after a request and without one."""
    made = list[weakref.ref[ssl.SSLContext]]()

    def recorded(tls: TLS, also: Sequence[str]) -> ssl.SSLContext:
        context = ssl_context(tls, also)
        made.append(weakref.ref(context))
        return context

    monkeypatch.setattr("astra_mirror.astra.transport.ssl_context", recorded)
    async with served(None) as url:
        plain = url.replace("https", "http")
        clients = ClientPool([AllowedURL.parse(plain)])
        gc.disable()
        try:
            for number in range(6):
                async with clients.use(TLS(f"{pem(AUTHORITY)}\n{number}"), "mine") as client:
                    if number % 2:
                        async with await client.get(BaseURL.parse(plain), "/", "a-good-token"):
                            pass
                del client
            await clients.retain(set())
            # The thread that has made one may still hold it.
            await asyncio.get_running_loop().shutdown_default_executor()
            assert [each() for each in made] == [None] * 6
        finally:
            gc.enable()
            await clients.close()
