"""Kopf itself on an API server of the tests: it lists and watches, and the objects are taken before it reads them."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from aiohttp import web

from astra_mirror.api.app_backup_ref import NAMES
from astra_mirror.api.meta import GROUP, VERSION
from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.endpoint import Endpoint
from astra_mirror.cluster.kubeconfig import ClusterConfig
from astra_mirror.cluster.watch import Watch
from astra_mirror.observability.hidden_values import HiddenValues
from tests.cluster.fake import APIServer, serving

_API = f"/apis/{GROUP}/{VERSION}"
_VERBS = ["get", "list", "watch", "patch"]
_DISCOVERY: Mapping[str, Any] = {
    "/api": {"versions": ["v1"]},
    "/api/v1": {
        "resources": [
            {"name": f"{name}s", "singularName": name, "namespaced": name == "event", "kind": kind, "verbs": _VERBS}
            for name, kind in (("namespace", "Namespace"), ("event", "Event"))
        ]
    },
    "/apis": {
        "groups": [{"name": GROUP, "versions": [{"version": VERSION}], "preferredVersion": {"version": VERSION}}]
    },
    _API: {
        "resources": [
            {
                "name": NAMES.plural,
                "singularName": "appbackupref",
                "namespaced": True,
                "kind": NAMES.kind,
                "verbs": _VERBS,
            }
        ]
    },
}


class Received:
    """A listener that records what it receives; every version is news but 4."""

    def __init__(self) -> None:
        self.events: list[tuple[str | None, str]] = []

    def is_news(self, event: Mapping[str, Any]) -> bool:
        """By its version."""
        return str(event["object"]["metadata"]["resourceVersion"]) != "4"

    def take(self, event: Mapping[str, Any], listed_at: float) -> None:
        """Record it."""
        assert listed_at > 0
        self.events.append((event["type"], event["object"]["metadata"]["resourceVersion"]))

    def relisted(self) -> None:
        """Kopf lists once."""
        raise AssertionError


def _object(version: str) -> dict[str, Any]:
    metadata = {"uid": version, "name": f"ref-{version}", "namespace": "ns", "resourceVersion": version}
    return {"metadata": metadata, "spec": {}}


def _answer(request: web.Request) -> web.StreamResponse | tuple[int, Any] | None:
    query = request.query
    if request.path in _DISCOVERY:
        return 200, _DISCOVERY[request.path]
    if "watch" in query:
        events = [("ADDED", "3"), ("MODIFIED", "4")] if query["resourceVersion"] == "2" else []
        lines = [json.dumps({"type": kind, "object": _object(version)}) + "\n" for kind, version in events]
        return web.Response(text="".join(lines), content_type="application/json") if events else None
    page = "2" if "continue" in query else "1"
    metadata = {"resourceVersion": "2", "continue": "" if page == "2" else "more"}
    return 200, {"kind": f"{NAMES.kind}List", "metadata": metadata, "items": [_object(page)]}


def _config(host: str) -> ClusterConfig:
    return ClusterConfig(
        host=host,
        authorization=None,
        expires_at=None,
        is_in_file=False,
        ca_file=None,
        cert_file=None,
        key_file=None,
        verify=True,
        server_name=None,
        proxy=None,
    )


async def _until_resumed(server: APIServer) -> list[str]:
    """The versions from which it was watched, when there are two."""
    while True:
        watched = [query["resourceVersion"] for _, _, query, _ in server.asked if "watch" in query]
        if len(watched) == 2:
            return watched
        await server.until(len(server.asked) + 1)


async def test_kopf_lists_and_watches_and_resumes_after_what_was_taken() -> None:
    """It pages through the list. The watch is resumed from the version of an event that it has not seen itself."""
    received = Received()
    async with serving() as (server, api):
        server.answer = _answer
        endpoint = Endpoint(_config(api.configuration.host), HiddenValues())
        watch = Watch(NAMES, endpoint, Availability(), None, received, lambda: None)
        running = asyncio.create_task(watch.run())
        try:
            async with asyncio.timeout(30):
                watched = await _until_resumed(server)
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            await endpoint.close()
    assert watched == ["2", "4"]
    assert received.events == [(None, "1"), (None, "2"), ("ADDED", "3")]
    assert watch.not_ready_reason is None
