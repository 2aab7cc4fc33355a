"""Reads and writes AppBackupRefs. Each write is fenced: it holds for the very version of the object it was made for.

What comes back is checked before it is believed: something between the operator and the API server may answer as well.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from kubernetes.aio import client

from astra_mirror.api.app_backup_ref import KIND, PLURAL
from astra_mirror.api.meta import FIELD_MANAGER, GROUP, VERSION
from astra_mirror.cluster.api import REQUEST_TIMEOUT, collection_path
from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.raw import Answer, call
from astra_mirror.core.identity import has_identity
from astra_mirror.core.write_results import Conflict, Gone, Refused, Stored, WriteResult

PATCH_TIMEOUT: Final = 40.0
"""Seconds after which a PATCH ends in any case; the writer ends it before."""
_API_VERSION: Final = f"{GROUP}/{VERSION}"


class Statuses:
    """AppBackupRefs on the API server.

    Args:
        api: the client.
        availability: whether the API server is away.
    """

    def __init__(self, api: client.ApiClient, availability: Availability | None = None) -> None:
        self._client = api
        self.availability = availability or Availability()

    async def patch(
        self, namespace: str, name: str, *, uid: str, version: str, patch: Mapping[str, Any]
    ) -> WriteResult:
        """Send a merge patch of the status to the object `uid` at resourceVersion `version`."""
        body = {"metadata": {"uid": uid, "resourceVersion": version}, "status": patch}
        path = f"{_path(namespace, name)}/status?fieldManager={FIELD_MANAGER}"
        answer = await call(self._client, "PATCH", path, body, seconds=PATCH_TIMEOUT)
        if _is_not_found(answer, name):
            return await self.get(namespace, name, uid=uid)
        if answer.code == HTTPStatus.CONFLICT and answer.is_status:
            return Conflict()
        return _stored(answer, uid=uid, is_own=True)

    async def get(self, namespace: str, name: str, *, uid: str) -> WriteResult:
        """The object as it is now; gone is also one that has another uid."""
        answer = await call(self._client, "GET", _path(namespace, name), seconds=REQUEST_TIMEOUT)
        return Gone() if _is_not_found(answer, name) else _stored(answer, uid=uid, is_own=False)


def _path(namespace: str, name: str) -> str:
    return f"{collection_path(namespace)}/{name}"


def _is_not_found(answer: Answer, name: str) -> bool:
    """Whether the API server says of this very object that it does not exist."""
    if answer.code != HTTPStatus.NOT_FOUND or answer.reason != "NotFound":
        return False
    details = answer.value.get("details")
    named = details if isinstance(details, Mapping) else {}
    return (named.get("name"), named.get("group"), named.get("kind")) == (name, GROUP, PLURAL)


def _stored(answer: Answer, *, uid: str, is_own: bool) -> Stored | Gone | Refused:
    code, value = answer.code, answer.value
    if code != HTTPStatus.OK:
        return Refused(code, answer.reason, answer.message)
    if not isinstance(value, Mapping) or (value.get("apiVersion"), value.get("kind")) != (_API_VERSION, KIND):
        return Refused(code, "", f"the answer is not {KIND} of {_API_VERSION}")
    if not has_identity(value):
        return Refused(code, "", "the answer has no proper metadata")
    if value["metadata"]["uid"] != uid:
        # Its name has been given to another object. A PATCH is fenced, and cannot have met that one.
        return Refused(code, "", "the answer is another object") if is_own else Gone()
    return Stored(value)
