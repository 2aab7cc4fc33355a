"""Events are recorded round robin over namespaces, within limits."""

import asyncio
from typing import Any

import pytest
from prometheus_client import REGISTRY

from astra_mirror.api.app_backup_ref import NAMES
from astra_mirror.cluster.events import EventRecorder
from astra_mirror.core.events import Note
from tests.cluster.fake import serving

NOTE = Note("Warning", "SyncFailed", "It went wrong.")
REFUSED_EVENTS = ("astra_mirror_quota_refusals_total", {"kind": "events"})


def _namespace(asked: tuple[str, str, dict[str, str], Any]) -> str:
    return asked[1].split("/")[5]


async def test_one_namespace_with_many_events_delays_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """At most a hundred Events of one namespace wait, and the first of another namespace is second."""
    async with serving() as (server, api):
        server.answer = lambda _: (201, {})
        recorder = EventRecorder(api, "pod")
        for number in range(500):
            recorder.submit(NAMES, "busy", f"ref-{number}", f"uid-{number}", NOTE)
        recorder.submit(NAMES, "quiet", "ref", "uid", NOTE)
        task = asyncio.create_task(recorder.run())
        await server.until(101)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        namespaces = [_namespace(each) for each in server.asked]
        assert namespaces.index("quiet") <= 1
        assert namespaces.count("busy") == 100
    assert "400 Events were dropped" in caplog.text


async def test_a_thousand_wait_in_all() -> None:
    """Events beyond a thousand are dropped."""
    async with serving() as (server, api):
        server.answer = lambda _: (201, {})
        recorder = EventRecorder(api, "pod")
        refused = REGISTRY.get_sample_value(*REFUSED_EVENTS) or 0.0
        for number in range(1100):
            recorder.submit(NAMES, f"ns-{number % 20}", f"ref-{number}", f"uid-{number}", NOTE)
        assert recorder.waiting == 1000
        assert REGISTRY.get_sample_value(*REFUSED_EVENTS) == refused + 100


async def test_events_that_are_never_answered_hold_up_no_other_namespace() -> None:
    """A namespace whose Events get no response has one request under way at a time."""
    async with serving() as (server, api):
        server.answer = lambda request: None if "/hung/" in request.path else (201, {})
        recorder = EventRecorder(api, "pod")
        for number in range(50):
            recorder.submit(NAMES, "hung", f"ref-{number}", f"uid-{number}", NOTE)
        task = asyncio.create_task(recorder.run())
        await server.until(1)
        for number in range(20):
            recorder.submit(NAMES, "other", f"ref-{number}", f"uid-{number}", NOTE)
        await server.until(21)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert [_namespace(each) for each in server.asked].count("hung") == 1


async def test_each_write_names_its_manager() -> None:
    """The first Event and its series name the field manager."""
    async with serving() as (server, api):
        server.answer = lambda request: (201 if request.method == "POST" else 200, {})
        recorder = EventRecorder(api, "pod")
        task = asyncio.create_task(recorder.run())
        for number in (1, 2):
            recorder.submit(NAMES, "shop", "ref", "uid", NOTE)
            await server.until(number)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert [(method, query) for method, _, query, _ in server.asked] == [
        ("POST", {"fieldManager": "astra-mirror"}),
        ("PATCH", {"fieldManager": "astra-mirror"}),
    ]


async def test_an_answer_that_is_no_event_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A response of a proxy in between does not end the recorder."""
    answers = [(200, {}), (201, "x"), (500, None), (404, "page not found"), (403, [1])]
    async with serving() as (server, api):
        server.answer = lambda _: answers[len(server.asked) - 1]
        recorder = EventRecorder(api, "pod")
        task = asyncio.create_task(recorder.run())
        for number in range(len(answers)):
            recorder.submit(NAMES, "shop", f"ref-{number}", "uid", NOTE)
        await server.until(len(answers))
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert "No Event SyncFailed for shop/ref-2: 500" in caplog.text
