"""Kopf itself on an API server of the tests: it lists and watches, and the objects are taken before it sees them."""

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
from astra_mirror.cluster.watch import Watch
from astra_mirror.core.journal.kinds import KindJournal
from astra_mirror.observability.hidden_values import HiddenValues
from tests.cluster.fake import config, serving

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
    """A listener that records what it receives, and whether a worker of Kopf brought it."""

    def __init__(self) -> None:
        self.events: list[tuple[str | None, str | int, bool]] = []
        self.listed_at: list[float] = []
        self.lists = 0
        self.has_fallen_back = asyncio.Event()

    def take(self, event: Mapping[str, Any], listed_at: float) -> None:
        """Record it."""
        task = asyncio.current_task()
        is_kopfs = task is not None and task.get_name().startswith("worker for")
        self.events.append((event["type"], event["object"]["metadata"]["resourceVersion"], is_kopfs))
        self.listed_at.append(listed_at)
        if is_kopfs:
            self.has_fallen_back.set()

    def relisted(self) -> None:
        """Count it."""
        self.lists += 1


def _object(version: str | int) -> dict[str, Any]:
    metadata = {"uid": f"{version}", "name": f"ref-{version}", "namespace": "ns", "resourceVersion": version}
    return {"metadata": metadata, "spec": {}}


_WATCHED: Mapping[str, list[tuple[str, str | int]]] = {
    "2": [("ADDED", "3"), ("MODIFIED", "4")],
    # What has a version that is no text is left to Kopf.
    "4": [("MODIFIED", 5)],
}


def _answer(request: web.Request) -> web.StreamResponse | tuple[int, Any] | None:
    query = request.query
    if request.path in _DISCOVERY:
        return 200, _DISCOVERY[request.path]
    if "watch" in query:
        events = _WATCHED.get(query["resourceVersion"], [])
        lines = [json.dumps({"type": kind, "object": _object(version)}) + "\n" for kind, version in events]
        return web.Response(text="".join(lines), content_type="application/json") if events else None
    page = "2" if "continue" in query else "1"
    metadata = {"resourceVersion": "2", "continue": "" if page == "2" else "more"}
    return 200, {"kind": f"{NAMES.kind}List", "metadata": metadata, "items": [_object(page)]}


async def test_kopf_lists_and_watches_and_resumes_after_what_was_taken() -> None:
    """It pages through the list, resumes the watch after an event that it has not seen, and handles what is left."""
    received = Received()
    async with serving() as (server, api):
        server.answer = _answer
        endpoint = Endpoint(config(api.configuration.host), HiddenValues())
        journal = KindJournal(NAMES.several, NAMES.crd)
        watch = Watch(NAMES, endpoint, Availability(), None, received, kopf_started=lambda: None, journal=journal)
        running = asyncio.create_task(watch.run())
        try:
            async with asyncio.timeout(30):
                await received.has_fallen_back.wait()
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            await endpoint.close()
    watched = [query["resourceVersion"] for _, _, query, _ in server.asked if "watch" in query]
    assert watched[:2] == ["2", "4"]
    assert received.events == [
        (None, "1", False),
        (None, "2", False),
        ("ADDED", "3", False),
        ("MODIFIED", "4", False),
        ("MODIFIED", 5, True),
    ]
    assert min(received.listed_at) > 0
    assert received.lists == 0
    assert watch.not_ready_reason is None
