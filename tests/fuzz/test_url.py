"""Fuzzes URLs: what we accept, and compare with --allowed-url, is where aiohttp will connect."""

import re
import socket
from ipaddress import IPv6Address, ip_address
from typing import Final
from urllib.parse import urlsplit

import yarl
from aiohttp.helpers import is_ip_address
from hypothesis import example, given
from hypothesis import strategies as st

from astra_mirror.astra.addresses import is_refused
from astra_mirror.core.urls import AllowedURL, BaseURL
from tests.fuzz.bounds import IN_SECONDS
from tests.fuzz.mutation import mutated

URLS: Final = [
    each.encode()
    for each in (
        "https://a.netapp.io", "HTTPS://A.NetApp.IO:443/", "http://a_b-c.d:80", "https://xn--mnchen-3ya.netapp.io:8443",
        "https://127.0.0.1", "https://[::1]:8443", "https://[2001:db8::192.0.2.1]", "https://[::ffff:169.254.169.254]",
        "https://localhost", "https://a.b.c.netapp.io",
        "https://anetapp.io",
        "https://netapp.io",
    )
]  # fmt: skip
ENTRIES: Final = [
    b"https://*.netapp.io",
    b"https://a.netapp.io",
    b"http://*.d:80",
    b"https://127.0.0.1",
    b"https://[::1]:8443",
]
WORDS: Final = [
    each.encode()
    for each in (
        *".:@[]%/\\?#*-_ \t\n\0+;", "://", "//", "https://", "netapp.io", ".netapp.io", "xn--", "xn--a",
        "xn--mnchen-3ya",
        "0x7f", "0177", "127.1", "2130706433", "::1", "fe80::1", "%25eth0", "%2e", "%00", "。", "\uff0e", "ü", "ⓐ", "٤",
        "\u00ad",
        "user:pw@", "443", "00443", "65536", "a" * 63, "a." * 60, "v1.a:b", "\u2028", "ß", "ς", "\u200d", "İ",
    )
]  # fmt: skip

texts: Final = mutated(URLS, WORDS, most=3000).map(lambda data: data.decode("utf-8", "replace"))
entries: Final = mutated(ENTRIES, WORDS, most=500).map(lambda data: data.decode("utf-8", "replace"))


def _host_as_we_write_it(host: str) -> str:
    return str(IPv6Address(host)) if ":" in host else host


def _is_an_address_to_the_system(host: str) -> bool:
    """127.1 and 0x7f.1 are, to the resolver of the C library."""
    try:
        socket.inet_aton(host)
    except OSError:
        return is_ip_address(host)
    return True


def _called(url: BaseURL) -> yarl.URL:
    """What aiohttp makes of the URL of a request of ours."""
    return yarl.URL(str(url)).with_path("/accounts/1/k8s/v1/apps/2/appBackups")


def _read(text: str) -> BaseURL | ValueError:
    try:
        return BaseURL.parse(text)
    except ValueError as error:
        return error


@IN_SECONDS
@given(texts)
@example("https://[::1%x.netapp.io]")
@example("https://xn--a.netapp.io")
@example("https://127.1")
@example("https://0x7f.1")
def test_every_library_connects_where_we_think(text: str) -> None:
    """Scheme, host and port of aiohttp and of the standard library; and no error in either."""
    url = _read(text)
    if isinstance(url, ValueError):
        assert str(url).startswith(("it ", "its "))
        assert len(str(url)) < 400
        return
    assert re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]+", url.host)
    called, parts = _called(url), urlsplit(str(url))
    assert called.scheme == parts.scheme == url.scheme
    hosts = [str(called.raw_host), str(parts.hostname)]
    assert {_host_as_we_write_it(host) for host in hosts} == {url.host}
    assert called.port == (parts.port or called.port) == url.port
    assert (called.user, called.password, called.query_string, called.fragment) == (None, None, "", "")
    assert BaseURL.parse(str(url)) == url
    if _is_an_address_to_the_system(url.host):
        assert str(ip_address(url.host)) == url.host
    # A name is looked up as it is; what the resolver does with it is Python's own IDNA.
    assert url.host.encode("idna").decode("ascii") == url.host


@IN_SECONDS
@given(entries, texts)
@example("https://*.netapp.io", "https://a.netapp.io")
@example("https://*.netapp.io", "https://[::1%x.netapp.io]")
@example("https://*.1", "https://127.0.0.1")
def test_an_entry_allows_what_it_names(entry: str, text: str) -> None:
    """By whole labels, with the very scheme and port; and an address, which no resolver looks at, by its very self."""
    try:
        allowed, url = AllowedURL.parse(entry), BaseURL.parse(text)
    except ValueError:
        return
    assert AllowedURL.parse(str(allowed)) == allowed
    host = str(_called(url).raw_host)
    labels, wanted = url.host.split("."), allowed.base.host.split(".")
    is_below = len(labels) > len(wanted) and labels[-len(wanted) :] == wanted
    is_same = (url.scheme, url.port) == (allowed.base.scheme, allowed.base.port)
    assert allowed.allows(url) == (is_same and (is_below if allowed.wildcard else url.host == allowed.base.host))
    if allowed.allows(url) and is_ip_address(host):
        # aiohttp connects to it without asking the resolver that refuses loopback and metadata addresses.
        assert allowed.names(url.host)
        assert ip_address(host) == ip_address(allowed.base.host)


@IN_SECONDS
@given(st.ip_addresses(v=4), st.sampled_from(["::ffff:{}", "64:ff9b::{}", "::{}", "::ffff:0:{}", "64:ff9b:1::{}"]))
def test_an_address_within_another_is_refused_as_it_would_be_alone(address: object, form: str) -> None:
    """Each form in which IPv6 carries an IPv4 address leads to the same machine."""
    embedded = form.format(address)
    if is_refused(str(address)):
        assert is_refused(embedded)
        assert is_refused(str(IPv6Address(embedded)))
