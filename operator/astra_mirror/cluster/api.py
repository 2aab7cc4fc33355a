"""What all who talk to the API server have in common: paths, bounds, and how a failed call reads in a log."""

from typing import Final, Protocol

from kubernetes.aio import client
from pydantic_core import from_json

from astra_mirror.api.app_backup_ref import PLURAL
from astra_mirror.api.meta import GROUP, VERSION
from astra_mirror.core.inventory import LIST_KIND

REQUEST_TIMEOUT: Final = 30.0
"""Seconds for one call; the library waits for ever without it."""
PAGE: Final = 50
"""AppBackupRefs a page of a list: 13 MiB of the largest annotations, three times that while a page is parsed."""
METADATA_LIST: Final = f"application/json;as={LIST_KIND};g=meta.k8s.io;v=v1"
"""The media type of a list that has the objects' metadata and nothing else."""
_MAX_WORDS: Final = 500


class Reader(Protocol):
    """Makes GETs, as Endpoint does."""

    async def get(self, path: str, *, accept: str = "", seconds: float) -> tuple[int, bytes]:
        """The status code and body."""


def collection_path(namespace: str | None) -> str:
    """The path of the AppBackupRefs of a namespace, or of all of them."""
    return f"/apis/{GROUP}/{VERSION}{f'/namespaces/{namespace}' if namespace else ''}/{PLURAL}"


def why(error: BaseException) -> str:
    """A failed call's reason in one line, for a log."""
    if isinstance(error, client.ApiException):
        return f"{error.status} {error.reason}"
    return str(error) or type(error).__name__


def words_of(code: int, reason: str | None, body: bytes) -> str:
    """A failed answer in one line, for a log: the API server's own message where it has sent a Status."""
    try:
        value = from_json(body)
    except ValueError:
        value = None
    message = value.get("message") if isinstance(value, dict) and value.get("kind") == "Status" else None
    return f"{code} {str(message or reason or '')[:_MAX_WORDS]}".rstrip()
