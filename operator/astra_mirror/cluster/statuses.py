"""Reads and writes AppBackupRefs. Each write is fenced: it holds for the very version of the object it was made for.

What comes back is checked before it is believed: something between the operator and the API server may answer as well.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import aiohttp
from kubernetes.aio import client
from pydantic_core import from_json

from astra_mirror.cluster.api import REQUEST_TIMEOUT, why
from astra_mirror.cluster.availability import Availability
from astra_mirror.core.resource import FIELD_MANAGER, GROUP, KIND, PLURAL, VERSION

_MERGE_PATCH: Final = "application/merge-patch+json"
_PAGE: Final = 500
_MAX_WORDS: Final = 1024
PATCH_TIMEOUT: Final = 40.0
"""Seconds after which a PATCH ends in any case; the writer ends it before."""
_API_VERSION: Final = f"{GROUP}/{VERSION}"
_IDENTITY: Final = ("uid", "resourceVersion", "name", "namespace")


@dataclass(frozen=True, slots=True)
class Stored:
    """The API server has this object."""

    object: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Gone:
    """The object does not exist any more: the API server has said so of this very object, to a GET in the end."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """The object is not the version that the write was made for."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The call failed.

    `code` is the HTTP status code, None without an answer; `reason` and `message` are the API server's own where it has
    sent a Status.
    """

    code: int | None
    reason: str
    message: str

    @property
    def is_suspicious(self) -> bool:
        """Whether the API server as a whole may be away."""
        return self.code is None or self.code >= 500 or self.code == HTTPStatus.TOO_MANY_REQUESTS

    @property
    def words(self) -> str:
        """All of it in one line, for a log."""
        return " ".join(filter(None, (str(self.code or ""), self.reason, self.message)))


class Statuses:
    """AppBackupRefs on the API server.

    Args:
        api: the client.
        availability: whether the API server is away.
    """

    def __init__(self, api: client.ApiClient, availability: Availability | None = None) -> None:
        self._client = api
        self.availability = availability or Availability()
        self._api = client.CustomObjectsApi(api)

    async def patch(
        self, namespace: str, name: str, *, uid: str, version: str, patch: Mapping[str, Any]
    ) -> Stored | Gone | Conflict | Refused:
        """Send a merge patch of the status to the object `uid` at resourceVersion `version`."""
        body = {"metadata": {"uid": uid, "resourceVersion": version}, "status": patch}
        path = f"{_path(namespace, name)}/status?fieldManager={FIELD_MANAGER}"
        code, answer = await self._call("PATCH", path, body)
        if _is_not_found(code, answer, name):
            return await self.get(namespace, name, uid=uid)
        if code == HTTPStatus.CONFLICT and _is_status(answer):
            return Conflict()
        return _stored(code, answer, uid=uid, is_own=True)

    async def get(self, namespace: str, name: str, *, uid: str) -> Stored | Gone | Conflict | Refused:
        """The object as it is now; gone is also one that has another uid."""
        code, answer = await self._call("GET", _path(namespace, name), None)
        if _is_not_found(code, answer, name):
            return Gone()
        return _stored(code, answer, uid=uid, is_own=False)

    async def _call(self, method: str, path: str, body: Mapping[str, Any] | None) -> tuple[int | None, Any]:
        """The HTTP status code and the answer as a JSON value; None and the words of an error without an answer."""
        # Below CustomObjectsApi, whose checks and copies of what it is given cost more than the call itself.
        headers = {"Accept": "application/json", "Content-Type": _MERGE_PATCH}
        try:
            await self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
            url = f"{self._client.configuration.host}{path}"
            response = await self._client.call_api(method, url, headers, body, _request_timeout=PATCH_TIMEOUT)
            content: bytes = await response.read()  # type: ignore[no-untyped-call]
        except client.ApiException as error:
            return error.status or None, why(error)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return None, why(error)
        try:
            return response.status, from_json(content)
        except ValueError:
            return response.status, f"{response.reason or ''}, and the answer is not JSON"

    async def uids(self, namespace: str | None) -> AsyncIterator[str]:
        """The uids of all objects, in pages.

        Raises:
            client.ApiException, aiohttp.ClientError, TimeoutError: a page could not be had.
        """
        token: str | None = None
        while True:
            options: dict[str, Any] = {"limit": _PAGE, "_continue": token, "_request_timeout": REQUEST_TIMEOUT}
            if namespace is None:
                page: Any = await self._api.list_cluster_custom_object(GROUP, VERSION, PLURAL, **options)
            else:
                page = await self._api.list_namespaced_custom_object(GROUP, VERSION, namespace, PLURAL, **options)
            for item in page["items"]:
                yield item["metadata"]["uid"]
            # Kopf's handlers must not wait for the parsing of many pages.
            await asyncio.sleep(0)
            token = page["metadata"].get("continue")
            if not token:
                return


def _path(namespace: str, name: str) -> str:
    return f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}/{name}"


def _is_status(answer: object) -> bool:
    return isinstance(answer, Mapping) and answer.get("kind") == "Status" and answer.get("apiVersion") == "v1"


def _is_not_found(code: int | None, answer: Any, name: str) -> bool:  # noqa: ANN401 - JSON
    """Whether the API server says of this very object that it does not exist."""
    if code != HTTPStatus.NOT_FOUND or not _is_status(answer) or answer.get("reason") != "NotFound":
        return False
    details = answer.get("details")
    named = details if isinstance(details, Mapping) else {}
    return (named.get("name"), named.get("group"), named.get("kind")) == (name, GROUP, PLURAL)


def _stored(code: int | None, answer: Any, *, uid: str, is_own: bool) -> Stored | Gone | Refused:  # noqa: ANN401 - JSON
    if code != HTTPStatus.OK:
        return _refused(code, answer)
    if not isinstance(answer, Mapping) or (answer.get("apiVersion"), answer.get("kind")) != (_API_VERSION, KIND):
        return Refused(code, "", f"the answer is not {KIND} of {_API_VERSION}")
    metadata = answer.get("metadata")
    if not isinstance(metadata, Mapping) or not all(isinstance(metadata.get(each), str) for each in _IDENTITY):
        return Refused(code, "", "the answer has no proper metadata")
    if metadata["uid"] != uid:
        # Its name has been given to another object. A PATCH is fenced, and cannot have met that one.
        return Refused(code, "", "the answer is another object") if is_own else Gone()
    return Stored(answer)


def _refused(code: int | None, answer: Any) -> Refused:  # noqa: ANN401 - JSON
    if not _is_status(answer):
        words = answer if isinstance(answer, str) else "the answer is not of the API server's kind"
        return Refused(code, "", words[:_MAX_WORDS])
    return Refused(code, str(answer.get("reason") or ""), str(answer.get("message") or "")[:_MAX_WORDS])
