"""Which proxy leads to the API server: the rules of Go's programs, kubectl among them."""

import pytest

from astra_mirror.core.proxies import UnsupportedProxyError, proxy_for, without_credentials

_PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("server", "excluded", "is_used"),
    [
        ("https://10.96.0.1", "", True),
        ("https://10.96.0.1", "10.0.0.0/8", False),
        ("https://10.96.0.1", "10.1.2.3/8", False),
        ("https://10.96.0.1", "10.0.0.0/255.0.0.0", True),
        ("https://11.96.0.1", "10.0.0.0/8", True),
        ("https://10.96.0.1:6443", "10.96.0.1", False),
        ("https://10.96.0.1:6443", "10.96.0.1:6443", False),
        ("https://10.96.0.1:6443", "10.96.0.1:443", True),
        ("https://10.96.0.1", "10.96.0.1:443", False),
        ("https://[fd00::1]:6443", "fd00::/8", False),
        ("https://[fd00::1]:6443", "[fd00::1]:6443", False),
        ("https://[fd00::1]:6443", "fd00::1", False),
        ("https://[fd00::1]:6443", "fd00::2", True),
        ("https://kube.example.com", "example.com", False),
        ("https://kube.example.com", ".example.com", False),
        ("https://kube.example.com", "*.example.com", False),
        ("https://example.com", "example.com", False),
        ("https://example.com", ".example.com", True),
        ("https://example.com", "*.example.com", True),
        ("https://notexample.com", "example.com", True),
        ("https://kube.example.com:6443", "example.com:6443", False),
        ("https://kube.example.com:6443", "example.com:443", True),
        ("https://KUBE.example.com", " Kube.Example.COM ,x", False),
        ("https://kube.example.com", "10.0.0.0/8,*", False),
        ("https://kube.example.com", ",:443,[,/8", True),
        ("https://localhost:6443", "", False),
        ("https://127.0.0.1:6443", "", False),
        ("https://127.9.9.9", "", False),
        ("https://[::1]:6443", "", False),
    ],
)
def test_no_proxy(server: str, excluded: str, *, is_used: bool) -> None:
    """Networks, addresses, names and what is below them, each with or without a port; never to this machine."""
    assert proxy_for(server, None, {"HTTPS_PROXY": _PROXY, "NO_PROXY": excluded}) == (_PROXY if is_used else None)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://a:1", "https_proxy": "http://b:1"}, "http://a:1"),
        ({"HTTPS_PROXY": "", "https_proxy": "http://b:1"}, "http://b:1"),
        ({"HTTP_PROXY": "http://a:1", "ALL_PROXY": "http://b:1"}, None),
        ({"https_proxy": "a:1"}, "http://a:1"),
        ({"https_proxy": "http://a:1", "no_proxy": "kube.example"}, None),
        ({"https_proxy": "http://a:1", "NO_PROXY": "other", "no_proxy": "kube.example"}, "http://a:1"),
    ],
)
def test_the_environment(environment: dict[str, str], expected: str | None) -> None:
    """HTTPS_PROXY for an https server, capitals first, and a scheme that may be left out."""
    assert proxy_for("https://kube.example", None, environment) == expected


def test_the_kubeconfig_wins() -> None:
    """Its proxy-url counts whatever the environment says, and for this machine as well."""
    environment = {"HTTPS_PROXY": "http://other:1", "NO_PROXY": "*"}
    assert proxy_for("https://127.0.0.1:6443", _PROXY, environment) == _PROXY


@pytest.mark.parametrize("is_in_kubeconfig", [True, False])
@pytest.mark.parametrize(
    "proxy",
    [
        "socks5://me:password@a:1",
        "http://me:password@[",
        "http://me:password@[]:1",
        "http://me:password@a:b",
        "http://me:pass/password@a:1",
        "http://me:12/password@a:1",
        "http://me:12?password@a:1",
        "http://me:12#password@a:1",
        "http://me:12/?password@a:1",
        "http://password/a:1",
        "me:12/password@a:1",
        "http://me:password\ud800@a:1",
        "http://",
    ],
)
def test_a_kind_of_proxy_that_cannot_be_used(proxy: str, *, is_in_kubeconfig: bool) -> None:
    """It is said where it comes from, and not what it contains: there may be a password in it."""
    with pytest.raises(UnsupportedProxyError, match=r"must be an http:// or https:// URL") as caught:
        proxy_for("https://kube.example", proxy if is_in_kubeconfig else None, {"HTTPS_PROXY": proxy})
    assert "password" not in str(caught.value)
    assert ("proxy-url" if is_in_kubeconfig else "HTTPS_PROXY") in str(caught.value)


def test_a_user_name_that_cannot_be_sent() -> None:
    """Basic authentication ends it at the first colon."""
    with pytest.raises(UnsupportedProxyError, match=r"^HTTPS_PROXY has a user name with a colon") as caught:
        proxy_for("https://kube.example", None, {"HTTPS_PROXY": "http://m%3Ae:password@a:1"})
    assert "password" not in str(caught.value)


@pytest.mark.parametrize(
    ("proxy", "expected"),
    [
        ("http://proxy.example:3128", ("http://proxy.example:3128", None)),
        ("http://user:pass@proxy.example:3128/", ("http://proxy.example:3128/", ("user", "pass"))),
        ("https://user@[fd00::1]", ("https://[fd00::1]", ("user", ""))),
        ("http://us%40er:p%3A%2Fss@proxy.example", ("http://proxy.example", ("us@er", "p:/ss"))),
        ("http://user:p@ss@proxy.example", ("http://proxy.example", ("user", "p@ss"))),
        ("http://@proxy.example", ("http://proxy.example", ("", ""))),
    ],
)
def test_the_credentials_of_a_proxy(proxy: str, expected: tuple[str, tuple[str, str] | None]) -> None:
    """They are taken out of its URL."""
    assert without_credentials(proxy) == expected
