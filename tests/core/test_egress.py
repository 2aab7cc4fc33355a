"""Which requests to Astra Control go through which proxy, and what is said of options that are no good."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from astra_mirror.core.egress import Egress, Exclusion, Proxy
from astra_mirror.core.proxies import UnsupportedProxyError
from astra_mirror.core.urls import BaseURL

PROXY = "http://proxy.example:3128"


def _is_proxied(url: str, *no_proxy: str) -> bool:
    return Egress.parse(PROXY, no_proxy, {}).proxy_for(BaseURL.parse(url)) is not None


@pytest.mark.parametrize(
    ("url", "entry", "is_proxied"),
    [
        ("https://astra.example", "astra.example", False),
        ("https://astra.example:8443", "astra.example", False),
        ("https://ASTRA.example", "Astra.Example", False),
        ("https://a.astra.example", "astra.example", True),
        ("https://notastra.example", "astra.example", True),
        ("https://astra.example", "other.example", True),
        ("https://a.astra.example", ".astra.example", False),
        ("https://a.b.astra.example", ".astra.example", False),
        ("https://a.astra.example", "*.astra.example", False),
        ("https://astra.example", ".astra.example", True),
        ("https://astra.example", "*.astra.example", True),
        ("https://notastra.example", "*.astra.example", True),
        ("https://astra.example", "astra.example:443", False),
        ("http://astra.example", "astra.example:443", True),
        ("http://astra.example", "astra.example:80", False),
        ("https://astra.example:8443", "astra.example:443", True),
        ("https://a.astra.example:8443", ".astra.example:8443", False),
        ("https://a.astra.example", ".astra.example:8443", True),
        ("https://10.1.2.3", "10.1.2.3", False),
        ("https://10.1.2.3:8443", "10.1.2.3:8443", False),
        ("https://10.1.2.3:8443", "10.1.2.3:443", True),
        ("https://10.1.2.3", "10.1.2.4", True),
        ("https://[fd00::1]", "fd00::1", False),
        ("https://[fd00::1]", "fd00:0:0::1", False),
        ("https://[fd00::1]", "[fd00::1]", False),
        ("https://[fd00::1]:8443", "[fd00::1]:8443", False),
        ("https://[fd00::1]:8443", "[fd00::1]:443", True),
        ("https://localhost", "", True),
        ("https://127.0.0.1", "", True),
    ],
)
def test_no_proxy(url: str, entry: str, *, is_proxied: bool) -> None:
    """A host exactly, the names below a suffix, an address; each with a port or for any port."""
    assert _is_proxied(url, *[entry] * bool(entry)) == is_proxied


@pytest.mark.parametrize(
    "entry",
    [
        "", " ", "*", ".", "*.", "a*.example", "*.*.example", "https://astra.example", "astra.example/",
        "astra.example:",
        "astra.example:x", "astra.example:0", "astra.example:65536", ".10.1.2.3", "*.10.1.2.3", "[fd00::1", "fd00::1]",
        "10.1.2", "a b", "fe80::1%eth0", "ä.example", "astra.example?", "10.0.0.0/8x",
    ],
)  # fmt: skip
def test_what_is_no_entry(entry: str) -> None:
    """The message has what is wrong, and what may stand there."""
    with pytest.raises(ValueError, match=r" is not a host, \.suffix, \*\.suffix or an IP address, each with") as caught:
        Egress.parse(None, [entry], {})
    assert str(caught.value).startswith(repr(entry))


@pytest.mark.parametrize("entry", ["10.0.0.0/8", "fd00::/8", " 10.1.2.3/32 ", "10.0.0.0/999"])
def test_networks(entry: str) -> None:
    """A CIDR is said to be one, because NO_PROXY may have it for other programs."""
    with pytest.raises(ValueError, match=r"^'.*/.*' is a network, and only hosts are known here"):
        Egress.parse(PROXY, [entry], {})


def test_an_entry_that_may_have_a_password_is_not_quoted() -> None:
    """Somebody may give the proxy's URL to the wrong option."""
    with pytest.raises(ValueError, match="an entry is not a host") as caught:
        Egress.parse(None, ["http://me:pass-word@proxy.example"], {})
    assert "word" not in str(caught.value)


def test_without_a_proxy() -> None:
    """--no-proxy alone is accepted, and has no effect; nor have the environment's proxies."""
    environment = {"HTTPS_PROXY": PROXY, "HTTP_PROXY": PROXY}
    assert Egress.parse(None, ["astra.example"], environment) == Egress()
    assert Egress().proxy_for(BaseURL.parse("https://astra.example")) is None


def test_one_proxy_for_both_schemes() -> None:
    """It is a fact of the option, whatever the environment says."""
    egress = Egress.parse(f" {PROXY}/\n", [], {"HTTPS_PROXY": "http://other:1", "NO_PROXY": "*"})
    assert egress.https == egress.http == Proxy(PROXY)
    assert egress.proxies == (Proxy(PROXY),)


@pytest.mark.parametrize(
    ("environment", "https", "http"),
    [
        ({}, None, None),
        ({"HTTPS_PROXY": "http://a:1"}, "http://a:1", None),
        ({"HTTP_PROXY": "http://a:1"}, None, "http://a:1"),
        ({"HTTPS_PROXY": "http://a:1", "HTTP_PROXY": "http://b:2"}, "http://a:1", "http://b:2"),
        ({"https_proxy": "a:1", "http_proxy": "b:2"}, "http://a:1", "http://b:2"),
        ({"HTTPS_PROXY": "http://a:1", "https_proxy": "http://c:3"}, "http://a:1", None),
        ({"HTTPS_PROXY": "", "https_proxy": "http://c:3"}, "http://c:3", None),
        ({"ALL_PROXY": "http://a:1"}, None, None),
        ({"HTTPS_PROXY": "http://a:1", "NO_PROXY": "x, *"}, None, None),
    ],
)
def test_the_environment(environment: dict[str, str], https: str | None, http: str | None) -> None:
    """`env` stands for HTTPS_PROXY for https://, HTTP_PROXY for http://; capitals first, as elsewhere."""
    egress = Egress.parse("env", [], environment)
    assert [each and each.url for each in (egress.https, egress.http)] == [https, http]


@pytest.mark.parametrize(
    ("url", "no_proxy", "is_proxied"),
    [
        ("https://astra.example", "astra.example", False),
        ("https://a.astra.example", "astra.example", False),
        ("https://a.astra.example", ".astra.example", False),
        ("https://astra.example", ".astra.example", True),
        ("https://a.astra.example:8443", "astra.example:8443", False),
        ("https://10.1.2.3", "10.1.2.3", False),
        ("https://10.1.2.3", "10.0.0.0/8", True),
        ("https://astra.example", "10.0.0.0/8,,astra.example,nonsense:x", False),
        ("https://mine.example", "", False),
        ("https://a.mine.example", "", True),
    ],
)
def test_the_environments_no_proxy(url: str, no_proxy: str, *, is_proxied: bool) -> None:
    """A name stands for those below it as well, as for other programs; --no-proxy counts beside it, as it reads."""
    egress = Egress.parse("env", ["mine.example"], {"HTTPS_PROXY": PROXY, "no_proxy": no_proxy})
    assert (egress.proxy_for(BaseURL.parse(url)) is not None) == is_proxied


def test_what_is_left_out_of_the_environments_no_proxy() -> None:
    """Networks and what nobody can read: the log names them."""
    egress = Egress.parse("env", [], {"HTTPS_PROXY": PROXY, "NO_PROXY": "10.0.0.0/8, a.example,fd00::/8,x:y"})
    assert egress.ignored == ("10.0.0.0/8", "fd00::/8", "x:y")
    assert [each.host for each in egress.excluded] == ["a.example"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("https://proxy.example:3128", "it is an https:// proxy, which is not supported"),
        (" HTTPS://me:pass-word@proxy.example", "it is an https:// proxy, which is not supported"),
        ("", "it must be an http:// URL of a valid host"),
        ("proxy.example:3128", "it must be an http:// URL of a valid host"),
        ("ENV", "it must be an http:// URL of a valid host"),
        ("socks5://me:pass-word@proxy.example", "it must be an http:// URL of a valid host"),
        ("http://", "it must be an http:// URL of a valid host"),
        ("http://me:pass-word@", "it must be an http:// URL of a valid host"),
        ("http://me:pass/word@proxy.example", "it must be an http:// URL of a valid host"),
        ("http://me:pass?word@proxy.example", "it must be an http:// URL of a valid host"),
        ("http://proxy.example:port", "it must be an http:// URL of a valid host"),
        ("http://me:pass-word@pro\\xy.example", "it is no URL of a proxy: its host is no DNS name or address"),
        ("http://me:pass-word@[fe80::1%25eth0]", "it is no URL of a proxy: its host is no DNS name or address"),
        ("http://proxy.example:0", "it must be an http:// URL of a valid host"),
        ("http://m%3Ae:pass-word@proxy.example", "it has a user name with a colon"),
    ],
)
def test_what_is_no_proxy(text: str, words: str) -> None:
    """The message says what to write, and quotes nothing: the URL may have a password."""
    with pytest.raises(UnsupportedProxyError) as caught:
        Egress.parse(text, [], {})
    assert words in str(caught.value)
    assert "or env" in str(caught.value)
    assert not any(each in str(caught.value) for each in ("pass", "word", "me:"))


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "HTTP_PROXY", "https_proxy"])
@pytest.mark.parametrize(
    "value", ["https://me:pass-word@proxy.example", "socks5://me:pass-word@proxy.example", "http://["]
)
def test_an_environment_of_no_use(name: str, value: str) -> None:
    """The variable is named, and its value is not."""
    with pytest.raises(UnsupportedProxyError, match=f"^{name.upper()} ") as caught:
        Egress.parse("env", [], {name: value})
    assert "word" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "url", "authorization", "secrets"),
    [
        ("http://p.example:1", "http://p.example:1", None, ()),
        ("http://me:pass%3Aword@p.example:1", "http://p.example:1", "Basic bWU6cGFzczp3b3Jk", ("pass:word",)),
        ("http://me@p.example", "http://p.example", "Basic bWU6", ("me",)),
        ("http://:secret@p.example", "http://p.example", "Basic OnNlY3JldA==", ("secret",)),
        ("HTTP://me:%2F%3F%23@[::1]:8", "http://[::1]:8", "Basic bWU6Lz8j", ("/?#",)),
    ],
)
def test_the_user_name_and_the_password(
    text: str, url: str, authorization: str | None, secrets: tuple[str, ...]
) -> None:
    """They are no part of the URL that is used, nor of what is shown of the options; what to hide is known."""
    egress = Egress.parse(text, [], {})
    assert egress.https is not None
    assert (egress.https.url, str(egress.https), egress.https.authorization) == (url, url, authorization)
    sent = () if authorization is None else (authorization.removeprefix("Basic "),)
    assert set(egress.secrets) == {*secrets, *sent}
    assert not any(each in repr(egress) for each in egress.secrets)


@given(st.text() | st.text().map("http://{}".format) | st.from_regex(r"http://[!-~]*(:[0-9]*)?"), st.text())
def test_no_text_is_worse_than_an_error(url: str, entry: str) -> None:
    """Whatever is typed or in the environment; what is taken for a proxy can be connected to."""
    for proxy_url, environment in ((url, {}), ("env", {"HTTPS_PROXY": url, "NO_PROXY": entry})):
        try:
            egress = Egress.parse(proxy_url, [], environment)
        except ValueError:
            continue
        egress.proxy_for(BaseURL.parse("https://astra.example"))
        assert all(URL(each.url).raw_host for each in egress.proxies)
    try:
        Exclusion.parse(entry)
    except ValueError:
        return
