"""What somebody else does to a status is put right, at a pace that a second writer cannot turn into a burden."""

import asyncio
import copy
from typing import Any

import pytest

from tests.core.cases import ROWS
from tests.engine.world import ID, World, backup
from tests.invariants import check_status
from tests.virtual_time import clock


def _lie(held: dict[str, Any], **fields: str) -> list[dict[str, Any]]:
    """The conditions, with Ready as somebody else would like it."""
    return [each | fields if each["type"] == "Ready" else each for each in held["conditions"]]


CUSTOM: dict[str, Any] = {
    "type": "Custom",
    "status": "True",
    "reason": "Mine",
    "message": "m",
    "lastTransitionTime": "2001-01-01T00:00:00Z",
}
STALLED = CUSTOM | {"type": "Stalled"}
LIES: list[Any] = [
    pytest.param(lambda _: {"state": "failed"}, id="a field"),
    pytest.param(lambda _: {"state": None}, id="a field gone"),
    pytest.param(lambda _: {"stateUnready": ["because"]}, id="a field too many"),
    pytest.param(lambda status: {"conditions": _lie(status, status="False")}, id="a condition's status"),
    pytest.param(lambda status: {"conditions": _lie(status, reason="Nonsense")}, id="a reason"),
    pytest.param(lambda status: {"conditions": _lie(status, message="Lies.")}, id="a message"),
    pytest.param(lambda status: {"conditions": _lie(status, lastTransitionTime="2001-01-01T00:00:00Z")}, id="a time"),
    pytest.param(lambda status: {"conditions": status["conditions"][1:]}, id="a condition gone"),
    pytest.param(lambda status: {"conditions": [*status["conditions"], CUSTOM]}, id="a condition of another type"),
    pytest.param(lambda status: {"conditions": [*status["conditions"], STALLED]}, id="a contradiction"),
    pytest.param(lambda _: {"observedGeneration": 7}, id="a generation"),
    pytest.param(lambda _: {"target": None}, id="the target gone"),
    pytest.param(lambda _: {"lastHandledReconcileAt": "never"}, id="an echo"),
    pytest.param(lambda status: dict.fromkeys(status) | {"observedGeneration": -1}, id="everything"),
]


@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_is_put_right_at_once_and_without_a_request(lie: Any) -> None:
    """With the operator's own texts and times, whatever stood there meanwhile."""
    world = World()
    async with world.running():
        before = copy.deepcopy(await world.observed("ref", 7))
        await asyncio.sleep(100)
        world.entrance.seen(world.cluster.edit("ref", **lie(before)))
        await asyncio.sleep(0.1)
        assert world.cluster.objects["ref"]["status"] == before
    check_status(before, generation=1)
    assert world.cluster.patches == 2
    assert world.astra.asked.empty()


async def test_a_time_that_was_forged_before_a_transition_does_not_survive_it() -> None:
    """Succeeded stays True from a completion to a suspension: its time is the operator's."""
    world = World()
    async with world.running():
        before = copy.deepcopy(await world.observed("ref", 7))
        forged = [each | {"lastTransitionTime": "2001-01-01T00:00:00Z"} for each in before["conditions"]]
        world.entrance.seen(world.cluster.edit("ref", conditions=forged))
        body = world.cluster.put("ref", 7)
        body["spec"]["suspend"] = world.cluster.objects["ref"]["spec"]["suspend"] = True
        world.entrance.seen(body)
        status = await world.cluster.until("ref", observedGeneration=2)
    times = {each["type"]: each["lastTransitionTime"] for each in before["conditions"]}
    for each in status["conditions"]:
        assert each["lastTransitionTime"].startswith("2026-03-01")
        assert each["type"] == "Synced" or each["lastTransitionTime"] == times[each["type"]]


async def test_a_second_writer_that_never_stops_gets_slower_answers() -> None:
    """Three at once, then after 5, 10, 20, 40 and 60 seconds, and 60 for ever; anew after ten quiet minutes."""
    world = World()
    async with world.running():
        await world.observed("ref", 7)
        start, corrections = clock(), list[float]()
        while len(corrections) < 10:
            world.entrance.seen(world.cluster.edit("ref", state="failed"))
            await world.cluster.until("ref", seconds=100, state="completed")
            corrections.append(round(clock() - start))
        assert corrections == [0, 0, 0, 5, 15, 35, 75, 135, 195, 255]
        await asyncio.sleep(601)
        start = clock()
        for _ in range(3):
            world.entrance.seen(world.cluster.edit("ref", state="failed"))
            await world.cluster.until("ref", state="completed")
        assert clock() - start < 0.1


async def test_slips_a_minute_apart_are_each_put_right_at_once() -> None:
    """Three a minute are no second writer."""
    world = World()
    async with world.running():
        await world.observed("ref", 7)
        for _ in range(30):
            await asyncio.sleep(21)
            start = clock()
            world.entrance.seen(world.cluster.edit("ref", state="failed"))
            await world.cluster.until("ref", state="completed")
            assert clock() - start < 0.1


async def test_news_are_not_slowed_down_by_corrections() -> None:
    """A new observation is written at once, and takes what was wrong along."""
    world = World()
    async with world.running():
        await world.observed("ref", 7, "running", interval="30s")
        for _ in range(4):
            world.entrance.seen(world.cluster.edit("ref", stateUnready=["a lie"]))
            await asyncio.sleep(0.1)
        assert world.cluster.objects["ref"]["status"]["stateUnready"] == ["a lie"]
        _, request = await world.astra.next_within(40)
        request.set_result(backup(7, "completed"))
        start = clock()
        status = await world.cluster.until("ref", state="completed")
        assert clock() - start < 0.1
    assert "stateUnready" not in status


async def test_corrections_take_a_quarter_of_the_slots() -> None:
    """However many objects somebody writes into: news of others go first."""
    world = World()
    async with world.running():
        for number in range(100, 140):
            await world.observed(f"ref-{number}", number, app=number, namespace=f"ns-{number % 20}")
        before = world.cluster.patches
        world.cluster.hangs = {f"ns-{number}" for number in range(20)}
        for number in range(100, 140):
            world.entrance.seen(world.cluster.edit(f"ref-{number}", state="failed"))
        await asyncio.sleep(0.5)
        assert world.cluster.patches - before == 4
        status = await world.observed("news", 7, app=7, namespace="else")
        assert status["state"] == "completed"


async def test_corrections_of_an_older_releases_status_bring_the_target() -> None:
    """Also where they come so often that they have to wait; it is worth no write of its own."""
    world = World()
    found = {key: value for key, value in ROWS["running"].items() if key != "target"}
    numbers = {"percent_done": 41.9, "bytes_done": 1_288_490_188, "total_bytes": 3_113_851_289}
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7, **found))
        _, request = await world.astra.next_within(20)
        request.set_result(backup(7, "running", **numbers))
        await asyncio.sleep(1)
        assert world.cluster.patches == 0
        for _ in range(8):
            world.entrance.seen(world.cluster.edit("ref", state="failed", target=None))
            status = await world.cluster.until("ref", seconds=100, state="running")
            assert status["target"]["backupID"] == ID.format(7)
            await asyncio.sleep(1)
