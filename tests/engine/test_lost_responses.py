"""A write whose response is lost may have been stored: what it said of transitions counts then."""

import asyncio
import copy

import pytest

from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.write_results import Refused
from tests.engine.world import ID, World, backup
from tests.invariants import check_status


@pytest.mark.parametrize("code", [None, 504])
@pytest.mark.parametrize("is_seen_by_watch", [True, False])
async def test_a_write_without_a_response_that_was_stored_is_the_operators_own(
    code: int | None, *, is_seen_by_watch: bool
) -> None:
    """What it said of transitions counts, whether the watch or a conflict shows that it was stored."""
    world = World()
    failed = Failed(SyncReason.SERVER_ERROR, "Astra Control failed.", code=500)
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7, interval="1s"))
        _, first = await world.astra.next(ID.format(7))
        first.set_result(failed)
        await asyncio.sleep(0.5)
        world.cluster.loses = Refused(code, "Timeout", "no response within 10s")
        _, second = await world.astra.next(ID.format(7))
        second.set_result(backup(7, "running"))
        stored = await world.cluster.until("ref", state="running")
        # Away until it has failed again.
        world.cluster.loses, world.cluster.refuses = None, Refused(None, "", "connection refused")
        observed_at = {each["type"]: each["lastTransitionTime"] for each in stored["conditions"]}
        _, third = await world.astra.next(ID.format(7))
        third.set_result(failed)
        await asyncio.sleep(0.5)
        world.cluster.refuses = None
        if is_seen_by_watch:
            world.entrance.seen(copy.deepcopy(world.cluster.objects["ref"]))
        async with asyncio.timeout(100), world.cluster.changed:
            await world.cluster.changed.wait_for(
                lambda: world.cluster.objects["ref"]["status"]["conditions"] != stored["conditions"]
            )
        status = world.cluster.objects["ref"]["status"]
    synced = next(each for each in status["conditions"] if each["type"] == "Synced")
    assert synced["status"] == "False"
    assert synced["lastTransitionTime"] > observed_at["Synced"]
    check_status(status, generation=1)


@pytest.mark.parametrize("code", [None, 504])
async def test_the_time_of_a_write_without_a_response_stays_though_somebody_has_changed_the_status(
    code: int | None,
) -> None:
    """The watch was silent meanwhile: what the operator sees next is the other client's status."""
    world = World()
    async with world.running():
        await world.observed("ref", 7, "running", interval="30s")
        world.cluster.loses = Refused(code, "Timeout", "no response within 10s")
        _, request = await world.astra.next_within(40)
        request.set_result(backup(7, "completed"))
        stored = await world.cluster.until("ref", state="completed")
        times = {each["type"]: each["lastTransitionTime"] for each in stored["conditions"]}
        world.cluster.loses, world.cluster.refuses = None, Refused(None, "", "connection refused")
        flipped = [each | {"status": "Unknown"} for each in stored["conditions"]]
        lie = world.cluster.edit("ref", conditions=flipped)
        await asyncio.sleep(20)
        world.cluster.refuses = None
        world.entrance.seen(lie)
        async with asyncio.timeout(100), world.cluster.changed:
            await world.cluster.changed.wait_for(
                lambda: world.cluster.objects["ref"]["status"]["conditions"] != flipped
            )
        status = world.cluster.objects["ref"]["status"]
    assert {each["type"]: each["lastTransitionTime"] for each in status["conditions"]} == times
