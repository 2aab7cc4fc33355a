"""Refs of monitors that go, or have to wait until they may, and what is not said of those that stay."""

import asyncio

import pytest

from astra_mirror.core.monitor.ref_results import Ended, RefResult
from astra_mirror.core.outcome import WHOLE, Listed, NotFound
from tests.engine.monitor_world import MonitorWorld
from tests.engine.test_monitor_refs import FORBIDDEN, MIRROR, _current, _next
from tests.engine.world import ID


@pytest.fixture
def world() -> MonitorWorld:
    """A mirror at rest."""
    return MonitorWorld()


async def test_without_mirror_all_refs_go(world: MonitorWorld) -> None:
    """But one whose backup is under way, by the list or by its own status; then the condition goes as well."""
    async with world.running():
        first, _ = await _current(world)
        world.edit(first, status={"state": "running"})
        world.monitor()
        await world.answer(world.taken(1), world.taken(2, minutes=2))
        await asyncio.sleep(2)
        assert list(world.api.objects) == [first]
        status = await world.reason("RefsCurrent", "RefsPending")
        assert "refs" not in status
        world.edit(first, status={"state": "completed"})
        await _next(world, world.taken(1))
        await asyncio.sleep(2)
        assert world.api.objects == {}
        assert "RefsCurrent" not in world.cluster.reasons("shop")


async def test_a_ref_that_moves_while_it_is_removed_is_looked_at_again(world: MonitorWorld) -> None:
    """In the same round, and it is never said to be refused."""
    async with world.running():
        await _current(world)
        world.api.moves = 2
        await _next(world, *(world.taken(number, minutes=10 - number) for number in (1, 2, 3)))
        await asyncio.sleep(3)
        assert sorted(world.api.objects) == ["nightly-2-00000000", "nightly-3-00000000"]
        assert len(world.api.writes("delete")) == 3
        assert world.cluster.reasons("shop")["RefsCurrent"] == "RefsCurrent"


async def test_a_ref_that_is_gone_already_is_no_trouble(world: MonitorWorld) -> None:
    """Somebody else was faster."""
    async with world.running():
        await _current(world)
        world.api.once["delete"] = RefResult(Ended.GONE)
        await _next(world, *(world.taken(number, minutes=10 - number) for number in (1, 2, 3)))
        await asyncio.sleep(3)
        assert world.cluster.reasons("shop")["RefsCurrent"] == "RefsCurrent"


async def test_delete_is_named_only_while_a_ref_should_go(world: MonitorWorld) -> None:
    """A role without it is enough until then."""
    async with world.running():
        world.api.fails["delete"] = FORBIDDEN
        await _current(world)
        assert world.cluster.reasons("shop")["RefsCurrent"] == "RefsCurrent"
        await _next(world, *(world.taken(number, minutes=10 - number) for number in (1, 2, 3)))
        status = await world.reason("RefsCurrent", "RefsForbidden")
        [message] = [each["message"] for each in status["conditions"] if each["type"] == "RefsCurrent"]
        assert "delete appbackuprefs" in message


async def test_the_refs_of_an_old_target_go_with_the_first_list_of_the_new_one(world: MonitorWorld) -> None:
    """Until then they are pending."""
    async with world.running():
        await _current(world)
        world.monitor(app=3, mirror=MIRROR)
        await world.reason("RefsCurrent", "RefsPending")
        await asyncio.sleep(30)
        assert len(world.api.objects) == 2
        await world.answer(world.taken(7), app=ID.format(3))
        await world.reason("RefsCurrent", "RefsCurrent")
        assert [each["spec"]["backupID"] for each in world.api.objects.values()] == [ID.format(7)]


async def test_a_ref_that_waits_for_a_finalizer_is_pending(world: MonitorWorld) -> None:
    """It counts neither as existing nor as in conflict, and is made again when it is gone."""
    async with world.running():
        name, *_ = await _current(world)
        world.edit(name, metadata={"deletionTimestamp": "2026-11-27T09:00:00Z", "finalizers": ["x.io/y"]})
        status = await world.reason("RefsCurrent", "RefsPending")
        assert status["refs"] == {"wanted": 2, "existing": 1}
        world.remove(name)
        status = await world.reason("RefsCurrent", "RefsCurrent")
        assert status["refs"] == {"wanted": 2, "existing": 2}


async def test_without_an_app_the_refs_are_left_alone(world: MonitorWorld) -> None:
    """Nothing is removed because of a 404."""
    async with world.running():
        names = await _current(world)
        while not world.astra.asked.empty():
            world.astra.asked.get_nowait()
        found = world.cluster.objects["shop"]
        version = str(next(world.cluster.versions))
        found["metadata"] |= {"annotations": {"astra-mirror.io/requestedAt": "x"}, "resourceVersion": version}
        world.monitors.seen({**found, "metadata": dict(found["metadata"])})
        await world.end(Listed(1, {WHOLE: NotFound("no such app (404)")}, None, complete=False), seconds=20)
        await world.reason("Ready", "AppNotFound")
        writes = len(world.api.writes())
        await asyncio.sleep(100)
        assert (list(world.api.objects), len(world.api.writes())) == (names, writes)
