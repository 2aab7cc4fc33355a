"""The API server is away: no write is tried meanwhile, and everything is written when it is back."""

import asyncio
from typing import Final

import pytest

from astra_mirror.core.write_results import Refused
from tests.engine.world import World
from tests.virtual_time import clock

_OWN: Final = [None, 500, 503, 429]
_OF_ONE_OBJECT: Final = [400, 401, 403, 404, 413, 422]


async def test_nothing_is_written_while_the_api_server_is_away() -> None:
    """And everything within a second of its return, however often it has failed before."""
    world = World()
    async with world.running():
        world.cluster.refuses = Refused(None, "", "no connection")
        for number in range(1000, 1040):
            world.entrance.seen(world.cluster.put(f"ref-{number}", number, account=number))
        await world.answer(range(1000, 1020))
        await asyncio.sleep(5)
        assert world.cluster.availability.suspicions >= 1
        world.cluster.availability.changed.clear()
        # One more attempt may be on its way.
        await asyncio.sleep(120)
        before = world.cluster.patches
        await world.answer(range(1020, 1040))
        await asyncio.sleep(120)
        assert world.cluster.patches == before
        assert world.engine.pending()[0] == 40
        assert world.engine.pending()[1] > 200
        world.cluster.refuses = None
        world.cluster.availability.changed.set()
        await asyncio.sleep(1)
        assert all(each["status"].get("state") == "completed" for each in world.cluster.objects.values())
        assert world.engine.pending() == (0, 0.0)


@pytest.mark.parametrize("seconds", [0, 10])
async def test_its_return_is_noticed_while_all_that_waits_waits_for_a_time(seconds: int) -> None:
    """Writes have been refused for so long that none is tried while the API server is away."""
    world = World()
    async with world.running():
        world.cluster.refuses = Refused(500, "InternalError", "no leader")
        world.entrance.seen(world.cluster.put("ref", 7))
        await world.answer([7])
        await asyncio.sleep(200)
        # Just after an attempt, the next one is a minute away.
        tried = world.cluster.patches
        while world.cluster.patches == tried:  # noqa: ASYNC110 - virtual time leaps
            await asyncio.sleep(0.1)
        world.cluster.refuses = None
        world.cluster.availability.changed.clear()
        await asyncio.sleep(seconds)
        world.cluster.availability.changed.set()
        start = clock()
        await world.cluster.until("ref", state="completed")
        assert clock() - start < 1


async def test_what_hangs_since_before_it_was_away_is_tried_again_at_its_return() -> None:
    """The connection may be dead; nobody waits for its time-out."""
    world = World()
    async with world.running():
        world.cluster.hangs = {"ns"}
        world.entrance.seen(world.cluster.put("ref", 7))
        await world.answer([7])
        await asyncio.sleep(2)
        assert world.cluster.availability.suspicions == 1
        world.cluster.availability.changed.clear()
        await asyncio.sleep(3)
        world.cluster.hangs = set()
        world.cluster.availability.changed.set()
        start = clock()
        await world.cluster.until("ref", state="completed")
        assert clock() - start < 2


@pytest.mark.parametrize(
    ("code", "suspicions"), [*((each, 1) for each in _OWN), *((each, 0) for each in _OF_ONE_OBJECT)]
)
async def test_failures_that_may_be_the_api_servers_own_are_looked_into(code: int | None, suspicions: int) -> None:
    """The probe of the operator's own decides what they are; the refusal of one object is no sign of them."""
    world = World()
    world.cluster.refuses = Refused(code, "", "no")
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7))
        await world.answer([7])
        await asyncio.sleep(0.5)
    assert world.cluster.availability.suspicions == suspicions
