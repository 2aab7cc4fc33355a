"""Patches the status of objects. Each write is fenced by the object's uid and resourceVersion.

Each response is checked, because a proxy between the operator and the API server may have sent it.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from kubernetes.aio import client

from astra_mirror.api.meta import FIELD_MANAGER, GROUP, VERSION, Names
from astra_mirror.cluster.api import REQUEST_TIMEOUT, collection_path
from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.raw import Response, call
from astra_mirror.core.identity import has_identity
from astra_mirror.core.write_results import Conflict, Gone, Refused, Stored, WriteResult

PATCH_TIMEOUT: Final = 40.0
"""Seconds after which a PATCH is cancelled. The status writer cancels it earlier."""
_API_VERSION: Final = f"{GROUP}/{VERSION}"


class StatusClient:
    """Reads objects and patches their status.

    Args:
        api: the kubernetes client.
        availability: whether the API server is away.
    """

    def __init__(self, api: client.ApiClient, availability: Availability | None = None) -> None:
        self._client = api
        self.availability = availability or Availability()

    async def patch(
        self, names: Names, namespace: str, name: str, *, uid: str, version: str, patch: Mapping[str, Any]
    ) -> WriteResult:
        """Send a merge patch of the status to the object `uid` at resourceVersion `version`."""
        body = {"metadata": {"uid": uid, "resourceVersion": version}, "status": patch}
        path = f"{_path(names, namespace, name)}/status?fieldManager={FIELD_MANAGER}"
        response = await call(self._client, "PATCH", path, body, seconds=PATCH_TIMEOUT)
        if _is_not_found(response, names, name):
            return await self.get(names, namespace, name, uid=uid)
        if response.code == HTTPStatus.CONFLICT and response.is_status:
            return Conflict()
        return _stored(response, names, uid=uid, is_own=True)

    async def get(self, names: Names, namespace: str, name: str, *, uid: str) -> WriteResult:
        """The object as it is now; Gone also where the name belongs to an object with another uid."""
        response = await call(self._client, "GET", _path(names, namespace, name), seconds=REQUEST_TIMEOUT)
        if _is_not_found(response, names, name):
            return Gone()
        return _stored(response, names, uid=uid, is_own=False)


def _path(names: Names, namespace: str, name: str) -> str:
    return f"{collection_path(names, namespace)}/{name}"


def _is_not_found(response: Response, names: Names, name: str) -> bool:
    """Whether the response is the API server's Status that this object does not exist."""
    if response.code != HTTPStatus.NOT_FOUND or response.reason != "NotFound":
        return False
    details = response.value.get("details")
    said = details if isinstance(details, Mapping) else {}
    return (said.get("name"), said.get("group"), said.get("kind")) == (name, GROUP, names.plural)


def _stored(response: Response, names: Names, *, uid: str, is_own: bool) -> Stored | Gone | Refused:
    code, value = response.code, response.value
    if code != HTTPStatus.OK:
        return Refused(code, response.reason, response.message)
    if not isinstance(value, Mapping) or (value.get("apiVersion"), value.get("kind")) != (_API_VERSION, names.kind):
        return Refused(code, "", f"the answer is not {names.kind} of {_API_VERSION}")
    if not has_identity(value):
        return Refused(code, "", "the answer has no proper metadata")
    if value["metadata"]["uid"] != uid:
        # A new object has the same name. A PATCH is fenced by the uid, so it cannot have changed that object.
        return Refused(code, "", "the answer is another object") if is_own else Gone()
    return Stored(value)
