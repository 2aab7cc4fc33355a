"""Secrets in both formats, and what is said about bad ones. The token is in no message."""

import json
from base64 import b64encode

import pytest
import trustme

from astra_mirror.core.connection import TLS, Connection, connection_from
from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.urls import AllowedURL, BaseURL

ALLOWED = [AllowedURL.parse(text) for text in ("https://*.netapp.io", "http://127.0.0.1:8080", "https://[::1]:8443")]
TOKEN = "s3cr3t-token"
CA = trustme.CA().cert_pem.bytes().decode()
TOOLKIT = f"""\
headers:
  Authorization: Bearer {TOKEN}
uid: ignored
astra_project: %s
verifySSL: %s
"""


def _secret(**keys: str) -> dict[str, str]:
    return {key.replace("_", "."): b64encode(value.encode()).decode() for key, value in keys.items()}


def _read(**keys: str) -> Connection | Failed:
    return connection_from(_secret(**keys), ALLOWED)


@pytest.mark.parametrize(
    ("keys", "url", "tls"),
    [
        ({"url": "https://astra.netapp.io", "token": TOKEN}, "https://astra.netapp.io", TLS()),
        ({"url": "https://Astra.NetApp.io:443/\n", "token": f"{TOKEN}\n"}, "https://astra.netapp.io", TLS()),
        ({"url": "https://a.netapp.io", "token": TOKEN, "ca_crt": CA}, "https://a.netapp.io", TLS(CA.strip())),
        ({"url": "http://127.0.0.1:8080", "token": TOKEN}, "http://127.0.0.1:8080", TLS()),
        ({"url": "https://[::1]:8443", "token": TOKEN}, "https://[::1]:8443", TLS()),
        ({"config_yaml": TOOLKIT % ("demo", "True")}, "https://demo.astra.netapp.io", TLS()),
        ({"config_yaml": TOOLKIT % ("acc.netapp.io", "False")}, "https://acc.netapp.io", TLS(verify=False)),
        ({"config_yaml": TOOLKIT % ("https://acc.netapp.io/", "True")}, "https://acc.netapp.io", TLS()),
        (
            {"config_yaml": TOOLKIT % ("other", "True"), "url": "https://a.netapp.io", "token": TOKEN},
            "https://a.netapp.io",
            TLS(),
        ),
    ],
)
def test_a_good_secret(keys: dict[str, str], url: str, tls: TLS) -> None:
    """Both formats, trailing newlines, a CA, and the rule that url and token win."""
    connection = _read(**keys)
    assert isinstance(connection, Connection)
    assert (str(connection.url), connection.token, connection.tls) == (url, TOKEN, tls)
    assert TOKEN not in repr(connection)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, "no key 'url' and no key 'token'"),
        ({"url": "https://a.netapp.io"}, "no key 'token'"),
        ({"token": TOKEN}, "no key 'url'"),
        ({"url": "https://a.netapp.io", "token": " \n"}, "'token' is empty"),
        ({"url": "https://a.netapp.io", "token": f"Bearer {TOKEN}"}, "without 'Bearer'"),
        ({"url": "https://a.netapp.io", "token": f"{TOKEN}\n{TOKEN}"}, "line breaks"),
        ({"url": "astra.netapp.io", "token": TOKEN}, "must start with https://"),
        ({"url": TOKEN, "token": "https://a.netapp.io"}, "'url' the URL is wrong: it must start with https://"),
        ({"url": "https://user:pw@a.netapp.io:x", "token": TOKEN}, "is not a URL"),
        ({"url": "htps://user:pw@a.netapp.io", "token": TOKEN}, "must start with https://"),
        ({"url": "https://a.netapp.io/accounts/1", "token": TOKEN}, "write https://a.netapp.io"),
        ({"url": "https://user:pw@a.netapp.io", "token": TOKEN}, "user name or a password"),
        ({"url": "https://a.netapp.io:x", "token": TOKEN}, "is not a URL"),
        ({"url": "https://", "token": TOKEN}, "names no host"),
        ({"url": "https://a.netapp.io", "token": TOKEN, "ca_crt": "nonsense"}, "'ca.crt' is not a certificate"),
        ({"config_yaml": "{"}, "not YAML"),
        ({"config_yaml": "headers: {}"}, "headers.Authorization, astra_project"),
        ({"config_yaml": "just text"}, "the document"),
        ({"config_yaml": (TOOLKIT % ("x", "True")).replace("Bearer", "Basic")}, "does not start with 'Bearer'"),
    ],
)
def test_a_bad_secret_is_explained(keys: dict[str, str], words: str) -> None:
    """SecretInvalid says which key is wrong and what is right, and never the token."""
    failure = _read(**keys)
    assert isinstance(failure, Failed)
    assert failure.reason is SyncReason.SECRET_INVALID
    assert words in failure.message
    assert TOKEN not in failure.message
    assert "pw" not in failure.message


def test_bytes_that_are_no_text() -> None:
    """A binary key is named."""
    failure = connection_from({"url": b64encode(b"\xff\xfe").decode(), "token": "YQ=="}, ALLOWED)
    assert isinstance(failure, Failed)
    assert "'url' is not UTF-8" in failure.message


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example",
        "https://netapp.io",
        "https://astra.netapp.io.evil.example",
        "https://evilnetapp.io",
        "http://astra.netapp.io",
        "https://astra.netapp.io:8443",
        "https://127.0.0.1:8080",
        "http://127.0.0.1:80",
    ],
)
def test_a_url_that_nobody_allowed(url: str) -> None:
    """URLNotAllowed names the URL and the option, and tells a tenant nothing of the administrator's list."""
    failure = _read(url=url, token=TOKEN)
    assert isinstance(failure, Failed)
    assert failure.reason is SyncReason.URL_NOT_ALLOWED
    assert str(BaseURL.parse(url)) in failure.message
    assert "--allowed-url" in failure.message
    for entry in ALLOWED:
        assert str(entry) not in failure.message


def test_equal_secrets_are_one_connection() -> None:
    """In whatever format and namespace: they share limits and breakers."""
    assert _read(url="https://x.astra.netapp.io", token=TOKEN) == _read(config_yaml=TOOLKIT % ("x", "True"))


@pytest.mark.parametrize(
    "text", ["netapp.io", "https://a.b/path", "https://*", "https://a.*.b", "ftp://a.b", "https://"]
)
def test_a_bad_allowed_url(text: str) -> None:
    """An entry that cannot work is refused with a reason."""
    with pytest.raises(ValueError, match=r"."):
        AllowedURL.parse(text)


def test_what_names_the_very_host() -> None:
    """Only an exact entry lifts the refusal of loopback addresses."""
    assert AllowedURL.parse("http://localhost:80").names("localhost")
    assert not AllowedURL.parse("https://*.netapp.io").names("x.netapp.io")
    assert str(AllowedURL.parse("https://*.netapp.io")) == "https://*.netapp.io"
    assert str(BaseURL.parse("https://[::1]:99")) == "https://[::1]:99"


def test_an_echoed_token_is_cut_out() -> None:
    """A body that repeats the token does not carry it further."""
    connection = _read(url="https://a.netapp.io", token=TOKEN)
    assert isinstance(connection, Connection)
    assert connection.redact(f"bad {TOKEN}!".encode()) == b"bad [token]!"


@pytest.mark.parametrize(
    "text",
    [
        "a: !!int ''",
        "a: !!bool x",
        "a: !!timestamp x",
        "a: !!binary x",
        "a: !!python/object:os.system x",
        "a: *nothing",
        "[" * 5000,
        "a: {b: [",
        f"headers: {{Authorization: !!int {TOKEN}}}\nastra_project: x",
    ],
)
def test_no_yaml_does_more_than_be_refused(text: str) -> None:
    """Tags, anchors, depth: one tenant's Secret must not end the watch for all, nor be quoted."""
    failure = _read(config_yaml=text)
    assert isinstance(failure, Failed)
    assert failure.reason is SyncReason.SECRET_INVALID
    assert TOKEN not in failure.message


def test_a_bundle_may_have_comments_in_any_script() -> None:
    """Only the certificates in it count."""
    connection = _read(url="https://a.netapp.io", token=TOKEN, ca_crt=f"# Zürich Root CA\n{CA}\nsubject=ü\n{CA}")
    assert isinstance(connection, Connection)
    assert connection.tls.ca == f"{CA.strip()}\n{CA.strip()}"


@pytest.mark.parametrize("host", ["a..netapp.io", f"{'x' * 64}.netapp.io", "a%00.netapp.io", ".netapp.io"])
def test_hosts_that_no_resolver_takes_are_refused(host: str) -> None:
    """With words, before anybody is asked."""
    failure = _read(url=f"https://{host}", token=TOKEN)
    assert isinstance(failure, Failed)
    assert failure.reason is SyncReason.SECRET_INVALID


@pytest.mark.parametrize("entry", ["https://*.0.0.1", "https://*.127"])
def test_addresses_have_no_sub_domains(entry: str) -> None:
    """An entry that would let IP literals past the resolver's check is none."""
    with pytest.raises(ValueError, match="addresses have no sub-domains"):
        AllowedURL.parse(entry)


@pytest.mark.parametrize(
    ("token", "echo"),
    [
        ("abc/def", r"abc\/def"),
        ("plus+sign", r"plus\u002bsign"),
        ('quo"te', r"quo\"te"),
        ("plain", "plain"),
    ],
)
def test_an_echoed_token_is_taken_out(token: str, echo: str) -> None:
    """However JSON spells it, and in a library's words in any case."""
    connection = Connection(BaseURL.parse("https://a.netapp.io"), token)
    document = f'{{"title": "bad token {echo}", "x": "\\n"}}'.encode()
    assert token not in json.loads(connection.redact(document))["title"]
    assert token.lower() not in connection.redact_text(f"got {token.upper()} and {token}").lower()
