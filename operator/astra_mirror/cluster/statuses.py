"""Reads and writes AppBackupRefs. Each write is fenced: it holds for the very version of the object it was made for."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import aiohttp
from kubernetes.aio import client
from pydantic_core import from_json

from astra_mirror.cluster.api import REQUEST_TIMEOUT, why
from astra_mirror.core.resource import GROUP, PLURAL, VERSION

_MERGE_PATCH: Final = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class Stored:
    """The API server has this object."""

    object: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Gone:
    """The object does not exist any more."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """The object is not the version that the write was made for."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The call failed. `final`: repeating the same call cannot help."""

    reason: str
    final: bool


class Statuses:
    """AppBackupRefs on the API server."""

    def __init__(self, api: client.ApiClient) -> None:
        self._client = api

    async def patch(
        self, namespace: str, name: str, *, uid: str, version: str, patch: Mapping[str, Any]
    ) -> Stored | Gone | Conflict | Refused:
        """Send a merge patch of the status to the object `uid` at resourceVersion `version`."""
        body = {"metadata": {"uid": uid, "resourceVersion": version}, "status": patch}
        return await self._call("PATCH", f"{_path(namespace, name)}/status", body)

    async def get(self, namespace: str, name: str, *, uid: str) -> Stored | Gone | Conflict | Refused:
        """The object as it is now; gone is also one that has another uid."""
        found = await self._call("GET", _path(namespace, name), None)
        return Gone() if isinstance(found, Stored) and found.object["metadata"]["uid"] != uid else found

    async def _call(self, method: str, path: str, body: Mapping[str, Any] | None) -> Stored | Gone | Conflict | Refused:
        # Below CustomObjectsApi, whose checks and copies of what it is given cost more than the call itself.
        headers = {"Accept": "application/json", "Content-Type": _MERGE_PATCH}
        try:
            await self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
            url = f"{self._client.configuration.host}{path}"
            response = await self._client.call_api(method, url, headers, body, _request_timeout=REQUEST_TIMEOUT)
            content: bytes = await response.read()  # type: ignore[no-untyped-call]
        except client.ApiException as error:
            return _failure(error.status or 0, why(error))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Refused(why(error), final=False)
        if response.status != HTTPStatus.OK:
            return _failure(response.status, f"{response.status} {response.reason}")
        return Stored(from_json(content))


def _path(namespace: str, name: str) -> str:
    return f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}/{name}"


def _failure(code: int, reason: str) -> Gone | Conflict | Refused:
    match code:
        case HTTPStatus.NOT_FOUND:
            return Gone()
        case HTTPStatus.CONFLICT:
            return Conflict()
        case _:
            return Refused(reason, final=code in {400, 413, 422})
