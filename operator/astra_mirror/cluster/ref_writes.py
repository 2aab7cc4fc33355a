"""Creates, repairs and deletes the refs of monitors. Each write of a ref that exists is fenced by uid and version.

The API server uses one status code for several things; which of them it is, the Status's reason and causes say. They do
not say whether the role or a quota is the cause of a 403, and whether a webhook is that of a 5xx: there its message
decides.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from kubernetes.aio import client

from astra_mirror.api.app_backup_ref import NAMES
from astra_mirror.api.meta import FIELD_MANAGER, GROUP, VERSION
from astra_mirror.cluster.api import REQUEST_TIMEOUT, collection_path
from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.raw import Response, call
from astra_mirror.core.identity import has_identity
from astra_mirror.core.journal.roles import is_by_the_role
from astra_mirror.core.monitor.ref_results import Ended, RefResult

_API_VERSION: Final = f"{GROUP}/{VERSION}"
_MANAGER: Final = f"fieldManager={FIELD_MANAGER}"
_GOOD: Final = frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED})


class RefClient:
    """The refs on the API server.

    Args:
        api: the kubernetes client.
        availability: whether the API server is away.
    """

    def __init__(self, api: client.ApiClient, availability: Availability) -> None:
        self._client = api
        self._availability = availability

    async def get(self, namespace: str, name: str) -> RefResult:
        """Read a ref, whatever its uid."""
        return await self._call("GET", f"{collection_path(NAMES, namespace)}/{name}")

    async def create(self, namespace: str, body: Mapping[str, Any]) -> RefResult:
        """Create a ref."""
        return await self._call("POST", f"{collection_path(NAMES, namespace)}?{_MANAGER}", body)

    async def patch(self, namespace: str, name: str, *, uid: str, version: str, patch: Mapping[str, Any]) -> RefResult:
        """Send a merge patch to one version of a ref."""
        metadata = {**patch.get("metadata", {}), "uid": uid, "resourceVersion": version}
        path = f"{collection_path(NAMES, namespace)}/{name}?{_MANAGER}"
        return await self._call("PATCH", path, {**patch, "metadata": metadata})

    async def delete(self, namespace: str, name: str, *, uid: str, version: str) -> RefResult:
        """Delete one version of a ref; what it owns is left to the garbage collector."""
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid, "resourceVersion": version},
            "propagationPolicy": "Background",
        }
        return await self._call("DELETE", f"{collection_path(NAMES, namespace)}/{name}", body)

    async def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> RefResult:
        if self._availability.is_away:
            await self._availability.wait_until_back()
            if method != "GET":
                # What made it right to write this may have changed.
                return RefResult(Ended.AWAY)
        response = await call(self._client, method, path, body, seconds=REQUEST_TIMEOUT)
        if response.suggests_outage:
            self._availability.request_probe()
        return result_of(response)


def result_of(response: Response) -> RefResult:
    """What a response means for a ref."""
    if response.code in _GOOD:
        return RefResult(Ended.DONE, response.value) if _is_ref(response.value) else _without_object(response)
    is_outage = response.suggests_outage and not _is_of_a_webhook(response)
    if is_outage or not response.is_status:
        return RefResult(Ended.AWAY, message=response.message)
    return RefResult(_ended(response), message=response.message)


def _ended(response: Response) -> Ended:
    if response.says_namespace_ends:
        return Ended.TERMINATING
    match response.code:
        case HTTPStatus.NOT_FOUND:
            ended = Ended.GONE
        case HTTPStatus.CONFLICT:
            ended = Ended.EXISTS if response.reason == "AlreadyExists" else Ended.MOVED
        case HTTPStatus.UNPROCESSABLE_ENTITY if _is_about_the_uid(response.causes):
            ended = Ended.MOVED
        case HTTPStatus.UNAUTHORIZED:
            ended = Ended.AWAY
        case HTTPStatus.FORBIDDEN if is_by_the_role(response.message):
            ended = Ended.FORBIDDEN
        case _:
            ended = Ended.REFUSED
    return ended


def _without_object(response: Response) -> RefResult:
    # The answer to a DELETE is a Status where nothing of the object is left.
    ended = Ended.DONE if response.is_status and response.value.get("status") == "Success" else Ended.AWAY
    return RefResult(ended, message=response.message)


def _is_ref(value: object) -> bool:
    if not isinstance(value, Mapping) or not has_identity(value):
        return False
    return (value.get("apiVersion"), value.get("kind")) == (_API_VERSION, NAMES.kind)


def _is_about_the_uid(causes: list[Mapping[str, Any]]) -> bool:
    return bool(causes) and all(each.get("field") == "metadata.uid" for each in causes)


def _is_of_a_webhook(response: Response) -> bool:
    """Whether a webhook has refused it or does not answer. Unlike an outage of the API server, that may last."""
    return response.is_status and " webhook " in response.message
