"""Fuzzes what is made of a Secret's content: a connection or SecretInvalid, for work that the bytes alone bound."""

import string
from base64 import b64decode, b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yarl
from hypothesis import example, given
from hypothesis import strategies as st

from astra_mirror.astra.tls import ssl_context
from astra_mirror.core.connection import TLS, Connection, connection_from
from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.secret_content import content_of
from astra_mirror.core.secret_keys import MAX_CA, MAX_KEY
from astra_mirror.core.urls import AllowedURL
from tests.fuzz.bounds import IN_SECONDS, Steps
from tests.fuzz.mutation import mutated

ALLOWED: Final = [AllowedURL.parse("https://*.netapp.io"), AllowedURL.parse("http://127.0.0.1:8080")]
MARK: Final = "Qx7Qx7"
"""Stands in each value where the words of a message have no reason to be."""
TOKEN: Final = f"{MARK}-s3cr3t"
CA: Final = Path(__file__).with_name("ca.pem").read_bytes()
BEGIN: Final = b"-----BEGIN CERTIFICATE-----"
END: Final = b"-----END CERTIFICATE-----"
URLS: Final = [b"https://a.netapp.io", b"HTTPS://a.netapp.io:443/\n", b"http://127.0.0.1:8080"]
TOKENS: Final = [TOKEN.encode(), TOKEN.encode() + b"\n", b"x" * 4000]
CONFIGS: Final = [
    f"headers: {{Authorization: Bearer {TOKEN}}}\nuid: x\nastra_project: demo\nverifySSL: false\n".encode(),
    f"---\n# {MARK}\nheaders:\n  Authorization: 'Bearer {TOKEN}'\nastra_project: \"https://a.netapp.io\"\n".encode(),
    b"? headers\n: ? Authorization\n  : |-\n    Bearer " + TOKEN.encode() + b"\n? astra_project\n: >\n  demo\n",
    b"%YAML 1.1\n---\n!!map {headers: !h {Authorization: &a !!str 'Bearer "
    + TOKEN.encode()
    + b"'}, astra_project: a}\n...\n",
]
CAS: Final = [CA, CA + CA, b"# a\n" + CA + "Zürich\n".encode() + CA, BEGIN + b"\n" + END, BEGIN * 20]
WORDS: Final = [
    each.encode()
    for each in (
        *"[]{},:?-&*!|>'\"%@#\\ \n\t\r\0=", "\\U00110000", "\\UFFFFFFFF", "\\x", "\\\n", "\u2028", "\x85", "\ufeff",
        "ü",
        "<<: ", "*a", "&a ", "!!python/name:os.system ", "!<%ff>", "%TAG ! x\n", "%YAML 1." + "1" * 99, "---\n",
        "\n...\n",
        "- ", "? ", ": ", "|9\n", ">+\n", "  ", "[" * 20, "{a: " * 20, "bearer ", "verifySSL: maybe\n",
        "astra_project: ",
        MARK, TOKEN, "@", "//", ":8080", ".netapp.io", "::1", "xn--",
    )
] + [b"\xff", b"\xed\xa0\x80", BEGIN, END, CA[:300], b"-----BEGIN X509 CRL-----"]  # fmt: skip

_LINES: Final = 20_000
_LINES_EACH: Final = 250
"""Lines of Python for a byte. A list of letters, the most that there is, takes 180: a token is two bytes there."""
_LINES_IN_ALL: Final = 3_000_000
"""For the ten thousand tokens that are read of any content."""


def _value(content: st.SearchStrategy[bytes]) -> st.SearchStrategy[str]:
    encoded = content.map(lambda data: b64encode(data).decode())
    return st.one_of(
        encoded, encoded, encoded, mutated([b64encode(CA)], most=2000).map(lambda data: data.decode("latin-1"))
    )


contents: Final = st.fixed_dictionaries(
    {},
    optional={
        "url": _value(mutated(URLS, WORDS)),
        "token": _value(mutated(TOKENS, WORDS)),
        "ca.crt": _value(mutated(CAS, WORDS)),
        "config.yaml": _value(mutated(CONFIGS, WORDS)),
        "other": st.just(MARK * 10),
    },
)


def _text(data: Mapping[str, str], key: str) -> str:
    return b64decode(data[key]).decode().strip()


def _check_connection(data: Mapping[str, str], connection: Connection, *, require: bool) -> None:
    assert any(entry.allows(connection.url) for entry in ALLOWED)
    assert yarl.URL(str(connection.url)).raw_host == connection.url.host
    assert len(connection.token) >= 8
    assert connection.token.isascii()
    assert not set(connection.token) & set(string.whitespace)
    assert connection.token not in repr(connection)
    assert connection.tls.verify or not require
    if "url" in data and "token" in data and (data["url"] and data["token"]) and "config.yaml" not in data:
        assert connection.token == _text(data, "token")
        assert connection.tls.verify
    if connection.tls.ca is not None:
        assert connection.tls.ca.count(BEGIN.decode()) == _text(data, "ca.crt").count(BEGIN.decode()) <= 200
        # What has been checked is what OpenSSL takes.
        ssl_context(TLS(connection.tls.ca))


def _check_failure(failure: Failed) -> None:
    assert failure.reason in {SyncReason.SECRET_INVALID, SyncReason.URL_NOT_ALLOWED}
    assert failure.message.isascii()
    assert set(failure.message) <= set(string.printable) - set("\n\r\t\v\f")
    assert len(failure.message) < 500
    if failure.reason is SyncReason.SECRET_INVALID:
        assert MARK not in failure.message
    # A defect of ours would be caught there, and named by its class.
    assert "reading it failed" not in failure.message


@IN_SECONDS
@given(contents, st.booleans())
@example({"config.yaml": b64encode(b'"\\U00110000"').decode()}, False)
@example({"config.yaml": b64encode(b"[" * 2000).decode()}, False)
@example({"url": b64encode(URLS[0]).decode(), "token": b64encode(TOKENS[0]).decode(), "ca.crt": "=" * 4}, True)
@example({"url": "\x80AAA", "token": b64encode(TOKENS[0]).decode()}, False)
def test_any_content_is_a_connection_or_an_error_in_our_words(data: dict[str, str], require: bool) -> None:
    """No exception, nothing quoted, and a number of steps that the bytes alone bound."""
    bounded = sum(min(len(data.get(key, "")), 4 * limit // 3) for key, limit in _LIMITS.items())
    with Steps.counted() as steps:
        result = connection_from(data, ALLOWED, require_tls_verification=require)
    assert steps.count <= min(_LINES + _LINES_EACH * bounded, _LINES_IN_ALL)
    if isinstance(result, Failed):
        _check_failure(result)
    else:
        _check_connection(data, result, require=require)


_LIMITS: Final = {"url": MAX_KEY, "token": MAX_KEY, "config.yaml": MAX_KEY, "ca.crt": MAX_CA}
_json: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["url", "token", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@IN_SECONDS
@given(contents | _json, contents | _json)
def test_contents_are_the_same_when_what_is_read_is_the_same(one: object, other: object) -> None:
    """Two Secrets have one digest exactly where the keys that are read have the same values; nothing raises."""
    read = [
        {key: value for key, value in each.items() if key in _LIMITS and isinstance(value, str)}
        if isinstance(each, dict)
        else {}
        for each in (one, other)
    ]
    contents = [content_of(each) for each in (one, other)]
    assert (contents[0].digest == contents[1].digest) == (read[0] == read[1])
    assert contents[0].data == read[0]
    assert contents[0] == content_of(read[0])
