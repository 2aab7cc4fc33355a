"""Writes of monitors' refs: how each is fenced, and what each response of the API server means."""

import asyncio
from typing import Any

import pytest

from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.raw import Response
from astra_mirror.cluster.ref_writes import RefClient, result_of
from astra_mirror.core.monitor.ref_results import Ended
from tests.cluster.fake import serving
from tests.cluster.secret_world import Away

PATH = "/apis/astra-mirror.io/v1/namespaces/shop/appbackuprefs"
OBJECT: dict[str, Any] = {
    "apiVersion": "astra-mirror.io/v1",
    "kind": "AppBackupRef",
    "metadata": {"uid": "u-1", "resourceVersion": "8", "name": "ref", "namespace": "shop", "generation": 1},
}
RBAC = (
    'appbackuprefs.astra-mirror.io is forbidden: User "system:serviceaccount:astra-mirror-system:astra-mirror" cannot '
    'create resource "appbackuprefs" in API group "astra-mirror.io" in the namespace "shop"'
)
QUOTA = 'appbackuprefs.astra-mirror.io "ref" is forbidden: exceeded quota: refs, requested: 1, used: 5, limited: 5'
WEBHOOK = 'admission webhook "policy.example.com" denied the request: no'
FAILED_WEBHOOK = 'Internal error occurred: failed calling webhook "policy.example.com": context deadline exceeded'


def _status(code: int, reason: str, message: str = "…", **details: Any) -> Response:
    return Response(
        code, {"kind": "Status", "apiVersion": "v1", "reason": reason, "message": message, "details": details}
    )


@pytest.mark.parametrize(
    ("response", "ended"),
    [
        (Response(201, OBJECT), Ended.DONE),
        (Response(200, OBJECT), Ended.DONE),
        (Response(200, {"kind": "Status", "apiVersion": "v1", "status": "Success"}), Ended.DONE),
        (Response(200, {"kind": "List"}), Ended.AWAY),
        (Response(200, "<html>"), Ended.AWAY),
        (Response(None, "no route"), Ended.AWAY),
        (Response(503, "<html>"), Ended.AWAY),
        (Response(403, "<html>"), Ended.AWAY),
        (_status(401, "Unauthorized"), Ended.AWAY),
        (_status(429, "TooManyRequests"), Ended.AWAY),
        (_status(500, "InternalError", "etcdserver: request timed out"), Ended.AWAY),
        (_status(500, "InternalError", FAILED_WEBHOOK), Ended.REFUSED),
        (_status(503, "", WEBHOOK), Ended.REFUSED),
        (_status(429, "", WEBHOOK), Ended.REFUSED),
        (_status(409, "AlreadyExists"), Ended.EXISTS),
        (_status(409, "Conflict"), Ended.MOVED),
        (_status(422, "Invalid", causes=[{"field": "metadata.uid"}]), Ended.MOVED),
        (_status(422, "Invalid", causes=[{"field": "spec.backupID"}]), Ended.REFUSED),
        (_status(422, "Invalid"), Ended.REFUSED),
        (_status(404, "NotFound", kind="appbackuprefs"), Ended.GONE),
        (_status(404, "NotFound", kind="namespaces"), Ended.TERMINATING),
        (_status(403, "Forbidden", RBAC), Ended.FORBIDDEN),
        (_status(403, "Forbidden", QUOTA), Ended.REFUSED),
        (_status(403, "Forbidden", WEBHOOK), Ended.REFUSED),
        (_status(400, "BadRequest", WEBHOOK), Ended.REFUSED),
        (_status(403, "Forbidden", causes=[{"reason": "NamespaceTerminating"}]), Ended.TERMINATING),
    ],
)
def test_what_a_response_means(response: Response, ended: Ended) -> None:
    """RBAC, quotas, webhooks and namespaces that are deleted share their status codes."""
    found = result_of(response)
    assert found.ended is ended
    assert (found.object is not None) == (response.value == OBJECT)


async def test_each_write_is_fenced_and_names_its_manager() -> None:
    """A ref is created by POST; one that exists is changed and deleted in one version alone."""
    async with serving() as (server, api):
        server.answer = lambda _: (200, OBJECT)
        refs = RefClient(api, Availability())
        await refs.create("shop", OBJECT)
        await refs.patch("shop", "ref", uid="u-1", version="7", patch={"metadata": {"labels": {"a": None}}, "spec": {}})
        await refs.delete("shop", "ref", uid="u-1", version="7")
        assert (await refs.get("shop", "ref")).object == OBJECT
    fence = {"uid": "u-1", "resourceVersion": "7"}
    manager = {"fieldManager": "astra-mirror"}
    assert server.asked[0] == ("POST", PATH, manager, OBJECT)
    assert server.asked[1] == (
        "PATCH",
        f"{PATH}/ref",
        manager,
        {"metadata": {"labels": {"a": None}, **fence}, "spec": {}},
    )
    method, path, _, body = server.asked[2]
    assert (method, path, body["preconditions"]) == ("DELETE", f"{PATH}/ref", fence)


async def test_no_write_is_tried_while_the_api_server_is_away() -> None:
    """Nor when it is back: what made the write right may have changed meanwhile. What is read waits."""
    away = Away()
    away.leave()
    async with serving() as (server, api):
        server.answer = lambda _: (201, OBJECT)
        refs = RefClient(api, away)
        making = asyncio.create_task(refs.create("shop", OBJECT))
        removing = asyncio.create_task(refs.delete("shop", "ref", uid="u-1", version="7"))
        reading = asyncio.create_task(refs.get("shop", "ref"))
        await asyncio.sleep(0.1)
        assert server.asked == []
        away.come_back()
        assert [(await each).ended for each in (making, removing, reading)] == [Ended.AWAY, Ended.AWAY, Ended.DONE]
        assert [method for method, *_ in server.asked] == ["GET"]
