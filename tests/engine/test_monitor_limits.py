"""How often refs are written at most: in a second, in ten minutes, and after a write that was not allowed."""

import asyncio

import pytest

from astra_mirror.core.monitor.ref_results import RefResult
from tests.engine.monitor_world import MonitorWorld
from tests.engine.test_monitor_refs import FORBIDDEN, MIRROR, REFUSED, _current, _next
from tests.engine.world import ID


@pytest.fixture
def world() -> MonitorWorld:
    """A mirror at rest."""
    return MonitorWorld()


async def test_at_most_twenty_writes_a_second(world: MonitorWorld) -> None:
    """For all monitors."""
    async with world.running():
        for app in (2, 3):
            world.monitor(f"shop-{app}", app=app, mirror={"newest": 30})
            backups = [world.taken(app * 100 + number, minutes=number) for number in range(30)]
            await world.answer(
                *(each._replace(id=f"{each.id[-8:]}{each.id[8:]}") for each in backups), app=ID.format(app)
            )
        await asyncio.sleep(8)
        times = [at for verb, _, at in world.api.calls if verb == "create"]
        assert len(times) == 60
        assert all(later - earlier >= 0.99 for earlier, later in zip(times, times[20:], strict=False))


@pytest.mark.parametrize(("newest", "verb", "number"), [(1, "delete", 99), (100, "patch", 100)])
async def test_removals_and_repairs_are_limited_too(world: MonitorWorld, newest: int, verb: str, number: int) -> None:
    """Each counts as one write, though the ref is read before it."""
    async with world.running():
        for each in range(100):
            world.forged("shop", 1000 + each)
        world.monitor(mirror={"newest": newest})
        await world.answer(*(world.taken(1000 + each, minutes=100) for each in range(100)))
        await asyncio.sleep(8)
        times = [at for called, _, at in world.api.calls if called == verb]
        assert len(times) == number
        assert all(later - earlier >= 0.99 for earlier, later in zip(times, times[20:], strict=False))


async def test_each_ref_has_ten_minutes_of_its_own(world: MonitorWorld) -> None:
    """Two that were deleted twice each are made again each time; the third time waits until the first is long ago."""
    async with world.running():
        one, other = await _current(world, interval="1h")
        for name in (one, other, one, other):
            world.remove(name)
            await asyncio.sleep(2)
            assert name in world.api.objects
        await asyncio.sleep(575)
        world.remove(one)
        await asyncio.sleep(10)
        assert one not in world.api.objects
        await asyncio.sleep(20)
        world.remove(other)
        await asyncio.sleep(2)
        assert other in world.api.objects


@pytest.mark.parametrize("failure", [FORBIDDEN, REFUSED])
async def test_what_is_not_allowed_waits_for_a_minute_and_for_a_list(world: MonitorWorld, failure: RefResult) -> None:
    """Neither another round after a minute is enough, nor another list before."""
    async with world.running():
        world.api.fails["create"] = failure
        world.monitor(mirror=MIRROR | {"newest": 1})
        await world.answer(world.taken(1))
        await asyncio.sleep(80)
        # It makes another round necessary.
        world.forged("shop", 77)
        await asyncio.sleep(3)
        assert len(world.api.writes("create")) == 1
        for waited, tried in ((0, 2), (50, 2), (20, 3)):
            await asyncio.sleep(waited)
            await _next(world, world.taken(1))
            await asyncio.sleep(3)
            assert len(world.api.writes("create")) == tried
