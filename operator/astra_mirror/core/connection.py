"""Parses a Secret, in either of its two formats, into the connection to one Astra Control.

Secrets with equal content describe one connection, in whatever namespaces they are, and share its limits.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from astra_mirror.core.certificates import checked_bundle
from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.redaction import redact_document, redact_text
from astra_mirror.core.secret_keys import CA, TOOLKIT, UnusableError, key_text
from astra_mirror.core.toolkit import parse_toolkit
from astra_mirror.core.urls import AllowedURL, BaseURL

_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
_MIN_TOKEN: Final = 8
"""A shorter token might occur in ordinary text, and redaction would then remove ordinary words."""
_SMALL_TOOLKIT: Final = 768
"""Characters of base64. The worst document, a list of single letters, takes 6 µs a character to parse."""
_SMALL_CA: Final = 6 * 1024
"""Characters of base64: ten of the shortest certificates, at 0.1 ms each."""


@dataclass(frozen=True, slots=True)
class TLS:
    """How the remote's certificate is verified: against `ca` (PEM), or the public authorities, or not at all."""

    ca: str | None = None
    verify: bool = True


@dataclass(frozen=True, slots=True)
class Connection:
    """The address of one Astra Control, the token, and the TLS settings. The token is not part of the repr."""

    url: BaseURL
    token: str = field(repr=False)
    tls: TLS = field(default=TLS(), repr=False)

    def redact(self, body: bytes) -> bytes:
        """`body`, one JSON document, without the token where the server has echoed it."""
        return redact_document(body, self.token)

    def redact_text(self, text: str) -> str:
        """`text`, a message, without the token."""
        return redact_text(text, self.token)


def is_small(data: Mapping[str, str]) -> bool:
    """Whether `connection_from` takes less than 10 ms for these keys, so that it need not run in a thread.

    Larger keys take up to 0.2 s, most of it in PyYAML's scanner, which is Python code that other threads can interrupt.
    No single call into C takes 2 ms.
    """
    return len(data.get(TOOLKIT, "")) <= _SMALL_TOOLKIT and len(data.get(CA, "")) <= _SMALL_CA


def connection_from(
    data: Mapping[str, str], allowed: Sequence[AllowedURL], *, require_tls_verification: bool = False
) -> Connection | Failed:
    """The connection that a Secret describes. No content of a Secret makes this raise.

    Args:
        data: the Secret's `data`, in base64 as the API server sends it. Other keys are not decoded.
        allowed: the administrator's --allowed-url.
        require_tls_verification: refuse Secrets that switch the verification of certificates off.

    Returns:
        The connection, or the failure SecretInvalid or URLNotAllowed, whose message says what to do. It quotes nothing
        from the Secret except a valid URL.
    """
    try:
        connection = _parse(data, require_tls_verification)
    except UnusableError as error:
        return Failed(SyncReason.SECRET_INVALID, f"The Secret cannot be used: {error}.")
    except Exception as error:  # noqa: BLE001 - the border to a tenant's bytes: they must not end the watch for all
        return Failed(
            SyncReason.SECRET_INVALID,
            f"The Secret cannot be used: reading it failed ({type(error).__name__}). Write its keys anew.",
        )
    if not any(entry.allows(connection.url) for entry in allowed):
        return Failed(
            SyncReason.URL_NOT_ALLOWED,
            f"The Secret's URL {connection.url} is not one that the operator may call: correct it, or ask the "
            "operator's administrator to allow it (option --allowed-url).",
        )
    return connection


@dataclass(frozen=True, slots=True)
class _Fields:
    """The values in a Secret before they are checked, and the keys that hold them."""

    url: str
    token: str
    verify: bool = True
    url_key: str = "url"
    token_key: str = "token"  # noqa: S105 - the name of a key


def _parse(data: Mapping[str, str], require_tls_verification: bool) -> Connection:
    fields = _fields(data)
    if require_tls_verification and not fields.verify:
        raise UnusableError(
            f"its key {TOOLKIT!r} switches the verification of certificates off, which the operator's administrator "
            f"does not allow: remove verifySSL, and put the certificate of the issuing authority into the key {CA!r}"
        )
    token = _checked_token(fields.token, fields.token_key)
    url = _checked_url(fields.url, token, fields.url_key)
    pem = key_text(data, CA)
    return Connection(url, token, TLS(checked_bundle(pem) if pem else None, fields.verify))


def _fields(data: Mapping[str, str]) -> _Fields:
    absent = [key for key in ("url", "token") if key not in data]
    if not absent:
        # Other keys are not read.
        url, token = key_text(data, "url"), key_text(data, "token")
        if url and token:
            return _Fields(url, token)
    if TOOLKIT in data:
        config = parse_toolkit(key_text(data, TOOLKIT))
        return _Fields(config.url, config.token, config.verify, TOOLKIT, TOOLKIT)
    if absent:
        keys = " and no key ".join(map(repr, absent))
        raise UnusableError(f"it has no key {keys} (nor a {TOOLKIT!r} in actoolkit's format)")
    raise UnusableError(f"its key {'token' if url else 'url'!r} is empty")


def _checked_url(text: str, token: str, key: str) -> BaseURL:
    if token.lower() in text.lower():
        # Messages name the host.
        raise UnusableError(f"in its key {key!r} the URL contains the token, which belongs elsewhere")
    try:
        return BaseURL.parse(text)
    except ValueError as error:
        raise UnusableError(f"in its key {key!r} the URL is wrong: {error}") from None


def _checked_token(token: str, key: str) -> str:
    if token.lower().startswith("bearer "):
        raise UnusableError(f"its key {key!r} must hold the token alone, without 'Bearer'")
    if not _TOKEN.fullmatch(token):
        raise UnusableError(
            f"in its key {key!r} the token is empty or has spaces, line breaks or characters that no token has"
        )
    if len(token) < _MIN_TOKEN:
        raise UnusableError(
            f"in its key {key!r} the token has {len(token)} characters, and no token has fewer than {_MIN_TOKEN}: "
            "copy it again, whole"
        )
    return token
