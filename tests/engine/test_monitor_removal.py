"""Refs of monitors that go, or have to wait until they may, and what is not said of those that stay."""

import asyncio

import pytest

from astra_mirror.core.monitor.listing import ListedBackup
from astra_mirror.core.monitor.ref_results import Ended, RefResult
from astra_mirror.core.outcome import WHOLE, Listed, NotFound
from tests.engine.monitor_world import APP, MonitorWorld
from tests.engine.test_monitor_refs import FORBIDDEN, MIRROR, _condition, _current, _next
from tests.engine.world import ID
from tests.virtual_time import clock


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
        await world.reason("RefsCurrent", "RefsForbidden")
        assert "delete appbackuprefs" in _condition(world)["message"]


async def test_the_message_counts_the_refs_that_are_not_removed(world: MonitorWorld) -> None:
    """Though the role's refusal of one is enough to know that of the others."""
    async with world.running():
        for each in range(5):
            world.forged("shop", 1000 + each)
        world.api.fails["delete"] = FORBIDDEN
        world.monitor(mirror={"newest": 1})
        await world.answer(world.taken(1), *(world.taken(1000 + each, minutes=100) for each in range(5)))
        await world.reason("RefsCurrent", "RefsForbidden")
        assert "5 refs forbidden by the operator's role" in _condition(world)["message"]
        assert len(world.api.writes("delete")) == 1


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


LACKED = "nightly-12-00000000"


async def _lacking(world: MonitorWorld, lists: dict[str, list[ListedBackup]], gone: set[str]) -> float:
    """Let the list lack a backup, and its single GET say that it does not exist; when the ref says so, too."""
    lists[APP] = [world.taken(11), world.taken(12, minutes=2)]
    world.monitor(mirror=MIRROR)
    await world.reason("RefsCurrent", "RefsCurrent")
    lists[APP] = lists[APP][:1]
    gone.add(ID.format(12))
    await world.reason("Ready", "BackupNotFound", LACKED, seconds=1300)
    return clock()


async def _removed_at(world: MonitorWorld) -> float:
    """When it is removed, within two hours from now."""
    await asyncio.sleep(2 * 3600)
    [at] = [at for verb, name, at in world.api.calls if (verb, name) == ("delete", LACKED)]
    return at


async def test_a_ref_goes_when_its_backup_has_not_existed_for_an_hour(world: MonitorWorld) -> None:
    """With the first list after that: an hour since its own status says so."""
    lists, gone = dict[str, list[ListedBackup]](), set[str]()
    async with world.running(), world.serving(lists, gone):
        since = await _lacking(world, lists, gone)
        assert 3600 <= await _removed_at(world) - since < 3600 + 350
        assert _condition(world)["status"] == "True"


async def test_a_backup_that_is_listed_again_and_lacking_again_has_another_hour(world: MonitorWorld) -> None:
    """Though the ref has said all the while that it does not exist."""
    lists, gone = dict[str, list[ListedBackup]](), set[str]()
    async with world.running(), world.serving(lists, gone):
        await _lacking(world, lists, gone)
        await asyncio.sleep(3000)
        without, lists[APP] = lists[APP], [*lists[APP], world.taken(12, minutes=60)]
        await asyncio.sleep(600)
        assert world.cluster.reasons(LACKED)["Ready"] == "BackupNotFound"
        lists[APP], since = without, clock()
        assert 3600 <= await _removed_at(world) - since < 3600 + 700


async def test_the_hour_is_that_of_the_process(world: MonitorWorld) -> None:
    """It does not begin anew where another process has led for a while."""
    lists, gone = dict[str, list[ListedBackup]](), set[str]()
    async with world.running(), world.serving(lists, gone):
        since = await _lacking(world, lists, gone)
        await asyncio.sleep(2640)
    await asyncio.sleep(60)
    async with world.running({}), world.serving(lists, gone):
        assert 3600 <= await _removed_at(world) - since < 3600 + 350
