"""Requests to the API server: lists in pages, watches, and single objects. Their failures are one kind of error."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import aiohttp

from astra_mirror.kubectl.connection import CONNECT_SECONDS, Connection
from astra_mirror.kubectl.core.names import GROUP, Key
from astra_mirror.kubectl.core.observed import Query
from astra_mirror.kubectl.errors import ApiError

Json = dict[str, Any]
_SECONDS: Final = 30.0
_PAGE: Final = 500
_WATCH_SECONDS: Final = 30
"""After so long the server ends a watch, and it is begun anew: a server that is silent for longer is frozen."""
_SILENCE_SECONDS: Final = 45.0
_HIGHEST: Final = 300


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """What happened to an object; `kind` is ADDED, MODIFIED, DELETED or BOOKMARK."""

    kind: str
    found: Json

    @property
    def version(self) -> str:
        """The resourceVersion from which a watch may go on."""
        return str(self.found.get("metadata", {}).get("resourceVersion", ""))


class Api:
    """The API server.

    Args:
        connection: an open one.
        page: how many objects of a list are read at once.
        silence: after how many seconds without a byte a watch counts as broken.
    """

    def __init__(self, connection: Connection, *, page: int = _PAGE, silence: float = _SILENCE_SECONDS) -> None:
        self._connection, self._page_size, self._silence = connection, page, silence
        self._time: datetime | None = None

    @property
    def time(self) -> datetime:
        """The API server's time at its last response, because the clock of this machine may be wrong."""
        return self._time or datetime.now(UTC)

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        """An object, or one page of a list.

        Raises:
            ApiError: there is none.
        """
        return await self._call("GET", path, query or {})

    async def get_object(self, key: Key) -> Json:
        """A ref or a monitor.

        Raises:
            ApiError: there is none.
        """
        return await self.get(_path(key))

    async def annotate(self, key: Key, name: str, value: str) -> Json:
        """Set an annotation of a ref or a monitor; the object as it is then.

        Raises:
            ApiError: it could not be set.
        """
        patch = {"metadata": {"annotations": {name: value}}}
        headers = {"Content-Type": "application/merge-patch+json"}
        return await self._call("PATCH", _path(key), {"fieldManager": "kubectl-abr"}, patch, headers)

    async def create(self, path: str, body: Json) -> Json:
        """Send a POST, such as a question about rights; the object in the answer.

        Raises:
            ApiError: it was refused.
        """
        return await self._call("POST", path, {}, body, {"Content-Type": "application/json"})

    async def list_objects(self, query: Query) -> tuple[list[Json], str]:
        """All objects of a query, read in pages, and the resourceVersion from which to watch.

        Raises:
            ApiError: they could not be read.
        """
        found: list[Json] = []
        limit, more = str(self._page_size), ""
        while True:
            try:
                page = await self._page(query, limit, more)
            except ApiError as error:
                if not error.has_expired or not limit:
                    raise
                # The pages that are left have expired: all at once, as kubectl does then.
                found, limit, more = [], "", ""
                continue
            items, metadata = page.get("items"), page.get("metadata")
            if not isinstance(items, list) or not isinstance(metadata, dict):
                raise ApiError(f"{self._connection.url} has sent something else than a list: is it an API server?")
            found += [each for each in items if isinstance(each, dict)]
            more = metadata.get("continue") or ""
            if not more:
                return found, str(metadata.get("resourceVersion", ""))

    async def _page(self, query: Query, limit: str, more: str) -> Json:
        try:
            return await self.get(_collection(query), _parameters(query) | {"limit": limit, "continue": more})
        except ApiError as error:
            if error.is_not_found:
                name = f"{query.kind.value}.{GROUP}"
                raise ApiError(f"this cluster has no {name}: apply the CRDs of astra-mirror", error.code) from None
            raise

    async def watch(self, query: Query, version: str) -> AsyncGenerator[WatchEvent | None, None]:
        """What happens to the objects of a query after `version`; None first, when the watch has begun.

        It ends by itself after half a minute, which is normal.

        Raises:
            ApiError: it could not begin, broke, or `version` is too old (`has_expired`).
        """
        parameters = _parameters(query) | {
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=self._silence)
        async with self._response("GET", _collection(query), parameters, timeout=timeout) as response:
            yield None
            async for line in response.content:
                yield _event(line)

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Json | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Json:
        timeout = aiohttp.ClientTimeout(total=_SECONDS, sock_connect=CONNECT_SECONDS)
        data = None if body is None else json.dumps(body).encode()
        async with self._response(method, path, query, data=data, headers=headers, timeout=timeout) as response:
            try:
                found = json.loads(await response.read())
            except ValueError:
                found = None
        if not isinstance(found, dict):
            raise ApiError(f"{self._connection.url} has sent something else than JSON: is it an API server?")
        return found

    @asynccontextmanager
    async def _response(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        **options: Any,  # noqa: ANN401 - aiohttp's own
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A response with a good status; what goes wrong while it is read is an ApiError as well."""
        url = f"{self._connection.url}{path}"
        parameters = {name: value for name, value in query.items() if value}
        try:
            async with self._connection.session.request(
                method, url, params=parameters, allow_redirects=False, **options
            ) as response:
                self._note_time(response)
                if response.status >= _HIGHEST:
                    raise ApiError(_refusal(response, await response.read()), response.status)
                yield response
        except TimeoutError:
            failure = f"the API server {self._connection.url} has not answered in time"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # A ValueError is a line that is too long.
            failure = f"the API server {self._connection.url} cannot be reached: {_reason(error)}"
        else:
            return
        raise ApiError(failure)

    def _note_time(self, response: aiohttp.ClientResponse) -> None:
        try:
            self._time = parsedate_to_datetime(response.headers["Date"]).astimezone(UTC)
        except (KeyError, ValueError):
            self._time = None


def _event(line: bytes) -> WatchEvent:
    try:
        value = json.loads(line)
        kind, found = value["type"], value["object"]
        if kind == "ERROR":
            raise ApiError(str(found.get("message") or "the watch has failed"), int(found.get("code") or 500))
        return WatchEvent(kind, dict(found))
    except (ValueError, TypeError, LookupError, AttributeError):
        raise ApiError("the watch has sent something else than events: is a proxy in the way?") from None


def _reason(error: Exception) -> str:
    """Why there was no response; aiohttp's own text has the address of an object in memory."""
    match error:
        case aiohttp.ClientConnectorCertificateError(certificate_error=reason):
            return str(reason)
        case aiohttp.ClientConnectorError(os_error=reason):
            return reason.strerror or str(reason)
        case aiohttp.ServerDisconnectedError():
            return "it has closed the connection"
        case _:
            return str(error) or type(error).__name__


def _refusal(response: aiohttp.ClientResponse, body: bytes) -> str:
    """What the API server says, or what else can be said of a response."""
    try:
        status = json.loads(body)
        message = status.get("message") if status.get("kind") == "Status" else None
    except (ValueError, AttributeError):
        message = None
    if message:
        return str(message)
    return f"the API server answers {response.status} {response.reason or ''}".rstrip()


def _parameters(query: Query) -> dict[str, str]:
    name = query.only_name
    return {"labelSelector": query.selector, "fieldSelector": "" if name is None else f"metadata.name={name}"}


def _collection(query: Query) -> str:
    where = "" if query.namespace is None else f"/namespaces/{query.namespace}"
    return f"/apis/{GROUP}/v1{where}/{query.kind.value}"


def _path(key: Key) -> str:
    return f"/apis/{GROUP}/v1/namespaces/{key.namespace}/{key.kind.value}/{key.name}"
