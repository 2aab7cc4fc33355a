"""Parses what the API server sends about Secrets, and checks that it is what was requested.

The client library's models are not used: they would hold every key of every Secret several times over. Only the keys
that the operator reads leave this module.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pydantic_core import from_json

from astra_mirror.cluster.api import MAX_LOGGED_MESSAGE
from astra_mirror.core.secret_content import Content, content_of
from astra_mirror.core.secret_names import NamespacedName, SecretSelector
from astra_mirror.core.write_results import suggests_outage
from astra_mirror.support.text import one_line


class ReadError(Exception):
    """A read that failed. `status` is the HTTP status code; None without a usable response."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status

    @property
    def is_refusal(self) -> bool:
        """Whether the operator's role forbids the read."""
        return self.status == HTTPStatus.FORBIDDEN

    @property
    def is_expired(self) -> bool:
        """Whether the requested resourceVersion or page has expired, so that a new list is needed."""
        return self.status == HTTPStatus.GONE

    @property
    def suggests_outage(self) -> bool:
        """Whether the API server as a whole may be away."""
        return suggests_outage(self.status)


class TooLargeError(ReadError):
    """The response has more bytes than the reader accepts."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list. `token` is the continue token of the next page, None on the last one; `size` is in bytes."""

    found: Mapping[NamespacedName, Content]
    version: str
    token: str | None
    size: int


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """A Secret was written, or deleted where `content` is None. A bookmark has a version and no `secret`."""

    version: str
    secret: NamespacedName | None = None
    content: Content | None = None


def says_not_found(raw: bytes, secret: NamespacedName) -> bool:
    """Whether a 404 is the API server's Status about this Secret, and not the page of a proxy in between."""
    try:
        status = from_json(raw)
    except ValueError:
        return False
    match status:
        case {"kind": "Status", "apiVersion": "v1", "reason": "NotFound", "details": {"name": str(name)}}:
            return name == secret.name
        case _:
            return False


def _object(raw: bytes, kind: str) -> dict[str, Any]:
    found = from_json(raw)
    if not isinstance(found, dict) or found.get("kind") != kind or found.get("apiVersion") != "v1":
        raise ReadError(f"the answer is no {kind}")
    return found


def secret_of(raw: bytes, secret: NamespacedName) -> Content:
    """The content of one Secret.

    Raises:
        ReadError: the body is not that Secret.
        ValueError: the body is not JSON.
    """
    return _item(_object(raw, "Secret"), SecretSelector(secret.namespace, secret.name))[1]


def page_of(selector: SecretSelector, raw: bytes) -> Page:
    """The page of a list in `raw`.

    Raises:
        ReadError: the body is not a list of the selected Secrets.
        ValueError: the body is not JSON.
    """
    listed = _object(raw, "SecretList")
    match listed.get("metadata"):
        case {"resourceVersion": str(version), **rest} if version:
            token = rest.get("continue")
        case _:
            raise ReadError("the list has no resourceVersion")
    items = listed.get("items") or []
    if not isinstance(items, list):
        raise ReadError("the answer is no list")
    found = dict(_item(each, selector) for each in items)
    return Page(found, version, token if isinstance(token, str) and token else None, len(raw))


def _item(item: object, selector: SecretSelector) -> tuple[NamespacedName, Content]:
    match item:
        case {"metadata": {"namespace": str(namespace), "name": str(name)}, **rest} if selector.matches(
            NamespacedName(namespace, name)
        ):
            return NamespacedName(namespace, name), content_of(rest.get("data"))
        case _:
            raise ReadError("the answer has something that was not asked for")


def event_of(selector: SecretSelector, line: bytes) -> WatchEvent:
    """The event in one line of a watch.

    Raises:
        ReadError: the event reports an error, or is not about the selected Secrets.
        ValueError: the line is not JSON.
    """
    match from_json(line):
        case {"type": "ERROR", "object": {**status}}:
            code = status.get("code")
            message = one_line(f"the watch reports {code}: {status.get('message')}", MAX_LOGGED_MESSAGE)
            raise ReadError(message, code if isinstance(code, int) else HTTPStatus.INTERNAL_SERVER_ERROR)
        case {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(version)}}}:
            return WatchEvent(version)
        case {
            "type": "ADDED" | "MODIFIED" | "DELETED" as kind,
            "object": {"metadata": {"resourceVersion": str(version)}} as item,
        }:
            secret, content = _item(item, selector)
            return WatchEvent(version, secret, None if kind == "DELETED" else content)
        case _:
            raise ReadError("the watch sends something that is no event", HTTPStatus.INTERNAL_SERVER_ERROR)
