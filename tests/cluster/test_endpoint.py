"""What all connections to the API server have in common."""

import asyncio
import base64
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from kubernetes.aio import client

from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.endpoint import Endpoint, keepalive_socket
from astra_mirror.cluster.kubeconfig import ClusterConfig, ClusterConfigError, load_configuration
from astra_mirror.observability.hidden_values import HiddenValues


def test_a_connection_that_died_in_silence_is_noticed() -> None:
    """A lost peer is noticed by unacknowledged data after 5 s, and by keepalive probes on an idle connection."""
    with keepalive_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 0))) as made:
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 5000
        idle = made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
        probes = made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT)
        assert idle + probes * made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) < 60


async def test_sessions_are_made_in_one_way(tmp_path: Path) -> None:
    """Kopf and the kubernetes client use the same proxy, TLS context and socket options."""
    authority = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(authority)
    endpoint = Endpoint(_config(ca_file=str(authority), proxy="http://proxy.example:3128"), HiddenValues())
    async with endpoint.session() as one, endpoint.session() as other:
        for session in (one, other):
            assert str(session._default_proxy) == "http://proxy.example:3128"
            assert session.trust_env is False
            assert session.headers["User-Agent"].startswith("astra-mirror/")
    flags = endpoint._tls.verify_flags
    assert flags & ssl.VERIFY_X509_PARTIAL_CHAIN
    assert not flags & ssl.VERIFY_X509_STRICT


async def test_certificates_without_a_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that a kubeconfig contains are loaded although no file can be written: in a pod, /tmp may be read-only."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    authority = trustme.CA()
    issued = authority.issue_cert("me.example")
    endpoint = Endpoint(
        _config(
            ca_data="# für uns\n".encode() + authority.cert_pem.bytes(),
            cert_data=b"".join(each.bytes() for each in issued.cert_chain_pems),
            key_data=issued.private_key_pem.bytes(),
        ),
        HiddenValues(),
    )
    assert len(endpoint._tls.get_ca_certs()) == 1


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
async def test_nobody_is_asked_for_the_password_of_a_key(form: PrivateFormat, tmp_path: Path) -> None:
    """OpenSSL would ask on the terminal or on standard input, and wait. It is an error: at the start, at a renewal."""
    issued = trustme.CA().issue_cert("me.example")
    for number, blob in enumerate(issued.cert_chain_pems):
        blob.write_to_path(tmp_path / "certificate", append=number > 0)
    issued.private_key_pem.write_to_path(tmp_path / "plain")
    key = load_pem_private_key(issued.private_key_pem.bytes(), None)
    (tmp_path / "key").write_bytes(key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"password")))
    plain = _config(cert_file=str(tmp_path / "certificate"), key_file=str(tmp_path / "plain"))
    encrypted = replace(plain, key_file=str(tmp_path / "key"))
    words = (
        r"^the client key for the API server https://kube.example is encrypted, .* decrypt it with openssl pkey -in KEY"
    )
    with pytest.raises(ClusterConfigError, match=words):
        Endpoint(encrypted, HiddenValues())
    endpoint = Endpoint(plain, HiddenValues())
    with pytest.raises(ClusterConfigError, match=words):
        endpoint._reload_client_certificate(encrypted)


def _config(**fields: Any) -> ClusterConfig:
    usual = ClusterConfig("https://kube.example", "Bearer t", None, False, None, None, None, True, None, None)
    return ClusterConfig(**{name: getattr(usual, name) for name in ClusterConfig.__slots__} | fields)


_KUBECONFIG = """
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://kube.example:6443", CLUSTER}}]
users: [{name: u, user: {USER}}]
"""


def _write(path: Path, text: str) -> None:
    path.write_text(text)


async def _loaded(path: Path, cluster: str = "", user: str = "token: t", **environment: str) -> ClusterConfig:
    _write(path, _KUBECONFIG.replace("CLUSTER", cluster).replace("USER", user))
    return await load_configuration({"KUBECONFIG": str(path), **environment})


async def test_what_a_kubeconfig_says(tmp_path: Path) -> None:
    """tls-server-name and proxy-url are used; proxy-url takes precedence over the environment."""
    path = tmp_path / "config"
    found = await _loaded(path, 'tls-server-name: inside, proxy-url: "http://p:1"', HTTPS_PROXY="http://q:1")
    assert (found.server_name, found.proxy, found.authorization) == ("inside", "http://p:1", "Bearer t")
    assert (await _loaded(path, HTTPS_PROXY="http://q:1")).proxy == "http://q:1"
    assert (await _loaded(path, HTTPS_PROXY="http://q:1", NO_PROXY="example:6443")).proxy is None
    with pytest.raises(ClusterConfigError, match="proxy-url must be an http:// or https:// URL"):
        await _loaded(path, 'proxy-url: "socks5://p:1"')


async def test_a_token_in_a_file(tmp_path: Path) -> None:
    """A token file is read again each time, and known to be rewritten."""
    token = tmp_path / "token"
    for content in ("one", "two", "three\n", "\n four \r\n"):
        _write(token, content)
        found = await _loaded(tmp_path / "config", user=f"tokenFile: {token}")
        assert (found.authorization, found.is_in_file) == (f"Bearer {content.strip()}", True)


@pytest.mark.parametrize("content", ["one\ntwo", "one\x00"])
async def test_a_token_that_no_header_can_have(tmp_path: Path, content: str) -> None:
    """It is refused at the start, in words that do not quote it: a request with it would fail in an unforeseen way."""
    _write(tmp_path / "token", content)
    with pytest.raises(ClusterConfigError, match="config: the token is empty, or has a line break or") as caught:
        await _loaded(tmp_path / "config", user=f"tokenFile: {tmp_path / 'token'}")
    assert "one" not in str(caught.value)


async def test_a_token_that_no_encoding_has(tmp_path: Path) -> None:
    """JSON may contain half a character: in a kubeconfig, and in what a credential plugin writes."""
    status = r'{"token": "some-\ud800-token"}'
    written = f'{{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {status}}}'
    for user in (r'token: "some-\ud800-token"', _plugin(tmp_path, f"cat <<'E'\n{written}\nE")):
        with pytest.raises(
            ClusterConfigError, match=r"config: the token is empty, or has .* control character"
        ) as caught:
            await _loaded(tmp_path / "config", user=user)
        assert "some" not in str(caught.value)


def _plugin(folder: Path, script: str) -> str:
    plugin = folder / "plugin"
    plugin.write_text(f"#!/bin/sh\n{script}\n")
    plugin.chmod(0o755)
    return f"exec: {{apiVersion: client.authentication.k8s.io/v1, command: {plugin}, interactiveMode: Never}}"


async def test_a_credential_plugin(tmp_path: Path) -> None:
    """A credential plugin supplies a token and its expiry."""
    status = '{"token": "t", "expirationTimestamp": "2030-01-01T00:00:00Z"}'
    answer = f'{{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {status}}}'
    found = await _loaded(tmp_path / "config", user=_plugin(tmp_path, f"echo '{answer}'"))
    assert found.authorization == "Bearer t"
    assert found.expires_at is not None
    assert found.expires_at.isoformat() == "2030-01-01T00:00:00+00:00"


async def test_a_credential_plugin_that_gives_nothing(tmp_path: Path) -> None:
    """A plugin without output is named in the error; the operator does not go on without an identity."""
    with pytest.raises(ClusterConfigError, match=r"the credential plugin .*plugin' gave no credential"):
        await _loaded(tmp_path / "config", user=_plugin(tmp_path, "exit 1"))


async def test_a_new_certificate_of_no_use(tmp_path: Path) -> None:
    """The operator goes on with the one that it has."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca")
    for name in ("old", "new"):
        issued = authority.issue_cert(f"{name}.example")
        issued.cert_chain_pems[0].write_to_path(tmp_path / name)
        issued.private_key_pem.write_to_path(tmp_path / f"{name}-key")
    (tmp_path / "no-key").write_text("no key")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "ca"))
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    tls.verify_mode = ssl.CERT_REQUIRED
    async with _answering("200 OK", [], tls) as server:
        old = _config(host=f"https://{server}", ca_file=str(tmp_path / "ca"))
        old = replace(old, cert_file=str(tmp_path / "old"), key_file=str(tmp_path / "old-key"))
        endpoint = Endpoint(old, HiddenValues())
        for key in ("no-key", "old-key"):
            with pytest.raises(ssl.SSLError):
                endpoint._reload_client_certificate(
                    replace(old, cert_file=str(tmp_path / "new"), key_file=str(tmp_path / key))
                )
        assert (await endpoint.get("/", seconds=10))[0] == 200
        await endpoint.close()


@asynccontextmanager
async def _answering(response: str, requests: list[str], tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server that gives each request the same response; yields its host and port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(f"HTTP/1.1 {response}\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls) as server:
        yield "{}:{}".format(*server.sockets[0].getsockname())


@pytest.mark.parametrize("host", ["https://kube.example", "http://kube.example"])
async def test_the_credentials_for_a_proxy(host: str) -> None:
    """They go to the proxy, in the request for a tunnel or in each request, and no error quotes them."""
    requests: list[str] = []
    encoded = base64.b64encode(b"me:pass:word").decode()
    async with _answering("407 Proxy Authentication Required", requests) as proxy:
        endpoint = Endpoint(_config(host=host, proxy=f"http://me:pass%3Aword@{proxy}"), HiddenValues())
        async with endpoint.session() as session:
            try:
                response = await session.get(f"{host}/api")
                with pytest.raises(aiohttp.ContentTypeError) as caught:
                    await response.json()
                text = repr(caught.value)
            except aiohttp.ClientHttpProxyError as error:
                text = str(error) + repr(error)
    assert f"Proxy-Authorization: Basic {encoded}" in requests[0]
    assert [part for part in ("pass", encoded, "Bearer") if part in text] == []
    assert "407" in text


async def test_no_error_quotes_the_credentials() -> None:
    """A proxy in between answers for the API server, and not as that does."""
    requests: list[str] = []
    async with _answering("200 OK", requests) as server:
        endpoint = Endpoint(_config(host=f"http://{server}", authorization="Bearer a-token"), HiddenValues())
        async with endpoint.session() as session, session.get(f"http://{server}/api") as response:
            with pytest.raises(aiohttp.ContentTypeError) as caught:
                await response.json()
    assert "Authorization: Bearer a-token" in requests[0]
    assert "a-token" not in repr(caught.value)
    assert f"GET http://{server}/api" in repr(caught.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("way", ["direct", "proxy"])
async def test_no_redirect_is_followed(way: str, status: int) -> None:
    """Not to another server, which would receive the credentials, and by no client; the error says what to do."""
    elsewhere: list[str] = []
    requests: list[str] = []
    async with (
        _answering("200 OK", elsewhere) as other,
        _answering(f"{status} Moved\r\nLocation: http://{other}/api", requests) as server,
    ):
        config = (
            _config(host=f"http://{server}")
            if way == "direct"
            else _config(host="http://kube.example", proxy=f"http://me:password@{server}")
        )
        endpoint = Endpoint(config, HiddenValues())
        api = endpoint.api_client(Availability())
        words = rf"GET http://.*/api.* is redirected \({status}\), and no redirect is followed"
        try:
            with pytest.raises(aiohttp.ClientConnectionError, match=words):
                await endpoint.get("/api", seconds=5)
            with pytest.raises(aiohttp.ClientConnectionError, match=words):
                await client.CoreV1Api(api).list_namespace(_request_timeout=5)
        finally:
            await api.close()  # type: ignore[no-untyped-call]
            await endpoint.close()
    assert len(requests) == 2
    assert elsewhere == []


async def test_both_clients_act_as_the_user(tmp_path: Path) -> None:
    """The kubernetes client and the sessions that Kopf gets."""
    requests: list[str] = []
    async with _answering("200 OK", requests) as server:
        found = await _loaded(tmp_path / "config", user="token: t, as: limited, as-groups: [one, two]")
        endpoint = Endpoint(_config(host=f"http://{server}", impersonation=found.impersonation), HiddenValues())
        api = endpoint.api_client(Availability())
        try:
            await endpoint.get("/api", seconds=5)
            await api.call_api("GET", f"http://{server}/api")
        finally:
            await api.close()  # type: ignore[no-untyped-call]
            await endpoint.close()
    assert len(requests) == 2
    for each in requests:
        lines = [line for line in each.split("\r\n") if line.startswith("Impersonate")]
        assert lines == ["Impersonate-User: limited", "Impersonate-Group: one", "Impersonate-Group: two"]
