"""Requests through a real proxy: tunnelled and in absolute form, with a password, refused, and while it is down."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest
import trustme

from astra_mirror.astra.client import AstraClient
from astra_mirror.astra.names import Addresses, Name, NameLookups
from astra_mirror.astra.transport import ClientPool
from astra_mirror.core.connection import TLS, Connection
from astra_mirror.core.egress import Egress
from astra_mirror.core.outcome import Answer, Failed, SyncReason
from astra_mirror.core.urls import AllowedURL, BaseURL
from dev.simulator import Simulator
from tests.astra.certificates import context_for, issued, served
from tests.astra.test_exchange import DOCUMENT, PATH, TOKEN, serving
from tests.astra.test_exchange import Server as Recording
from tests.astra.test_sockets import OK, Server
from tests.proxy_process import PASSWORD, ProxyProcess, running_proxy

AUTHORITY: Final = trustme.CA()
CA: Final = TLS(AUTHORITY.cert_pem.bytes().decode())
REFUSED: Final = b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"
SCHEMES: Final = pytest.mark.parametrize("scheme", ["http", "https"])
PASSWORD_IS_WRONG: Final = (
    "the proxy does not accept the operator's user name and password (407): the operator's administrator has to "
    "correct them in --proxy-url"
)


@pytest.fixture(scope="module")
def proxy() -> Iterator[ProxyProcess]:
    """A proxy for everybody."""
    with running_proxy() as proxy:
        yield proxy


@pytest.fixture(scope="module")
def locked_proxy() -> Iterator[ProxyProcess]:
    """A proxy with a password."""
    with running_proxy(password=PASSWORD) as proxy:
        yield proxy


class Lookups:
    """What this machine's resolver is asked for, and what it knows: localhost, and the names it is given."""

    def __init__(self, **known: str) -> None:
        self.asked: list[str] = []
        self.resolver = NameLookups(self._look_up)
        self._known = {name.replace("_", "."): address for name, address in known.items()}

    def _look_up(self, name: Name) -> Addresses:
        self.asked.append(name.host)
        if name.host not in self._known:
            raise socket.gaierror(socket.EAI_NONAME, "x")
        return ((socket.AF_INET, self._known[name.host]),)


@asynccontextmanager
async def asking(
    proxy_url: str,
    *allowed: str,
    no_proxy: tuple[str, ...] = (),
    lookups: Lookups | None = None,
    seconds: float = 20.0,
) -> AsyncIterator[AstraClient]:
    """A client with these options, which knows no names unless they are given."""
    clients = ClientPool(
        [AllowedURL.parse(each) for each in allowed],
        egress=Egress.parse(proxy_url, no_proxy, {}),
        lookups=(lookups or Lookups()).resolver,
    )
    yield AstraClient(clients, seconds)
    await clients.close()


async def ask(client: AstraClient, url: str, tls: TLS = CA) -> Answer:
    """The outcome of a request for a backup."""
    return await client.get_backup(Connection(BaseURL.parse(url), TOKEN, tls), DOCUMENT)


async def ask_once(proxy_url: str, url: str, tls: TLS = CA, *, seconds: float = 20.0) -> Answer:
    """The same, of a client that may call that URL."""
    async with asking(proxy_url, url, seconds=seconds) as client:
        return await ask(client, url, tls)


@asynccontextmanager
async def astra(scheme: str, folder: Path, host: str = "astra.example", answer: bytes = REFUSED) -> AsyncIterator[str]:
    """The URL of a server, by a name that only the proxy knows."""
    context = context_for(issued(AUTHORITY, host), folder) if scheme == "https" else None
    async with served(context, answer) as url:
        yield f"{scheme}://{host}:{url.rpartition(':')[2]}"


def reason_of(outcome: Answer) -> SyncReason:
    """The reason of a failure."""
    assert isinstance(outcome, Failed)
    return outcome.reason


def unreachable(url: str, words: str) -> Failed:
    """The failure that says so of this URL."""
    return Failed(SyncReason.UNREACHABLE, f"{url} cannot be reached: {words}.")


@SCHEMES
async def test_every_request_goes_through_it(scheme: str, proxy: ProxyProcess, tmp_path: Path) -> None:
    """By CONNECT for https, so that the proxy sees no token; http in absolute form. The proxy looks up the name."""
    lookups = Lookups()
    async with (
        astra(scheme, tmp_path) as url,
        asking(proxy.url, f"{scheme}://*.example:{url.rpartition(':')[2]}", lookups=lookups) as client,
    ):
        before = len(proxy.requests)
        assert reason_of(await ask(client, url)) is SyncReason.UNAUTHORIZED
        authority = url.partition("://")[2]
        expected = {"https": f"CONNECT {authority}", "http": f"GET {authority}{PATH} authorization"}
        assert proxy.requests[before:] == [expected[scheme]]
    assert lookups.asked == []


@SCHEMES
async def test_with_a_password(scheme: str, locked_proxy: ProxyProcess, tmp_path: Path) -> None:
    """It is decoded from the URL, and sent to the proxy with the first request: none is refused before."""
    async with astra(scheme, tmp_path) as url:
        before = len(locked_proxy.requests)
        outcome = await ask_once(locked_proxy.url_with(PASSWORD), url)
        assert reason_of(outcome) is SyncReason.UNAUTHORIZED
        [request] = locked_proxy.requests[before:]
        assert (
            request.rpartition(" ")[2]
            == {"https": "proxy-authorization", "http": "authorization,proxy-authorization"}[scheme]
        )
        assert "407" not in str(outcome)


@SCHEMES
async def test_a_server_never_gets_the_proxys_password(scheme: str, locked_proxy: ProxyProcess, tmp_path: Path) -> None:
    """A request in a tunnel does not have it; of one in absolute form, the proxy takes its header out."""
    server = Recording(lambda writer: writer.write(REFUSED), keeps=False)
    context = context_for(issued(AUTHORITY, "astra.example"), tmp_path) if scheme == "https" else None
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context) as listening:
        url = f"{scheme}://astra.example:{listening.sockets[0].getsockname()[1]}"
        await ask_once(locked_proxy.url_with(PASSWORD), url)
        [request] = server.requests
    assert b"roxy-" not in request
    assert b"Bearer" in request


@SCHEMES
@pytest.mark.parametrize("password", ["wrong-password", None])
async def test_a_wrong_password(scheme: str, password: str | None, locked_proxy: ProxyProcess) -> None:
    """A 407 is Unreachable, in whichever form the request was."""
    url = f"{scheme}://astra.example"
    proxy_url = locked_proxy.url if password is None else locked_proxy.url_with(password)
    assert await ask_once(proxy_url, url) == unreachable(url, PASSWORD_IS_WRONG)


@pytest.mark.parametrize(
    ("host", "words"),
    [
        (
            "refused",
            "the proxy refuses to connect to its host (403): ask the operator's administrator to allow it there",
        ),
        ("broken", "the proxy has no connection to its host (502)"),
    ],
)
async def test_a_proxy_that_refuses_to_connect(host: str, words: str, proxy: ProxyProcess) -> None:
    """Unreachable, "the proxy …": what it says is not the server's word."""
    url = f"https://{host}.example"
    assert await ask_once(proxy.url, url) == unreachable(url, words)


async def test_a_proxy_that_finds_nobody(proxy: ProxyProcess) -> None:
    """A port on which nobody listens: the proxy responds with a 502."""
    url = "https://astra.example:1"
    assert await ask_once(proxy.url, url) == unreachable(url, "the proxy has no connection to its host (502)")


@pytest.mark.parametrize(("host", "reason"), [("refused", SyncReason.FORBIDDEN), ("broken", SyncReason.SERVER_ERROR)])
async def test_any_other_status_in_absolute_form_is_the_servers(
    host: str, reason: SyncReason, proxy: ProxyProcess
) -> None:
    """Nothing tells whose it is."""
    assert reason_of(await ask_once(proxy.url, f"http://{host}.example")) is reason


@pytest.mark.parametrize("way", ["tunnel", "direct"])
async def test_a_407_of_the_server_is_no_word_of_the_proxy(way: str, proxy: ProxyProcess, tmp_path: Path) -> None:
    """In a tunnel it is the server's, and without a proxy there is nobody else."""
    answer = b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"
    host = {"tunnel": "astra.example", "direct": "127.0.0.1"}[way]
    async with (
        astra("https", tmp_path, host, answer) as url,
        asking(proxy.url, url, no_proxy=("127.0.0.1",)) as client,
    ):
        outcome = await ask(client, url)
    assert reason_of(outcome) is SyncReason.UNEXPECTED_RESPONSE
    assert "407" in str(outcome)
    assert "proxy" not in str(outcome)


@SCHEMES
async def test_a_proxy_that_is_down(scheme: str) -> None:
    """Nothing listens on its port."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        proxy_url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    words = "the proxy cannot be used: the connection was refused, so nothing listens on that port"
    assert await ask_once(proxy_url, f"{scheme}://astra.example") == unreachable(f"{scheme}://astra.example", words)


@SCHEMES
async def test_a_proxy_whose_name_is_unknown(scheme: str) -> None:
    """It is the proxy's, and not that of the URL."""
    url = f"{scheme}://astra.example"
    words = "the proxy cannot be used: its host's name is unknown"
    assert await ask_once("http://proxy.example:3128", url) == unreachable(url, words)


async def test_a_proxy_that_is_frozen(tmp_path: Path) -> None:
    """A tunnel has the time of a connection; a request in absolute form all the time there is. Both say "the proxy"."""
    with running_proxy() as proxy:
        with proxy.frozen():
            tunnel, absolute = await asyncio.gather(
                ask_once(proxy.url, "https://astra.example"), ask_once(proxy.url, "http://astra.example", seconds=1.0)
            )
        words = "the proxy cannot be used: it has established no connection within 5s"
        assert tunnel == unreachable("https://astra.example", words)
        message = "http://astra.example: no response within 1s through the proxy."
        assert absolute == Failed(SyncReason.UNREACHABLE, message)
        async with astra("https", tmp_path) as url:
            assert reason_of(await ask_once(proxy.url, url)) is SyncReason.UNAUTHORIZED


@SCHEMES
@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"", "the connection was closed before an answer came"),
        (b"HTTP/1.1 200 Conn", "the connection was closed before an answer came"),
        (b"SSH-2.0-x\r\n", "what answers does not speak HTTP as it should"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 20_000, "what answers does not speak HTTP as it should"),
        (b"HTTP/1.1 100 C\r\n\r\n" * 20, "what answers does not speak HTTP as it should"),
    ],
)
async def test_what_is_no_proxy(scheme: str, sent: bytes, words: str) -> None:
    """The limits for a server hold for it. In absolute form the message says at least that there is a proxy."""
    url = f"{scheme}://astra.example"
    async with serving(sent) as server:
        outcome = await ask_once(server.url, url)
    tunnel, absolute = (
        f"{url} cannot be reached{by}: {words}." for by in (": the proxy cannot be used", " through the proxy")
    )
    assert outcome == Failed(SyncReason.UNREACHABLE, tunnel if scheme == "https" else absolute)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.0 200 Connection established\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nProxy-Agent: x\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ],
)
async def test_what_proxies_say_before_a_tunnel(head: bytes, tmp_path: Path) -> None:
    """A length in a response to CONNECT has no meaning (RFC 9110, 9.3.6)."""
    async with astra("https", tmp_path) as url, _tunnel(head, int(url.rpartition(":")[2])) as proxy_url:
        assert reason_of(await ask_once(proxy_url, url)) is SyncReason.UNAUTHORIZED


async def test_an_ipv6_address(tmp_path: Path) -> None:
    """It is in brackets for the proxy, and without them in the certificate."""
    context = context_for(issued(AUTHORITY, "::1"), tmp_path)
    async with served(context) as url, _tunnel(b"HTTP/1.1 200 OK\r\n\r\n", int(url.rpartition(":")[2])) as proxy_url:
        assert reason_of(await ask_once(proxy_url, "https://[::1]:8443")) is SyncReason.UNAUTHORIZED
    async with serving(b"HTTP/1.1 403 No\r\n\r\n") as server:
        await ask_once(server.url, "https://[::1]:8443")
        assert server.requests[0].startswith(b"CONNECT [::1]:8443 HTTP/1.1\r\n")


@asynccontextmanager
async def _tunnel(head: bytes, port: int) -> AsyncIterator[str]:
    """A proxy that says this, and leads to a port of this machine."""
    tasks: list[asyncio.Task[None]] = []

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while chunk := await reader.read(65_536):
                writer.write(chunk)
        writer.close()

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        inner, outer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copy(reader, outer), copy(inner, writer))
        for each in (writer, outer):
            with suppress(ConnectionError):
                await each.wait_closed()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.create_task(lead(reader, writer)))

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await asyncio.gather(*tasks)


async def test_what_the_proxy_is_sent() -> None:
    """The request for a tunnel has the password and no token; the one in absolute form has both, for each its own."""
    password = "Basic bWU6cGFzcy13b3Jk"
    expected = {
        "https": ("CONNECT astra.example:443 HTTP/1.1", {"proxy-authorization": password}),
        "http": (
            f"GET http://astra.example{PATH} HTTP/1.1",
            {"proxy-authorization": password, "authorization": f"Bearer {TOKEN}"},
        ),
    }
    for scheme, (first, secrets) in expected.items():
        async with serving(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n") as server:
            await ask_once(server.url.replace("://", "://me:pass-word@"), f"{scheme}://astra.example")
        [request] = server.requests
        line, *headers = request.decode().removesuffix("\r\n\r\n").split("\r\n")
        assert line == first
        fields = {name.lower(): value for name, _, value in (each.partition(": ") for each in headers)}
        assert {name: value for name, value in fields.items() if name.endswith("authorization")} == secrets
        assert fields["host"] in {"astra.example", "astra.example:443"}


@pytest.mark.parametrize("code", [407, 403, 502])
async def test_a_refused_tunnel_leaves_no_connection(code: int) -> None:
    """Whatever body the proxy goes on to send."""
    answer = b"HTTP/1.1 %d No\r\nContent-Length: 9\r\n\r\n" % code
    async with serving(answer, keeps=True) as server, asking(server.url, "https://astra.example") as client:
        assert reason_of(await ask(client, "https://astra.example")) is SyncReason.UNREACHABLE
        await asyncio.wait_for(server.ended.wait(), 5)


@SCHEMES
async def test_no_proxy(scheme: str, proxy: ProxyProcess, tmp_path: Path) -> None:
    """Such a host is called directly, and its name looked up here."""
    lookups = Lookups(astra_example="127.0.0.1")
    async with (
        astra(scheme, tmp_path) as url,
        asking(proxy.url, url, no_proxy=("astra.example",), lookups=lookups) as client,
    ):
        before = len(proxy.requests)
        assert reason_of(await ask(client, url)) is SyncReason.UNAUTHORIZED
        assert proxy.requests[before:] == []
    assert lookups.asked == ["astra.example"]


async def test_only_the_way_to_the_proxy_is_unguarded(proxy: ProxyProcess, tmp_path: Path) -> None:
    """Its name may lead to loopback there, and nowhere else: not even as the host of a Secret."""
    lookups = Lookups(proxy_corp_example="127.0.0.1", other_corp_example="127.0.0.1")
    proxy_url = f"http://proxy.corp.example:{proxy.port}"
    async with (
        astra("https", tmp_path) as url,
        asking(
            proxy_url,
            f"https://*.example:{url.rpartition(':')[2]}",
            f"http://*.corp.example:{proxy.port}",
            no_proxy=(".corp.example",),
            lookups=lookups,
        ) as client,
    ):
        assert reason_of(await ask(client, url)) is SyncReason.UNAUTHORIZED
        assert lookups.asked == ["proxy.corp.example"]
        for host in ("proxy", "other"):
            outcome = await ask(client, f"http://{host}.corp.example:{proxy.port}")
            assert reason_of(outcome) is SyncReason.URL_NOT_ALLOWED
            assert "resolves to no address that the operator may call" in str(outcome)


HOSTS: Final = ["127.0.0.1", "169.254.169.254", "10.1.2.3", "[::1]", "[fd00::1]", "localhost", "a.localhost"]


@SCHEMES
@pytest.mark.parametrize("host", HOSTS)
async def test_addresses_and_localhost_are_refused(scheme: str, host: str, proxy: ProxyProcess) -> None:
    """The proxy would connect to its own machine, or to whatever its network has there."""
    before = len(proxy.requests)
    async with asking(proxy.url, f"{scheme}://*.example", f"{scheme}://*.localhost") as client:
        outcome = await ask(client, f"{scheme}://{host}")
    assert reason_of(outcome) is SyncReason.URL_NOT_ALLOWED
    assert "names that very host in --allowed-url" in str(outcome)
    assert proxy.requests[before:] == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_an_entry_may_name_them(host: str, proxy: ProxyProcess, tmp_path: Path) -> None:
    """Then they go through the proxy like any other host."""
    before = len(proxy.requests)
    async with astra("https", tmp_path, host) as url:
        assert reason_of(await ask_once(proxy.url, url)) is SyncReason.UNAUTHORIZED
        assert proxy.requests[before:] == [f"CONNECT {url.removeprefix('https://')}"]


async def test_the_servers_certificate_is_verified_in_the_tunnel(proxy: ProxyProcess, tmp_path: Path) -> None:
    """By the Secret's TLS settings, as without a proxy, and for the name in the URL."""
    async with astra("https", tmp_path) as url:
        for tls, at, words in (
            (TLS(), url, "nobody who is trusted has issued it"),
            (CA, url.replace("astra", "other"), "it is for another host name"),
        ):
            outcome = await ask_once(proxy.url, at, tls)
            assert reason_of(outcome) is SyncReason.TLS_VERIFICATION_FAILED
            assert words in str(outcome)
        assert reason_of(await ask_once(proxy.url, url, TLS(verify=False))) is SyncReason.UNAUTHORIZED


async def test_a_server_without_tls(proxy: ProxyProcess) -> None:
    """The proxy has done its part: it is not blamed."""
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(REFUSED)
        with suppress(ConnectionError):
            await reader.read()
        writer.transport.abort()
        ended.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"https://astra.example:{server.sockets[0].getsockname()[1]}"
        outcome = await ask_once(proxy.url, url)
        await asyncio.wait_for(ended.wait(), 10)
    words = "the TLS handshake failed; the port may not speak TLS, or not a version or cipher of ours"
    assert outcome == Failed(SyncReason.UNREACHABLE, f"{url} cannot be reached through the proxy: {words}.")


@pytest.mark.parametrize(
    ("sent", "ends"),
    [
        (b"", " cannot be reached through the proxy: the connection was closed before an answer came."),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", ": connection closed mid-response through the proxy."),
    ],
)
async def test_what_breaks_in_the_tunnel(sent: bytes, ends: str, proxy: ProxyProcess, tmp_path: Path) -> None:
    """Either of the two may have closed it, so the message names both."""
    async with astra("https", tmp_path, answer=sent) as url:
        assert await ask_once(proxy.url, url) == Failed(SyncReason.UNREACHABLE, f"{url}{ends}")


async def test_a_tunnel_is_used_again(proxy: ProxyProcess) -> None:
    """While the connection lasts, the proxy is asked once."""
    with Simulator.start(tls=True) as simulator:
        before = len(proxy.requests)
        async with asking(proxy.url, simulator.url) as client:
            for _ in range(3):
                assert reason_of(await ask(client, simulator.url, TLS(verify=False))) is SyncReason.UNAUTHORIZED
        assert len(proxy.requests) == before + 1
        assert len(simulator.requests.matching()) == 3


@asynccontextmanager
async def _behind(proxy: ProxyProcess, server: Server, folder: Path) -> AsyncIterator[tuple[ClientPool, BaseURL]]:
    """Clients that reach this server through a tunnel."""
    context = context_for(issued(AUTHORITY, "astra.example"), folder)
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context) as listening:
        url = f"https://astra.example:{listening.sockets[0].getsockname()[1]}"
        clients = ClientPool([AllowedURL.parse(url)], egress=Egress.parse(proxy.url, (), {}))
        yield clients, BaseURL.parse(url)
        server.goes_on.set()
        await clients.close()
        await asyncio.wait_for(server.ended.wait(), 10)


async def test_what_a_server_sends_to_no_request_ends_the_tunnel(proxy: ProxyProcess, tmp_path: Path) -> None:
    """As it ends a direct connection."""
    server = Server(OK, b"x", most=1)
    async with _behind(proxy, server, tmp_path) as (clients, url), clients.use(CA) as client:
        for _ in range(2):
            async with await client.get(url, "/", TOKEN) as response:
                assert await response.read() == b"{}"
            server.goes_on.set()
            await asyncio.wait_for(server.ended.wait(), 10)
    assert server.connections == 2


async def test_a_tunnel_has_small_buffers(proxy: ProxyProcess, tmp_path: Path) -> None:
    """As a direct connection over TLS."""
    server = Server(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}")
    async with (
        _behind(proxy, server, tmp_path) as (clients, url),
        clients.use(CA) as client,
        await client.get(url, "/", TOKEN) as response,
    ):
        assert response.connection is not None
        transport: Any = response.connection.transport
        assert transport.get_read_buffer_limits()[1] <= 64 * 1024
