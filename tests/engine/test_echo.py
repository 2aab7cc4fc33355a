"""What an own write has stored is no lie, however it is seen; and two operators come to agree on one status."""

import asyncio
import copy
from typing import Any

import pytest

from astra_mirror.api.meta import Names
from astra_mirror.core.outcome import Failed, SyncReason
from tests.engine.world import World, backup
from tests.virtual_time import clock


async def test_the_answer_to_an_own_write_is_the_api_servers_word(caplog: pytest.LogCaptureFixture) -> None:
    """A CRD that knows no target is an older one: one write, one line, nothing more for an hour."""
    world = World()
    world.cluster.prunes = {"target"}
    async with world.running():
        await world.observed("ref", 7, "running", interval="30s")
        await world.observed("other", 8, "running", account=8)
        for _ in range(5):
            connection, request = await world.astra.next_within(40)
            assert connection
            request.set_result(backup(7, "running"))
        assert world.cluster.patches == 2
        # Another field is somebody's lie all the same, and put right.
        world.entrance.seen(world.cluster.edit("ref", state="failed"))
        await world.cluster.until("ref", state="running")
        assert world.cluster.patches == 3
        world.cluster.prunes = set()
        while "target" not in world.cluster.objects["ref"]["status"]:
            assert clock() < 3800
            _, request = await world.astra.next_within(40)
            request.set_result(backup(7, "running"))
    assert clock() > 3600
    assert caplog.text.count("stores other values than it is sent") == 1
    assert "status.target" in caplog.text


async def test_what_is_not_stored_is_written_with_the_next_news() -> None:
    """When the desired status changes, all of it is sent again."""
    world = World()
    world.cluster.prunes = {"target"}
    async with world.running():
        await world.observed("ref", 7, "running", interval="30s")
        world.cluster.prunes = set()
        _, request = await world.astra.next_within(40)
        request.set_result(backup(7, "completed"))
        status = await world.cluster.until("ref", state="completed")
    assert status["target"]["secretName"] == "astra-control"
    assert world.cluster.patches == 2


async def test_two_operators_do_not_fight() -> None:
    """Each has measured another rate, at another time; when the remote says the same to both, neither writes."""
    one, two = World(), World()
    two.cluster.objects, two.cluster.versions = one.cluster.objects, one.cluster.versions
    worlds = (one, two)
    for world in worlds:
        _share(world, worlds)

    async def round_(done: int, late: float) -> None:
        for world in worlds:
            _, request = await world.astra.next_within(50)
            await asyncio.sleep(late)
            request.set_result(backup(7, "running", bytes_done=done, total_bytes=1000))

    async with one.running(), two.running():
        body = one.cluster.put("ref", 7, interval="30s")
        for world in worlds:
            world.entrance.seen(copy.deepcopy(body))
        for done in (100, 250, 400):
            await round_(done, 1.3)
        await asyncio.sleep(20)
        patches = [world.cluster.patches for world in worlds]
        settled = copy.deepcopy(one.cluster.objects["ref"]["status"])
        for _ in range(5):
            await round_(400, 0.7)
    assert [world.cluster.patches for world in worlds] == patches
    assert one.cluster.objects["ref"]["status"] == settled
    assert settled["progress"]["bytesPerSecond"] > 0


@pytest.mark.parametrize("is_slow", [False, True])
async def test_two_operators_come_to_the_same_times(*, is_slow: bool) -> None:
    """One of them had a failure in between, so that its Synced is True since later: neither insists for ever.

    Nor where the other one corrects only once a minute, because somebody else has written often: once a minute is
    seldom enough for the first to do it at once each time.
    """
    one, two = World(), World()
    two.cluster.objects, two.cluster.versions = one.cluster.objects, one.cluster.versions
    worlds = (one, two)
    for world in worlds:
        _share(world, worlds)
    async with one.running(), two.running():
        body = one.cluster.put("ref", 7, interval="30s")
        one.entrance.seen(copy.deepcopy(body))
        _, request = await one.astra.next_within(50)
        request.set_result(backup(7, "running"))
        for _ in range(8 if is_slow else 0):
            one.entrance.seen(one.cluster.edit("ref", state="failed"))
            await one.cluster.until("ref", seconds=100, state="running")
        two.entrance.seen(copy.deepcopy(one.cluster.objects["ref"]))
        _, request = await two.astra.next_within(50)
        request.set_result(Failed(SyncReason.UNREACHABLE, "It cannot be reached."))
        await asyncio.sleep(3)
        _, request = await two.astra.next_within(110)
        request.set_result(backup(7, "running"))
        await asyncio.sleep(200)
        patches = [world.cluster.patches for world in worlds]
        settled = copy.deepcopy(one.cluster.objects["ref"]["status"])
        await asyncio.sleep(900)
    assert [world.cluster.patches for world in worlds] == patches
    assert one.cluster.objects["ref"]["status"] == settled


def _share(world: World, worlds: tuple[World, ...]) -> None:
    """What one writes, the watches of all report."""
    patch = world.cluster.patch

    async def shared(names: Names, *where: str, **options: Any) -> Any:
        result = await patch(names, *where, **options)
        for each in worlds:
            asyncio.get_running_loop().call_soon(each.entrance.seen, copy.deepcopy(world.cluster.objects[where[1]]))
        return result

    world.cluster.patch = shared  # type: ignore[method-assign]


async def test_a_lie_that_the_watch_reports_before_the_answer_to_an_own_write_is_a_lie() -> None:
    """What somebody else has written after it does not become the operator's own."""
    world = World()
    patch = world.cluster.patch

    async def overtaken(names: Names, *where: str, **options: Any) -> Any:
        result = await patch(names, *where, **options)
        if world.cluster.patches == 1:
            world.entrance.seen(copy.deepcopy(world.cluster.objects["ref"]))
            world.entrance.seen(world.cluster.edit("ref", state="failed"))
        return result

    world.cluster.patch = overtaken  # type: ignore[method-assign]
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7))
        _, request = await world.astra.next_within(20)
        request.set_result(backup(7, "completed"))
        await asyncio.sleep(1)
        assert world.cluster.objects["ref"]["status"]["state"] == "completed"
    assert world.cluster.patches == 2


@pytest.mark.parametrize("is_restored", [False, True])
async def test_a_list_that_an_own_write_has_overtaken_brings_nothing_old_back(*, is_restored: bool) -> None:
    """What it shows was true when it was requested; one that was requested after the write shows a restored cluster."""
    world = World()
    async with world.running():
        await world.observed("ref", 7, "running", interval="30s")
        body, listed_at = copy.deepcopy(world.cluster.objects["ref"]), clock()
        _, request = await world.astra.next_within(40)
        request.set_result(Failed(SyncReason.UNREACHABLE, "It cannot be reached."))
        await asyncio.sleep(1)
        failed = copy.deepcopy(world.cluster.objects["ref"]["status"])
        if is_restored:
            world.cluster.objects["ref"], listed_at = copy.deepcopy(body), clock()
        world.entrance.seen(body, listed_at=listed_at)
        await asyncio.sleep(1)
        assert world.cluster.objects["ref"]["status"] == failed
        assert world.cluster.patches == (3 if is_restored else 2)
        _, request = await world.astra.next_within(110)
        request.set_result(backup(7, "running"))
        await asyncio.sleep(1)
        world.entrance.seen(copy.deepcopy(world.cluster.objects["ref"]))
        await asyncio.sleep(1)
        recovered = world.cluster.objects["ref"]["status"]
    before, after = (
        {each["type"]: each["lastTransitionTime"] for each in status["conditions"]} for status in (failed, recovered)
    )
    assert after == before | {"Synced": after["Synced"]}
    assert after["Synced"] > before["Synced"]


async def test_an_echo_that_comes_before_the_answer_costs_nothing() -> None:
    """One write, and no second look."""
    world = World()
    _share(world, (world,))
    patch = world.cluster.patch

    async def slow(names: Names, *where: str, **options: Any) -> Any:
        result = await patch(names, *where, **options)
        await asyncio.sleep(0.5)
        return result

    world.cluster.patch = slow  # type: ignore[method-assign]
    async with world.running():
        await world.observed("ref", 7)
        await asyncio.sleep(10)
    assert world.cluster.patches == 1
    assert world.engine.pending() == (0, 0.0)


async def test_what_a_write_has_found_gone_is_not_written_again() -> None:
    """Though it had changed once more meanwhile; and an object that is there under this uid again is written once."""
    world = World()
    patch = world.cluster.patch

    async def slow(names: Names, *where: str, **options: Any) -> Any:
        await asyncio.sleep(0.5)
        return await patch(names, *where, **options)

    async with world.running():
        await world.observed("ref", 7)
        world.cluster.patch = slow  # type: ignore[method-assign]
        world.entrance.seen(world.cluster.edit("ref", state="failed"))
        await asyncio.sleep(0.1)
        world.entrance.seen(world.cluster.edit("ref", state="removed"))
        gone = world.cluster.objects.pop("ref")
        before = world.cluster.patches
        await asyncio.sleep(10)
        assert world.cluster.patches == before + 1
        assert world.engine.pending() == (0, 0.0)
        # The answer was a lie.
        world.cluster.objects["ref"] = gone
        world.entrance.seen(copy.deepcopy(gone), listed_at=clock())
        _, request = await world.astra.next_within(20)
        request.set_result(backup(7, "completed"))
        await world.cluster.until("ref", state="completed")


async def test_a_look_that_the_watch_has_overtaken_brings_nothing_old_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a conflict the object is read; what the watch reports meanwhile is newer, and the old target is over."""
    world = World()
    async with world.running():
        await world.observed("ref", 7)
        get = world.cluster.get

        async def overtaken(names: Names, namespace: str, name: str, *, uid: str) -> Any:
            monkeypatch.undo()
            found = await get(names, namespace, name, uid=uid)
            world.entrance.seen(world.cluster.put("ref", 8))
            return found

        monkeypatch.setattr(world.cluster, "get", overtaken)
        world.entrance.seen(world.cluster.edit("ref", state="failed"))
        # Somebody has changed it once more, of which the watch tells nothing.
        world.cluster.edit("ref")
        _, request = await world.astra.next("00000000-0000-4000-8000-000000000008")
        request.set_result(backup(8, "running"))
        await world.cluster.until("ref", state="running")
        await asyncio.sleep(10)
        assert world.astra.asked.empty()
