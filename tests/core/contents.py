"""Contents of Secrets in both formats, and what they make: a connection, or a refusal that quotes nothing."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import trustme

from astra_mirror.core.connection import Connection, connection_from
from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.urls import AllowedURL

ALLOWED = [AllowedURL.parse("https://*.netapp.io")]
URL, TOKEN = "https://a.netapp.io", "s3cr3t-token"
GOOD = {"url": URL, "token": TOKEN}
CA = trustme.CA().cert_pem.bytes().decode()
TOOLKIT = f"headers: {{Authorization: Bearer {TOKEN}}}\nastra_project: demo\n"
BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


def data_of(keys: Mapping[str, str | bytes]) -> dict[str, str]:
    """A Secret's data: base64, by key."""
    return {key: b64encode(value.encode() if isinstance(value, str) else value).decode() for key, value in keys.items()}


def outcome_of(keys: Mapping[str, str | bytes], **options: Any) -> Connection | Failed:
    """What these keys make."""
    return connection_from(data_of(keys), ALLOWED, **options)


def connection_of(keys: Mapping[str, str | bytes], **options: Any) -> Connection:
    """The connection that these keys make."""
    connection = outcome_of(keys, **options)
    assert isinstance(connection, Connection), connection.message
    return connection


def refusal_of(keys: Mapping[str, str | bytes], **options: Any) -> str:
    """The message of SecretInvalid, which these keys make."""
    failure = outcome_of(keys, **options)
    assert isinstance(failure, Failed)
    assert failure.reason is SyncReason.SECRET_INVALID
    assert TOKEN not in failure.message
    assert len(failure.message) < 400
    return failure.message
