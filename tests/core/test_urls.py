"""URLs have one reading: what is compared with --allowed-url is what every library calls, or it is no URL."""

from ipaddress import IPv6Address
from urllib.parse import urlsplit

import pytest
import yarl
from hypothesis import example, given, settings
from hypothesis import strategies as st

from astra_mirror.core.urls import AllowedURL, BaseURL

ALLOWED = AllowedURL.parse("https://*.netapp.io")

HOSTILE = [
    # Zones and future address formats end as any name may end.
    "https://[::1%x.netapp.io]",
    "https://[fe80::1%25x.netapp.io]",
    "https://[v1.a:b.netapp.io]",
    "https://[::1].netapp.io",
    "https://[::1]x.netapp.io",
    "https://[::1",
    "https://::1",
    "https://[]",
    "https://[[::1]]",
    # Names that IDNA does not know.
    "https://xn--a.netapp.io",
    "https://a.xn--a.netapp.io",
    "https://XN--A.netapp.io",
    "https://xn--.netapp.io",
    "https://a_b.xn--mnchen-3ya.netapp.io",
    "https://münchen.netapp.io",
    "https://ⓝetapp.io",
    "https://a。netapp.io",
    # Users, passwords, backslashes, and ends that some libraries take for others.
    "https://user@a.netapp.io",
    "https://@a.netapp.io",
    "https://:@a.netapp.io",
    "https://evil.example\\@a.netapp.io",
    "https://evil.example\\.netapp.io",
    "https://evil.example#@a.netapp.io",
    "https://evil.example?.netapp.io",
    "https://evil.example/.netapp.io",
    "https://evil.example;.netapp.io",
    "https://evil.example%2f.netapp.io",
    "https://evil.example%00.netapp.io",
    "https:\\\\a.netapp.io",
    "https:/a.netapp.io",
    "https:a.netapp.io",
    "//a.netapp.io",
    "https:///a.netapp.io",
    "javascript://a.netapp.io",
    "https://a.netapp.io https://b.netapp.io",
    "https://a.net\napp.io",
    "https://a.net\tapp.io",
    "https://a.netapp.io\r\nHost:x",
    "https://a.netapp.io\x00",
    # Dots.
    "https://netapp.io.",
    "https://a.netapp.io.",
    "https://.netapp.io",
    "https://a..netapp.io",
    "https://.",
    # Ports.
    "https://a.netapp.io:",
    "https://a.netapp.io:0",
    "https://a.netapp.io:00000",
    "https://a.netapp.io:65536",
    "https://a.netapp.io:-1",
    "https://a.netapp.io:+443",
    "https://a.netapp.io:4_43",
    "https://a.netapp.io:٤٤٣",
    "https://a.netapp.io: 443",
    "https://a.netapp.io:443:443",
    "https://[::1]:",
    # Addresses in spellings that some take for names.
    "https://127.1",
    "https://0x7f.1",
    "https://0x7f000001",
    "https://0X7F.0.0.1",
    "https://2130706433",
    "https://0177.0.0.1",
    "https://127.0.0.01",
    "https://127.0.0.1.",
    "https://127.0.0.256",
    "https://1.2.3.4.5",
    "https://a.netapp.io.0x",
    "https://a.netapp.io.1",
    "https://[127.0.0.1]",
    "https://[::127.0.0.256]",
    "https://[1::2::3]",
    # Lengths.
    f"https://{'a' * 64}.netapp.io",
    f"https://{'a.' * 125}netapp.io",
    f"https://{'a.' * 30_000}netapp.io",
    f"https://a.netapp.io{'/' * 65_000}",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_can_be_read_in_two_ways_is_no_url(text: str) -> None:
    """It is refused with words, and the words repeat nothing but an address that is right by itself."""
    with pytest.raises(ValueError, match=r"^it |^its ") as refused:
        BaseURL.parse(text)
    words = str(refused.value).removesuffix(": write https://evil.example")
    assert "evil" not in words
    assert "user@" not in words


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://a.netapp.io", "https://a.netapp.io"),
        ("HTTPS://A.NetApp.IO:443/", "https://a.netapp.io"),
        ("https://a.netapp.io:08443", "https://a.netapp.io:8443"),
        ("http://a_b-c.d:80", "http://a_b-c.d"),
        ("http://localhost", "http://localhost"),
        ("https://xn--mnchen-3ya.de", "https://xn--mnchen-3ya.de"),
        ("https://127.0.0.1", "https://127.0.0.1"),
        ("https://[0:0:0:0:0:0:0:1]:8443", "https://[::1]:8443"),
        ("https://[2001:DB8::0001]", "https://[2001:db8::1]"),
        (f"https://{'a' * 63}.netapp.io", f"https://{'a' * 63}.netapp.io"),
    ],
)
def test_a_url_has_one_spelling(text: str, url: str) -> None:
    """So that equal hosts are equal, whoever writes them and however."""
    assert str(BaseURL.parse(text)) == url
    assert BaseURL.parse(url) == BaseURL.parse(text)


def _host_of_a_library(host: str | None) -> str:
    host = host or ""
    return str(IPv6Address(host)) if ":" in host else host


pieces = st.sampled_from(
    [*".:@[]%/\\#?-_0 \nüé。", "a", "443", "netapp.io", "xn--", "xn--mnchen-3ya", "0x7f", "127.1", "::1"]
)


@settings(deadline=None)
@given(st.text() | st.lists(pieces, max_size=8).map("".join))
@example("[::1%x.netapp.io]")
@example("1.1.1.1")
@example("xn--mnchen-3ya.netapp.io:8443/")
def test_the_libraries_read_every_url_as_we_do(rest: str) -> None:
    """Scheme, host and port, in aiohttp's yarl and in the standard library, without an error in any."""
    try:
        url = BaseURL.parse(f"https://{rest}")
    except ValueError:
        return
    for text in (str(url), f"{url}/accounts/1"):
        yarls, parts = yarl.URL(text), urlsplit(text)
        assert yarls.scheme == parts.scheme == url.scheme
        hosts = {str(yarls.raw_host), str(parts.hostname)}
        assert {_host_of_a_library(host) for host in hosts} == {url.host}
        assert yarls.host
        assert yarls.port == (parts.port or 443) == url.port
    assert url.host.encode("idna").decode() == url.host
    assert ALLOWED.allows(url) == (url.port == 443 and url.host.endswith(".netapp.io"))


@settings(deadline=None)
@given(st.text())
def test_a_host_is_matched_by_whole_labels(label: str) -> None:
    """Neither the name itself nor one that only ends in the same letters is below it."""
    for host in (f"{label}netapp.io", "netapp.io", f"{label}.netapp.io.evil.example"):
        try:
            url = BaseURL.parse(f"https://{host}")
        except ValueError:
            continue
        assert ALLOWED.allows(url) == (url.host != "netapp.io" and url.host.endswith(".netapp.io"))


def test_an_entry_and_a_url_may_spell_an_address_differently() -> None:
    """Both are brought into the shortest form."""
    entry = AllowedURL.parse("https://[0:0::1]:8443")
    assert entry.allows(BaseURL.parse("https://[::0001]:8443"))
    assert entry.names("::1")


@pytest.mark.parametrize(
    "entry",
    ["https://*.0x7f", "https://*.0.1", "https://*.[::1]", "https://*.1:8443"],
)
def test_an_entry_for_addresses_below_an_address_is_refused(entry: str) -> None:
    """In whatever spelling: it would let literals past the check at connect time."""
    with pytest.raises(ValueError, match="addresses have no sub-domains"):
        AllowedURL.parse(entry)


@pytest.mark.parametrize(
    "entry", ["https://a.io:0", "https://[::1%eth0]", "https://xn--a.io", "https://a.io.", "https://127.1"]
)
def test_an_entry_that_no_url_could_match_is_refused(entry: str) -> None:
    """The option says so at the start, instead of allowing nothing in silence."""
    with pytest.raises(ValueError, match=r"its host is|its port is"):
        AllowedURL.parse(entry)


@pytest.mark.parametrize("text", ["https://*.netapp.io/", "https://acc.example.com:8443/", "http://[::1]/"])
def test_a_slash_at_the_end_of_an_entry(text: str) -> None:
    """It means nothing; another one, or a path, is an error."""
    assert AllowedURL.parse(text) == AllowedURL.parse(text.removesuffix("/"))
    for wrong in (f"{text}/", f"{text}a"):
        with pytest.raises(ValueError, match="is not scheme://host"):
            AllowedURL.parse(wrong)
