"""What a Secret says: the connection to one Astra Control, in either of the two formats that clusters hold.

Secrets of equal content are one connection, in whatever namespace they are, and share its limits.
"""

import base64
import binascii
import json
import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import yaml
from pydantic import BaseModel, Field, ValidationError

from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.urls import AllowedURL, BaseURL

_REDACTED: Final = "[token]"
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
_CERTIFICATE: Final = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_TOOLKIT_DOMAIN: Final = "astra.netapp.io"


@dataclass(frozen=True, slots=True)
class TLS:
    """How the remote's certificate is judged: against `ca` (PEM) or the usual authorities, or not at all."""

    ca: str | None = None
    verify: bool = True


@dataclass(frozen=True, slots=True)
class Connection:
    """Where to ask and as whom. The token is left out of every text that is made of a connection."""

    url: BaseURL
    token: str = field(repr=False)
    tls: TLS = field(default=TLS(), repr=False)

    def redact(self, body: bytes) -> bytes:
        """`body`, one document, without the token, should a server have echoed it, plainly or with JSON's escapes."""
        if b"\\" in body and self._is_escaped_in(body):
            # There are many ways to write a character in JSON, and one of writing it plainly.
            body = json.dumps(json.loads(body), ensure_ascii=False).encode(errors="replace")
        for spelling in {self.token, json.dumps(self.token)[1:-1]}:
            body = body.replace(spelling.encode(), _REDACTED.encode())
        return body

    def _is_escaped_in(self, body: bytes) -> bool:
        try:
            plain = json.dumps(json.loads(body), ensure_ascii=False)
        except (ValueError, RecursionError):
            return False
        return self.token in plain or json.dumps(self.token)[1:-1] in plain

    def redact_text(self, text: str) -> str:
        """`text` without the token, in capitals or not."""
        return re.sub(re.escape(self.token), _REDACTED, text, flags=re.IGNORECASE)


class _ToolkitHeaders(BaseModel):
    authorization: str = Field(alias="Authorization")


class _ToolkitConfig(BaseModel):
    """config.yaml of NetApp's actoolkit, the parts that matter here."""

    headers: _ToolkitHeaders
    project: str = Field(alias="astra_project", min_length=1)
    verify: bool = Field(default=True, alias="verifySSL")


def connection_from(data: Mapping[str, str], allowed: Sequence[AllowedURL]) -> Connection | Failed:
    """The connection that a Secret describes.

    Args:
        data: the Secret's `data`, base64 as the API server has it.
        allowed: the administrator's --allowed-url.

    Returns:
        The connection, or why there is none: SecretInvalid or URLNotAllowed, with a message that says what to do.
    """
    try:
        connection = _parse({key: _decoded(key, value) for key, value in data.items() if key in _KEYS})
    except ValueError as error:
        return Failed(SyncReason.SECRET_INVALID, f"The Secret cannot be used: {error}.")
    if not any(entry.allows(connection.url) for entry in allowed):
        entries = ", ".join(map(str, allowed)) or "nothing"
        return Failed(
            SyncReason.URL_NOT_ALLOWED,
            f"The Secret's URL {connection.url} is not one that the operator may call: its administrator allows "
            f"{entries} (option --allowed-url).",
        )
    return connection


_KEYS: Final = frozenset({"url", "token", "ca.crt", "config.yaml"})


def _decoded(key: str, value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode().strip()
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError(f"its key {key!r} is not UTF-8 text") from None


def _parse(keys: Mapping[str, str]) -> Connection:
    ca = _checked_ca(keys["ca.crt"]) if keys.get("ca.crt") else None
    if keys.get("url") and keys.get("token"):
        return Connection(_checked_url(keys["url"], "url"), _checked_token(keys["token"]), TLS(ca))
    if "config.yaml" in keys:
        return _parse_toolkit(keys["config.yaml"], ca)
    for key in ("url", "token"):
        if key in keys and not keys[key]:
            raise ValueError(f"its key {key!r} is empty")
    absent = [key for key in ("url", "token") if key not in keys]
    raise ValueError(
        f"it has no key {' and no key '.join(map(repr, absent))} (nor a 'config.yaml' in actoolkit's format)"
    )


def _parse_toolkit(text: str, ca: str | None) -> Connection:
    try:
        # Every scalar as the text that it is: a tag such as !!int could fail in ways of its own, and quote the value.
        config = _ToolkitConfig.model_validate(yaml.load(text, Loader=yaml.BaseLoader))  # noqa: S506 - makes no objects
    except RecursionError:
        raise ValueError("its key 'config.yaml' is nested too deeply") from None
    except yaml.YAMLError as error:
        # The error's own text quotes the line, which may be the one with the token.
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise ValueError(f"its key 'config.yaml' is not YAML{where}") from None
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, each["loc"])) or "the document" for each in error.errors())
        raise ValueError(f"its key 'config.yaml' lacks or misspells: {fields}") from None
    project = config.project.strip()
    # A whole URL is not what the toolkit takes, but what many write.
    is_short = not any(mark in project for mark in ".:")
    url = project if "://" in project else f"https://{project}" + (f".{_TOOLKIT_DOMAIN}" if is_short else "")
    scheme, _, token = config.headers.authorization.strip().partition(" ")
    if scheme.lower() != "bearer":
        raise ValueError("in its key 'config.yaml' headers.Authorization does not start with 'Bearer'")
    return Connection(_checked_url(url, "config.yaml"), _checked_token(token.strip()), TLS(ca, config.verify))


def _checked_url(text: str, key: str) -> BaseURL:
    try:
        return BaseURL.parse(text)
    except ValueError as error:
        raise ValueError(f"in its key {key!r} the URL is wrong: {error}") from None


def _checked_token(token: str) -> str:
    if token.lower().startswith("bearer "):
        raise ValueError("its key 'token' must hold the token alone, without 'Bearer'")
    if not _TOKEN.fullmatch(token):
        raise ValueError("its token is empty or has spaces, line breaks or characters that no token has")
    return token


def _checked_ca(pem: str) -> str:
    # What stands between the certificates is for people, in any script.
    certificates = "\n".join(_CERTIFICATE.findall(pem))
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=certificates)
    except (ssl.SSLError, ValueError, TypeError):
        raise ValueError("its key 'ca.crt' is not a certificate in PEM format") from None
    return certificates
