"""Monitors in the engine: one request for all of an app, deadlines by the wall clock, due lists."""

import asyncio

import pytest

from astra_mirror.core.outcome import WHOLE, Failed, Listed, NotFound, SyncReason, Unchanged
from tests.engine.monitor_world import DAILY, MonitorWorld
from tests.engine.world import ID, backup
from tests.virtual_time import clock


@pytest.fixture
def world() -> MonitorWorld:
    """A mirror at rest."""
    return MonitorWorld()


async def test_a_list_becomes_a_status(world: MonitorWorld) -> None:
    """The same list again writes nothing, and is judged again without being parsed."""
    async with world.running():
        world.monitor()
        await world.answer(world.taken(1), world.taken(2, minutes=2))
        status = await world.reason("Ready", "ListObserved")
        assert (status["backups"]["total"], status["newest"]["id"]) == (2, ID.format(1))
        await world.unchanged(seconds=310)
        await asyncio.sleep(5)
        assert world.cluster.patches == 1
        assert world.api.calls == []


async def test_a_list_of_refs_serves_a_monitor_and_so_the_other_way(world: MonitorWorld) -> None:
    """One request for all of an app."""
    async with world.running():
        world.monitor()
        world.refs.seen(world.cluster.put("ref", 11))
        await world.answer(world.taken(11), items={ID.format(11): backup(11, "completed")})
        await world.reason("Ready", "ListObserved")
        await world.cluster.until("ref", state="completed")
        assert world.astra.asked.empty()
        # The monitor is due after five minutes, the ref after fifteen.
        await world.answer(world.taken(11, "failed"), items={ID.format(11): backup(11, "failed")}, seconds=320)
        await world.cluster.until("ref", state="failed")
        assert world.astra.asked.empty()


async def test_the_list_is_read_often_while_a_backup_is_under_way(world: MonitorWorld) -> None:
    """At --interval, which is shorter than the monitor's own."""
    async with world.running():
        world.monitor()
        await world.answer(world.taken(1, "running"))
        await world.answer(world.taken(1), seconds=17)
        await asyncio.sleep(60)
        assert world.astra.asked.empty()


async def test_an_interval_that_is_shorter_stands_while_a_backup_is_under_way(world: MonitorWorld) -> None:
    """--interval is 15 seconds."""
    async with world.running():
        world.monitor(interval="10s")
        await world.answer(world.taken(1, "running"))
        start = clock()
        await world.answer(world.taken(1, "running"), seconds=20)
        assert 8 < clock() - start < 12


async def test_only_a_selected_backup_under_way_makes_it_read_often(world: MonitorWorld) -> None:
    """Neither another one, nor one that has failed."""
    async with world.running():
        world.monitor(select={"names": ["nightly-1"]})
        await world.answer(world.taken(1, "failed"), world.taken(2, "running"))
        await world.reason("Synced", "Observed")
        await asyncio.sleep(100)
        assert world.astra.asked.empty()


async def test_no_such_app(world: MonitorWorld) -> None:
    """It is asked for again at the interval, and comes back."""
    async with world.running():
        world.monitor(objectives=[DAILY])
        gone = Listed(1, {WHOLE: NotFound("Astra Control has no such app (404).", "c-1")}, None, complete=False)
        await world.end(gone)
        status = await world.reason("Ready", "AppNotFound")
        assert world.cluster.reasons("shop")["Synced"] == "Observed"
        assert "backups" not in status
        await asyncio.sleep(250)
        assert world.astra.asked.empty()
        await world.answer(world.taken(1), seconds=80)
        await world.reason("Ready", "ObjectivesMet")


async def test_an_incomplete_list_changes_nothing(world: MonitorWorld) -> None:
    """Synced says so."""
    async with world.running():
        world.monitor()
        await world.answer(world.taken(1))
        await world.reason("Ready", "ListObserved")
        await world.end(Listed(2, {WHOLE: Failed(SyncReason.LIST_INCOMPLETE, "more", code=200)}, 1), seconds=310)
        status = await world.reason("Synced", "ListIncomplete")
        assert (world.cluster.reasons("shop")["Ready"], status["backups"]["total"]) == ("ListObserved", 1)


async def test_a_single_get_that_shows_a_complete_backup_makes_the_list_due(world: MonitorWorld) -> None:
    """Unless the last list has shown it already."""
    async with world.running():
        world.monitor(interval="1h")
        await world.answer(world.taken(11), world.taken(12, "running"))
        for number in (11, 12):
            world.refs.seen(world.cluster.put(f"ref-{number}", number))
            _, request = await world.astra.next(ID.format(number))
            request.set_result(backup(number, "completed"))
            if number == 12:
                await world.answer(world.taken(11), world.taken(12), seconds=2)
            await asyncio.sleep(3)
            assert world.astra.asked.empty()


@pytest.mark.parametrize("state", ["running", "failed", "removed"])
async def test_a_single_get_that_shows_no_complete_backup_makes_no_list_due(world: MonitorWorld, state: str) -> None:
    """Also where the last list has not shown that."""
    async with world.running():
        world.monitor(interval="1h")
        await world.answer(world.taken(11))
        world.refs.seen(world.cluster.put("ref", 12))
        _, request = await world.astra.next(ID.format(12))
        request.set_result(backup(12, state))
        await world.cluster.until("ref", state=state)
        await asyncio.sleep(5)
        assert world.astra.asked.empty()


async def test_a_complete_backup_is_not_forgotten_while_a_list_is_in_flight(world: MonitorWorld) -> None:
    """That list may be of before."""
    async with world.running():
        world.monitor(interval="100s")
        await world.answer(world.taken(11, "running"))
        world.refs.seen(world.cluster.put("ref", 11))
        _, request = await world.astra.next(ID.format(11))
        _, early = await world.astra.next_within(120)
        request.set_result(backup(11, "completed"))
        await asyncio.sleep(3)
        early.set_result(Listed(1, {WHOLE: Unchanged()}, None))
        await world.answer(world.taken(11), seconds=3)
        await asyncio.sleep(5)
        assert world.astra.asked.empty()
