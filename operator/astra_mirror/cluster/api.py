"""What all calls of the API server share: paths, limits, and the text of a failed call for a log."""

from typing import Final, Protocol

import aiohttp
from kubernetes.aio import client
from pydantic_core import from_json

from astra_mirror.api.meta import GROUP, VERSION, Names
from astra_mirror.core.inventory import LIST_KIND
from astra_mirror.support.text import one_line

REQUEST_TIMEOUT: Final = 30.0
"""Seconds that one call may take. The client library has no time-out of its own."""
PAGE: Final = 50
"""Objects in one page of a list: at most 13 MiB of annotations, three times that while the page is parsed."""
METADATA_LIST: Final = f"application/json;as={LIST_KIND};g=meta.k8s.io;v=v1"
"""The media type of a list that has only the objects' metadata."""
MAX_LOGGED_MESSAGE: Final = 500
"""Characters of a message of the API server in a line of the log."""


class Reader(Protocol):
    """Sends GET requests to the API server, as Endpoint does."""

    async def get(self, path: str, *, accept: str = "", seconds: float) -> tuple[int, bytes]:
        """The status code and the body of the response."""


def collection_path(names: Names, namespace: str | None) -> str:
    """The path of the objects of a kind in a namespace or, for None, in all namespaces."""
    return f"/apis/{GROUP}/{VERSION}{f'/namespaces/{namespace}' if namespace else ''}/{names.plural}"


def error_text(error: BaseException) -> str:
    """Why a call failed, in one line for a log."""
    if isinstance(error, client.ApiException):
        return one_line(f"{error.status} {error.reason}", MAX_LOGGED_MESSAGE)
    if isinstance(error, aiohttp.ClientPayloadError):
        # Without its C extension, aiohttp quotes what it could not parse.
        return "the body of the response is incomplete or malformed"
    return one_line(str(error), MAX_LOGGED_MESSAGE) or type(error).__name__


def failure_text(code: int, reason: str | None, body: bytes) -> str:
    """An error response in one line for a log: the API server's message where the body is a Status."""
    try:
        value = from_json(body)
    except ValueError:
        value = None
    message = value.get("message") if isinstance(value, dict) and value.get("kind") == "Status" else None
    return f"{code} {one_line(str(message or reason or ''), MAX_LOGGED_MESSAGE)}".rstrip()
