"""Status patches: only a proper response of the API server about the same object counts."""

from typing import Any

import pytest
from aiohttp import web

from astra_mirror.api.app_backup_ref import NAMES
from astra_mirror.cluster.statuses import StatusClient
from astra_mirror.core.write_results import Conflict, Gone, Refused, Stored
from tests.cluster.fake import serving

PATH = "/apis/astra-mirror.io/v1/namespaces/shop/appbackuprefs/ref"
OBJECT: dict[str, Any] = {
    "apiVersion": "astra-mirror.io/v1",
    "kind": "AppBackupRef",
    "metadata": {"uid": "u-1", "resourceVersion": "8", "name": "ref", "namespace": "shop", "generation": 1},
    "status": {"state": "running"},
}
NOT_FOUND: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Status",
    "status": "Failure",
    "reason": "NotFound",
    "message": 'appbackuprefs.astra-mirror.io "ref" not found',
    "details": {"name": "ref", "group": "astra-mirror.io", "kind": "appbackuprefs"},
    "code": 404,
}


async def _patch(status_client: StatusClient) -> Any:
    return await status_client.patch(NAMES, "shop", "ref", uid="u-1", version="7", patch={"state": "running"})


async def test_a_patch_is_fenced_and_names_its_manager() -> None:
    """A patch carries the uid, the resourceVersion and the field manager."""
    async with serving() as (server, api):
        server.answer = lambda _: (200, OBJECT)
        assert await _patch(StatusClient(api)) == Stored(OBJECT)
    body = {"metadata": {"uid": "u-1", "resourceVersion": "7"}, "status": {"state": "running"}}
    assert server.asked == [("PATCH", f"{PATH}/status", {"fieldManager": "astra-mirror"}, body)]


async def test_gone_is_what_a_get_confirms() -> None:
    """Gone requires two NotFound responses of the API server about this object."""
    async with serving() as (server, api):
        server.answer = lambda _: (404, NOT_FOUND)
        assert await _patch(StatusClient(api)) == Gone()
    assert [(method, path) for method, path, _, _ in server.asked] == [("PATCH", f"{PATH}/status"), ("GET", PATH)]


async def test_gone_is_an_object_whose_name_another_one_has() -> None:
    """An object that was deleted and created again is gone."""
    other = OBJECT | {"metadata": OBJECT["metadata"] | {"uid": "u-2"}}
    async with serving() as (server, api):
        server.answer = lambda request: (404, NOT_FOUND) if request.method == "PATCH" else (200, other)
        assert await _patch(StatusClient(api)) == Gone()


async def test_a_404_that_the_get_does_not_confirm() -> None:
    """When the GET finds the object, the result is Stored."""
    async with serving() as (server, api):
        server.answer = lambda request: (404, NOT_FOUND) if request.method == "PATCH" else (200, OBJECT)
        assert await _patch(StatusClient(api)) == Stored(OBJECT)


def _but(**fields: Any) -> dict[str, Any]:
    return NOT_FOUND | fields


OTHER_404S: list[Any] = [
    pytest.param("404 page not found\n", id="text"),
    pytest.param("", id="nothing"),
    pytest.param(None, id="null"),
    pytest.param([NOT_FOUND], id="a list"),
    pytest.param({}, id="an empty object"),
    pytest.param(_but(kind="NotStatus"), id="kind"),
    pytest.param(_but(apiVersion="v2"), id="apiVersion"),
    pytest.param(_but(reason="Expired"), id="reason"),
    pytest.param(_but(details=None), id="no details"),
    pytest.param(_but(details={}), id="empty details"),
    pytest.param(_but(details=NOT_FOUND["details"] | {"name": "other"}), id="another name"),
    pytest.param(_but(details=NOT_FOUND["details"] | {"kind": "namespaces"}), id="another kind"),
    pytest.param(_but(details=NOT_FOUND["details"] | {"group": ""}), id="another group"),
]


@pytest.mark.parametrize("when", ["PATCH", "GET"])
@pytest.mark.parametrize("body", OTHER_404S)
async def test_any_other_404_is_a_refusal(body: Any, when: str) -> None:
    """A 404 that is not a Status about this object is a refusal."""

    def answer(request: web.Request) -> web.Response | tuple[int, Any]:
        if when == "GET" and request.method == "PATCH":
            return 404, NOT_FOUND
        return web.Response(status=404, text=body) if isinstance(body, str) else (404, body)

    async with serving() as (server, api):
        server.answer = answer
        result = await _patch(StatusClient(api))
    assert isinstance(result, Refused)
    assert result.code == 404
    assert not result.suggests_outage


STRANGE: list[Any] = [
    pytest.param({}, id="empty"),
    pytest.param([], id="a list"),
    pytest.param("<html>", id="no JSON"),
    pytest.param(OBJECT | {"kind": "Pod"}, id="kind"),
    pytest.param(OBJECT | {"apiVersion": "astra-mirror.io/v2"}, id="apiVersion"),
    pytest.param(OBJECT | {"metadata": {}}, id="no metadata"),
    pytest.param(OBJECT | {"metadata": OBJECT["metadata"] | {"resourceVersion": 7}}, id="no version"),
    pytest.param(OBJECT | {"metadata": OBJECT["metadata"] | {"uid": "u-2"}}, id="another uid"),
    pytest.param(OBJECT | {"metadata": OBJECT["metadata"] | {"generation": None}}, id="no generation"),
    pytest.param(OBJECT | {"metadata": OBJECT["metadata"] | {"generation": "1"}}, id="a generation that is a text"),
]


@pytest.mark.parametrize("body", STRANGE)
async def test_an_answer_that_is_not_this_object_is_not_taken(body: Any) -> None:
    """A response with status 200 that is not this object is refused."""
    async with serving() as (server, api):
        server.answer = lambda _: web.Response(text=body) if isinstance(body, str) else (200, body)
        assert isinstance(await _patch(StatusClient(api)), Refused)


async def test_the_api_servers_words_are_passed_on() -> None:
    """The result has the API server's reason and message, which name the policy behind a 422."""
    status = {
        "apiVersion": "v1",
        "kind": "Status",
        "reason": "Invalid",
        "message": "needs the label owner",
        "code": 422,
    }
    async with serving() as (server, api):
        server.answer = lambda _: (422, status)
        result = await _patch(StatusClient(api))
    assert result == Refused(422, "Invalid", "needs the label owner")
    assert result.text == "422 Invalid needs the label owner"


async def test_a_conflict_is_the_api_servers_own() -> None:
    """A 409 that is not a Status is a refusal."""
    status = {"apiVersion": "v1", "kind": "Status", "reason": "Conflict", "code": 409}
    async with serving() as (server, api):
        server.answer = lambda _: (409, status)
        assert await _patch(StatusClient(api)) == Conflict()
        server.answer = lambda _: web.Response(status=409, text="busy")
        assert isinstance(await _patch(StatusClient(api)), Refused)


async def test_what_is_not_answered_or_a_fault_of_the_server_is_suspicious() -> None:
    """No response, a 5xx or a 429 suggests an outage."""
    async with serving() as (server, api):
        for code in (500, 502, 503, 504, 429):
            server.answer = lambda _, code=code: web.Response(status=code, text="no")  # type: ignore[misc]
            result = await _patch(StatusClient(api))
            assert (result.code, result.suggests_outage) == (code, True)
    async with serving() as (_, api):
        api.configuration.host = "http://127.0.0.1:1"
        result = await _patch(StatusClient(api))
    assert (result.code, result.suggests_outage) == (None, True)
