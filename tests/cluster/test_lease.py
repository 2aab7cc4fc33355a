"""The Lease is held only if the API server itself says so."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.lease import Elector
from tests.cluster.fake import Answer, serving


def _lease(**spec: Any) -> dict[str, Any]:
    metadata = {"name": "astra-mirror", "namespace": "system", "resourceVersion": "7"}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


def _wrong(what: str) -> Answer:
    match what:
        case "page":
            return web.Response(text="<html>Sign in</html>", content_type="text/html")
        case "half":
            return web.Response(text='{"kind": "Le', content_type="application/json")
        case "empty":
            return 200, {}
        case "list":
            return 200, []
        case _:
            return 200, {"kind": "Status", "apiVersion": "v1", "status": "Success"}


_WRONG = pytest.mark.parametrize("what", ["page", "half", "empty", "list", "status"])


@_WRONG
async def test_an_answer_that_is_no_lease_is_a_failed_attempt(what: str) -> None:
    """A response to the read that is not the Lease fails that attempt only; the next one succeeds."""
    async with serving() as (server, api):
        answers = iter([_wrong(what)])

        def answer(request: web.Request) -> Answer:
            return next(answers, None) or (200, _lease(holderIdentity="" if request.method == "GET" else "me"))

        server.answer = answer
        elector = Elector(api, Availability(), namespace="system", name="astra-mirror", identity="me")
        async with asyncio.timeout(20):
            await elector.acquire()
        assert [method for method, *_ in server.asked] == ["GET", "GET", "PUT"]


@_WRONG
async def test_nor_is_one_to_the_write(what: str) -> None:
    """A response to the write that is not the Lease does not make this process the leader."""
    async with serving() as (server, api):
        answers = iter([(200, _lease(holderIdentity="")), _wrong(what)])

        def answer(request: web.Request) -> Answer:
            return next(answers, None) or (200, _lease(holderIdentity="" if request.method == "GET" else "me"))

        server.answer = answer
        elector = Elector(api, Availability(), namespace="system", name="astra-mirror", identity="me")
        async with asyncio.timeout(20):
            await elector.acquire()
        assert [method for method, *_ in server.asked] == ["GET", "PUT", "GET", "PUT"]


async def test_a_write_that_another_holder_answers_is_none() -> None:
    """A write whose response names another holder, perhaps from a cache, has failed."""
    async with serving() as (server, api):
        holders = iter(["", "somebody else", "", "me"])
        server.answer = lambda _: (200, _lease(holderIdentity=next(holders)))
        elector = Elector(api, Availability(), namespace="system", name="astra-mirror", identity="me")
        async with asyncio.timeout(20):
            await elector.acquire()
        assert next(holders, None) is None
