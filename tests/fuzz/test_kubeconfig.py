"""Fuzzes kubeconfigs, and the variables that name proxies: what is found there, or an error that says where."""

import asyncio
import re
import tempfile
from base64 import b64encode
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from hypothesis import example, given
from hypothesis import strategies as st
from kubernetes.aio.config import kube_config

from astra_mirror.cluster.kubeconfig import ClusterConfig, ClusterConfigError, load_configuration
from astra_mirror.core.proxies import UnsupportedProxyError, proxy_for
from tests.fuzz.bounds import IN_SECONDS
from tests.fuzz.mutation import mutated

_CA: Final = b64encode(Path(__file__).with_name("ca.pem").read_bytes()).decode()
KUBECONFIGS: Final = [
    f"""\
apiVersion: v1
kind: Config
clusters: [{{name: a, cluster: {{server: "https://127.0.0.1:6443", certificate-authority-data: {_CA}}}}}]
users: [{{name: a, user: {{token: some-token}}}}]
contexts: [{{name: a, context: {{cluster: a, user: a, namespace: shop}}}}]
current-context: a
""".encode(),
    b"""\
current-context: b
contexts:
- name: b
  context:
    cluster: b
    user: b
clusters:
- name: b
  cluster: {server: "https://[::1]", insecure-skip-tls-verify: true, tls-server-name: x, proxy-url: "http://p:3128"}
users:
- name: b
  user: {username: u, password: p}
preferences: {}
""",
]
_WORDS: Final = [
    each.encode()
    for each in (
        *"[]{}:,-&*!|>'\"#@ \n\t0~", "null", "true", "---\n", "<<: ", "*a", "&a ", "!!binary ", "- ", "[]", "{}",
        "name:", "user:",
        "cluster:", "server: 7", "contexts: null\n", "users: {}\n", "token: [x]", "current-context:",
        "client-certificate-data: ",
        "client-key-data: ", "tokenFile: /nowhere\n", "certificate-authority: /nowhere\n", "proxy-url: socks5://x\n",
        "\ufeff", "ü",
    )
] + [b"\xff", b"\0"]  # fmt: skip
_DANGEROUS: Final = re.compile(rb"exec|auth-provider|\\")
"""What runs a program or asks a server, and what could spell that otherwise."""


@IN_SECONDS
@given(mutated(KUBECONFIGS, _WORDS, most=20_000))
@example(KUBECONFIGS[0])
@example(KUBECONFIGS[1])
@example(b"{a: " * 1500)
def test_any_file_is_a_kubeconfig_or_a_clear_error(content: bytes) -> None:
    """The message says which file it was."""
    if _DANGEROUS.search(content):
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kubeconfig"
        path.write_bytes(content)
        try:
            found: ClusterConfig | ClusterConfigError = asyncio.run(load_configuration({"KUBECONFIG": str(path)}))
        except ClusterConfigError as error:
            found = error
        finally:
            # The library keeps what it decodes in files of its own until the process ends.
            kube_config._cleanup_temp_files()  # type: ignore[no-untyped-call]
    if isinstance(found, ClusterConfigError):
        assert str(path) in str(found)
    else:
        assert isinstance(found.host, str)


_SERVERS: Final = [
    "https://10.0.0.1",
    "https://api.example.com:6443",
    "http://[2001:db8::1]:80",
    "https://localhost",
    "https://127.0.0.1",
]
_ENTRIES: Final = [
    b"10.0.0.0/8",
    b"example.com",
    b".example.com,*.x",
    b"api.example.com:6443",
    b"[2001:db8::1]:80, *",
    b"2001:db8::/32",
]
_ENTRY_WORDS: Final = [
    each.encode() for each in (*"/:.,*[] -%0", "::", "/33", "/129", "٣", "10.0.0.1", "example", "com", "6443", "ü")
]


@IN_SECONDS
@given(
    st.sampled_from(_SERVERS),
    mutated(_ENTRIES, _ENTRY_WORDS, most=500),
    mutated([b"http://p:3128", b"p:3128", b"https://u:p@p"], [b"socks5://", b"://", b"@", b" "], most=200),
)
@example("https://10.0.0.1", b"", b"[]//p:3128")
@example("https://10.0.0.1", b"", b"[//p:3128")
def test_any_words_in_the_variables_for_proxies_are_read(server: str, excluded: bytes, proxy: bytes) -> None:
    """A network that has the server's address excludes it, whatever else stands there; only a kind can be wrong."""
    environment = {
        "HTTPS_PROXY": proxy.decode("latin-1"),
        "HTTP_PROXY": "p:1",
        "NO_PROXY": excluded.decode("utf-8", "replace"),
    }
    try:
        found = proxy_for(server, None, environment)
    except UnsupportedProxyError as error:
        assert str(error)  # noqa: PT017 - any other error is a finding
        return
    host = urlsplit(server).hostname or ""
    if host == "localhost" or host.startswith("127."):
        assert found is None
    for entry in environment["NO_PROXY"].split(","):
        network = _network(entry.strip())
        if network is not None and host[0].isdigit() and ip_address(host) in network:
            assert found is None


def _network(entry: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(entry, strict=False) if re.fullmatch(r"[0-9a-f.:]+/[0-9]{1,3}", entry) else None
    except ValueError:
        return None
