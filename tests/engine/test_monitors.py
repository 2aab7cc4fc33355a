"""Monitors in the engine: one request for all of an app, deadlines by the wall clock, due lists."""

import asyncio
from datetime import timedelta

import pytest

from astra_mirror.core.monitor.listing import WHOLE
from astra_mirror.core.outcome import Failed, Listed, NotFound, SyncReason, Unchanged
from tests.engine.monitor_world import DAILY, MonitorWorld
from tests.engine.service import ERROR, UNAUTHORIZED, limited
from tests.engine.world import ID, backup


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


async def test_the_list_is_read_often_while_a_backup_is_under_way(world: MonitorWorld) -> None:
    """At --interval, which is shorter than the monitor's own."""
    async with world.running():
        world.monitor()
        await world.answer(world.taken(1, "running"))
        await world.answer(world.taken(1), seconds=17)
        await asyncio.sleep(60)
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


async def _met(world: MonitorWorld) -> None:
    """An objective that is met for five minutes less than the interval."""
    world.monitor(objectives=[DAILY], interval="1h")
    await world.answer(world.taken(1, minutes=55))
    await world.reason("Ready", "ObjectivesMet")


async def test_at_a_deadline_the_list_is_read_once_more(world: MonitorWorld) -> None:
    """The objective is missed with that answer, and counts as met until then."""
    async with world.running():
        await _met(world)
        await asyncio.sleep(295)
        assert world.astra.asked.empty()
        async with asyncio.timeout(7):
            _, _, request = await world.astra.asked.get()
        await asyncio.sleep(8)
        assert world.cluster.reasons("shop")["ObjectivesMet"] == "ObjectivesMet"
        request.set_result(Listed(1, {WHOLE: Unchanged()}, None))
        await world.reason("ObjectivesMet", "ObjectiveMissed", seconds=2)
        await asyncio.sleep(300)
        assert world.astra.asked.empty()


async def test_the_answer_may_bring_another_backup(world: MonitorWorld) -> None:
    """Then nothing was missed, and there is another deadline."""
    async with world.running():
        await _met(world)
        await asyncio.sleep(295)
        await world.answer(world.taken(1, minutes=60), world.taken(2, minutes=0), seconds=7)
        await asyncio.sleep(5)
        assert world.cluster.reasons("shop")["ObjectivesMet"] == "ObjectivesMet"
        assert world.notes == []


async def test_an_answer_that_was_asked_for_before_the_deadline_decides_nothing(world: MonitorWorld) -> None:
    """It is asked for again, and what the first one says is ignored."""
    async with world.running():
        world.monitor(objectives=[DAILY], interval="298s")
        await world.answer(world.taken(1, minutes=55))
        await world.reason("Ready", "ObjectivesMet")
        _, early = await world.astra.next_within(300)
        await asyncio.sleep(4)
        assert not early.done()
        _, late = await world.astra.next_within(3)
        early.set_result(Listed(1, {WHOLE: Unchanged()}, None))
        await asyncio.sleep(5)
        assert world.cluster.reasons("shop")["ObjectivesMet"] == "ObjectivesMet"
        late.set_result(Listed(1, {WHOLE: Unchanged()}, None))
        await world.reason("ObjectivesMet", "ObjectiveMissed", seconds=2)


async def test_one_request_for_all_monitors_of_an_app(world: MonitorWorld) -> None:
    """Whatever their number, when their deadlines are the same."""
    async with world.running():
        for number in range(5):
            world.monitor(f"shop-{number}", objectives=[DAILY], interval="1h")
        await world.answer(world.taken(1, minutes=55))
        for number in range(5):
            await world.reason("Ready", "ObjectivesMet", f"shop-{number}")
        await asyncio.sleep(295)
        await world.unchanged(seconds=7)
        for number in range(5):
            await world.reason("Ready", "ObjectiveMissed", f"shop-{number}", seconds=2)
        await asyncio.sleep(60)
        assert world.astra.asked.empty()


async def test_an_answer_that_fails_makes_it_unknown(world: MonitorWorld) -> None:
    """Not False: another backup may have completed."""
    async with world.running():
        await _met(world)
        await asyncio.sleep(295)
        await world.end(ERROR, seconds=7)
        await world.reason("ObjectivesMet", "ObservationStale", seconds=2)
        assert world.cluster.reasons("shop")["Ready"] == "ObservationStale"
        await world.unchanged(seconds=3700)
        await world.reason("ObjectivesMet", "ObjectiveMissed", seconds=2)


async def test_a_request_that_has_no_answer_makes_it_unknown(world: MonitorWorld) -> None:
    """After a minute at most."""
    async with world.running():
        await _met(world)
        await asyncio.sleep(295)
        async with asyncio.timeout(7):
            await world.astra.asked.get()
        await asyncio.sleep(57)
        assert world.cluster.reasons("shop")["ObjectivesMet"] == "ObjectivesMet"
        await world.reason("ObjectivesMet", "ObservationStale", seconds=6)


async def test_a_failure_that_lasts_makes_it_unknown_at_the_deadline(world: MonitorWorld) -> None:
    """At once, for a breaker or a pause holds its request back."""
    async with world.running():
        world.monitor(objectives=[DAILY], interval="100s")
        await world.answer(world.taken(1, minutes=55))
        await world.end(UNAUTHORIZED, seconds=120)
        await world.reason("Synced", "Unauthorized")
        assert world.cluster.reasons("shop")["ObjectivesMet"] == "ObjectivesMet"
        await world.reason("ObjectivesMet", "ObservationStale", seconds=200)


async def test_the_wall_clock_rules(world: MonitorWorld) -> None:
    """It is looked at once a second, and may be set."""
    async with world.running():
        await _met(world)
        world.shift = timedelta(minutes=6)
        await world.unchanged(seconds=3)
        await world.reason("ObjectivesMet", "ObjectiveMissed", seconds=2)


async def test_a_suspended_monitor_keeps_no_deadline(world: MonitorWorld) -> None:
    """There is no request, and what was observed stands."""
    async with world.running():
        await _met(world)
        world.monitor(objectives=[DAILY], interval="1h", suspend=True)
        await world.reason("Synced", "Suspended")
        await asyncio.sleep(4000)
        assert world.astra.asked.empty()
        assert world.cluster.reasons("shop")["ObjectivesMet"] == "ObjectivesMet"


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


async def test_after_a_restart_in_an_outage_the_deadline_counts(world: MonitorWorld) -> None:
    """That of the status: the first failure has decided nothing, and the deadline passes later."""
    async with world.running():
        await _met(world)
    status = world.cluster.objects["shop"]
    world = MonitorWorld()
    world.cluster.objects["shop"] = status
    async with world.running({}):
        world.monitors.seen(status)
        for _ in range(9):
            await world.end(ERROR, seconds=400)
            await asyncio.sleep(1)
            if world.cluster.reasons("shop")["ObjectivesMet"] != "ObjectivesMet":
                break
        assert world.cluster.reasons("shop")["ObjectivesMet"] == "ObservationStale"
        assert asyncio.get_running_loop().time() < 320


async def test_an_earlier_failure_alone_decides_nothing_at_a_deadline(world: MonitorWorld) -> None:
    """The list is read once more, and may bring another backup."""
    async with world.running():
        world.monitor(objectives=[DAILY], interval="290s")
        await world.answer(world.taken(1, minutes=55))
        await world.reason("Ready", "ObjectivesMet")
        await world.end(ERROR, seconds=320)
        async with asyncio.timeout(20):
            _, _, request = await world.astra.asked.get()
        await asyncio.sleep(3)
        assert world.cluster.reasons("shop")["ObjectivesMet"] == "ObjectivesMet"
        request.set_result(Listed(1, {WHOLE: Unchanged()}, None))
        await world.reason("ObjectivesMet", "ObjectiveMissed", seconds=2)


async def test_a_retry_after_of_the_list_is_kept_at_a_deadline(world: MonitorWorld) -> None:
    """Whether the objective is met is unknown until then."""
    async with world.running():
        world.monitor(objectives=[DAILY], interval="200s")
        await world.answer(world.taken(1, minutes=55))
        await world.reason("Ready", "ObjectivesMet")
        await world.end(limited(300), seconds=220)
        await world.reason("ObjectivesMet", "ObservationStale", seconds=110)
        assert world.astra.asked.empty()
        await world.unchanged(seconds=310)
        await world.reason("ObjectivesMet", "ObjectiveMissed", seconds=2)


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
