"""Who is asked first after a start, and what a wall clock that is set does: nothing."""

from datetime import UTC, datetime

import pytest

from astra_mirror.core.outcome import Unchanged
from tests.core.cases import ROWS
from tests.engine.world import ID, World, backup


@pytest.fixture
async def world() -> World:
    """A mirror at rest."""
    return World()


async def test_after_a_start_those_without_a_status_come_first(world: World) -> None:
    """Then the running ones, then the settled ones; but an observed one finds out about the token."""
    held = {7: "not-found", 8: "not-found", 9: "running"}
    for number, row in held.items():
        world.entrance.seen(world.cluster.put(f"ref-{number}", number, app=number, **ROWS[row]))
    world.entrance.seen(world.cluster.put("ref-10", 10, app=10))
    async with world.running():
        _, probe = await world.astra.next(ID.format(9))
        probe.set_result(backup(9, "completed"))
        for number in (10, 7, 8):
            _, request = await world.astra.next(ID.format(number))
            request.set_result(backup(number, "completed"))
        await world.cluster.until("ref-10", state="completed")


@pytest.mark.parametrize("year", [1971, 2199])
async def test_a_wall_clock_that_is_set_does_no_harm(world: World, year: int) -> None:
    """Polls go on at their times, nothing grows stale, and nothing is written because of it."""
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7, interval="1s"))
        _, request = await world.astra.next(ID.format(7))
        request.set_result(backup(7, "running"))
        before = dict(await world.cluster.until("ref", state="running"))
        world.utcnow = lambda: datetime(year, 1, 1, tzinfo=UTC)
        for _ in range(2):
            _, request = await world.astra.next(ID.format(7))
            request.set_result(backup(7, "running") if world.astra.known[-1] is None else Unchanged())
    assert world.cluster.objects["ref"]["status"] == before
    assert world.cluster.patches == 1
