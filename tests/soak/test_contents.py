"""The contents of Secrets that a soak writes are what the soak takes them for."""

import base64
from types import SimpleNamespace
from typing import Any

import pytest
import trustme

from astra_mirror.core.connection import Connection, connection_from
from astra_mirror.core.urls import AllowedURL
from dev.soak.contents import ALLOWED_SUFFIX, KINDS, Places, token_of
from dev.soak.ends import tokens

_CA = trustme.CA()
_PEM = _CA.cert_pem.bytes().decode()
_CHAIN = _CA.issue_cert("127.0.0.1").cert_chain_pems[0].bytes().decode()
_PLACES = Places(
    plain="http://127.0.0.1:1",
    tls="https://127.0.0.1:2",
    raw="http://127.0.0.1:3",
    held="http://127.0.0.1:4",
    echo="http://127.0.0.1:6",
    closed="http://127.0.0.1:5",
    authority=_PEM,
    certificate=_CHAIN,
    other_authority=trustme.CA().cert_pem.bytes().decode(),
)
_ADDRESSES = (_PLACES.plain, _PLACES.tls, _PLACES.raw, _PLACES.held, _PLACES.echo, _PLACES.closed)
_URLS = [*_ADDRESSES, f"https://*.{ALLOWED_SUFFIX}"]


@pytest.mark.parametrize("name", KINDS)
def test_a_content(name: str) -> None:
    """Good ones are a connection, the others are refused with a reason that is named, unless a request has to tell."""
    kind = KINDS[name]
    keys = kind.keys(_PLACES, token_of(0, 1))
    data = {key: base64.b64encode(value.encode()).decode() for key, value in keys.items()}
    found = connection_from(data, [AllowedURL.parse(each) for each in _URLS])
    told_by_a_request = kind.reasons <= {"TLSVerificationFailed", "Unreachable", "UnexpectedResponse", "Unauthorized"}
    if isinstance(found, Connection):
        assert told_by_a_request
        assert found.token == token_of(0, 1)
    else:
        assert str(found.reason) in kind.reasons


@pytest.mark.parametrize("name", KINDS)
def test_the_judges_know_the_token_in_a_content(name: str) -> None:
    """One that they do not know could leak unseen; "short" is none, since any text may have it."""
    text = str(KINDS[name].keys(_PLACES, token_of(0, 1)))
    has_token = "'token'" in text or "Bearer" in text
    stage: Any = SimpleNamespace(seed=1)
    assert any(token in text for token in tokens(stage)) == (has_token and name != "short-token")
