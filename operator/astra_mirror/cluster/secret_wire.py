"""What the API server sends about Secrets, from bytes to the little that is looked at; checked before it is believed.

Below the client library's models, which would hold every key of every Secret many times over: of each object only the
keys that are looked at leave this module.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pydantic_core import from_json

from astra_mirror.core.secret_content import Content, content_of
from astra_mirror.core.secret_names import Pair, Watched
from astra_mirror.core.write_results import is_suspicious


class ReadError(Exception):
    """A read that failed. `status` is the HTTP status code, None where there was no usable answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status

    @property
    def is_refusal(self) -> bool:
        """Whether the role does not allow it."""
        return self.status == HTTPStatus.FORBIDDEN

    @property
    def is_expired(self) -> bool:
        """Whether the version or the page asked for is too old: the next list starts anew."""
        return self.status == HTTPStatus.GONE

    @property
    def is_suspicious(self) -> bool:
        """Whether the API server as a whole may be away."""
        return is_suspicious(self.status)


class TooLargeError(ReadError):
    """The answer has more bytes than were to be read."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list. `token` asks for the next one; None after the last. `size` is in bytes."""

    found: Mapping[Pair, Content]
    version: str
    token: str | None
    size: int


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """A Secret as it is now, `content` None when it was deleted; without a `pair` the version alone is news."""

    version: str
    pair: Pair | None = None
    content: Content | None = None


def says_not_found(raw: bytes, pair: Pair) -> bool:
    """Whether a 404 speaks of this Secret, and is not the page of something that stands in between."""
    try:
        status = from_json(raw)
    except ValueError:
        return False
    match status:
        case {"kind": "Status", "apiVersion": "v1", "reason": "NotFound", "details": {"name": str(name)}}:
            return name == pair.name
        case _:
            return False


def _object(raw: bytes, kind: str) -> dict[str, Any]:
    found = from_json(raw)
    if not isinstance(found, dict) or found.get("kind") != kind or found.get("apiVersion") != "v1":
        raise ReadError(f"the answer is no {kind}")
    return found


def secret_of(raw: bytes, pair: Pair) -> Content:
    """The content of one Secret.

    Raises:
        ReadError: it is not that Secret.
        ValueError: it is no JSON.
    """
    return _item(_object(raw, "Secret"), Watched(pair.namespace, pair.name))[1]


def page_of(watched: Watched, raw: bytes) -> Page:
    """A page of a list.

    Raises:
        ReadError: it is no list of these Secrets.
        ValueError: it is no JSON.
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
    found = dict(_item(each, watched) for each in items)
    return Page(found, version, token if isinstance(token, str) and token else None, len(raw))


def _item(item: object, watched: Watched) -> tuple[Pair, Content]:
    match item:
        case {"metadata": {"namespace": str(namespace), "name": str(name)}, **rest} if watched.serves(
            Pair(namespace, name)
        ):
            return Pair(namespace, name), content_of(rest.get("data"))
        case _:
            raise ReadError("the answer has something that was not asked for")


def event_of(watched: Watched, line: bytes) -> WatchEvent:
    """A line of a watch.

    Raises:
        ReadError: it reports an error, or is no event about these Secrets.
        ValueError: it is no JSON.
    """
    match from_json(line):
        case {"type": "ERROR", "object": {**status}}:
            code = status.get("code")
            message = f"the watch reports {code}: {str(status.get('message'))[:500]}"
            raise ReadError(message, code if isinstance(code, int) else HTTPStatus.INTERNAL_SERVER_ERROR)
        case {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(version)}}}:
            return WatchEvent(version)
        case {
            "type": "ADDED" | "MODIFIED" | "DELETED" as kind,
            "object": {"metadata": {"resourceVersion": str(version)}} as item,
        }:
            pair, content = _item(item, watched)
            return WatchEvent(version, pair, None if kind == "DELETED" else content)
        case _:
            raise ReadError("the watch sends something that is no event", HTTPStatus.INTERNAL_SERVER_ERROR)
