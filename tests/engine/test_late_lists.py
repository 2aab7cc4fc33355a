"""Lists that take long to compare with a monitor's patterns: delivered first, and judged in time slices afterwards."""

import asyncio
from typing import Any, Final

import pytest

from astra_mirror.core.monitor.listing import ListedBackup
from astra_mirror.core.monitor.selection import is_costly, ordering
from tests.core.monitor.lists import backup, read, spec
from tests.engine.monitor_world import DAILY, MonitorWorld
from tests.engine.service import ERROR

LONG: Final = "a" * 200
PATTERNS: Final = ["*a" * 100 + str(number) for number in range(16)]
"""The last one matches, and each before it is compared up to its last character."""
COSTLY: Final = {"names": PATTERNS}
COUNT: Final = 100


@pytest.fixture
def world() -> MonitorWorld:
    """A mirror at rest."""
    return MonitorWorld()


def _backups(world: MonitorWorld, *, minutes: float = 1.0) -> list[ListedBackup]:
    """The second one counts."""
    first, second, *others = (world.taken(number, minutes=minutes, name=LONG) for number in range(1, COUNT + 1))
    return [first, second._replace(name=LONG + "15"), *others]


def test_what_takes_long_is_divided_into_steps() -> None:
    """One for every few backups; patterns as people write them are compared at once."""
    large = read(*(backup(number, name=LONG) for number in range(1, COUNT + 1)))
    assert is_costly(large, spec(select=COSTLY).select)
    assert len(list(ordering(large, spec(select=COSTLY).select, None))) == COUNT // 16
    usual = [f"nightly-{number}-*" for number in range(16)]
    assert not is_costly(read(*(backup(number) for number in range(1, 2001))), spec(select={"names": usual}).select)
    assert not is_costly(large, None)


async def test_it_is_judged_soon_afterwards(world: MonitorWorld) -> None:
    """And again without being compared, when it has not changed; another list waits again."""
    async with world.running():
        world.monitor(select=COSTLY, objectives=[DAILY], interval="10s")
        world.monitor("other")
        await world.answer(*_backups(world, minutes=58))
        await world.reason("Ready", "ListObserved", "other", seconds=0.1)
        status = await world.reason("Ready", "ObjectivesMet", seconds=3)
        assert (status["backups"]["total"], status["backups"]["selected"]) == (COUNT, 1)
        await world.unchanged(seconds=12)
        await asyncio.sleep(1)
        assert world.cluster.objects["shop"]["status"] == status
        await world.answer(*_backups(world, minutes=70), seconds=12)
        assert world.cluster.objects["shop"]["status"] == status
        await world.reason("Ready", "ObjectiveMissed", seconds=3)


async def test_until_then_nothing_is_known_of_a_new_one(world: MonitorWorld) -> None:
    """It says so, and then what the list says."""
    async with world.running():
        world.informer.not_ready_reason = "not listed yet"
        world.monitor(select=COSTLY)
        await world.answer(*_backups(world))
        await world.reason("Ready", "NotObserved")
        world.informer.not_ready_reason = None
        await world.reason("Ready", "ListObserved", seconds=3)


async def test_a_failure_after_it_has_the_last_word(world: MonitorWorld) -> None:
    """The list before it is not judged any more; the next one is."""
    async with world.running():
        world.informer.not_ready_reason = "not listed yet"
        world.monitor(select=COSTLY, interval="10s")
        await world.answer(*_backups(world))
        await world.end(ERROR, seconds=12)
        await world.reason("Synced", "ServerError")
        world.informer.not_ready_reason = None
        await asyncio.sleep(3)
        assert world.cluster.reasons("shop")["Synced"] == "ServerError"
        await world.answer(*_backups(world), seconds=60)
        await world.reason("Ready", "ListObserved", seconds=3)


async def test_an_edit_after_it_needs_another_list(world: MonitorWorld) -> None:
    """What it would have said was for the patterns of before."""
    async with world.running():
        world.informer.not_ready_reason = "not listed yet"
        world.monitor(select=COSTLY)
        await world.answer(*_backups(world))
        await world.reason("Ready", "NotObserved")
        other: dict[str, Any] = {"names": [each.replace("15", "x") for each in PATTERNS]}
        world.monitor(select=other)
        world.informer.not_ready_reason = None
        await world.answer(*_backups(world))
        status = await world.reason("Ready", "ListObserved", seconds=3)
        assert status["backups"]["selected"] == 0


async def test_refs_are_made_of_it(world: MonitorWorld) -> None:
    """The same round judges it and makes them."""
    async with world.running():
        world.monitor(select=COSTLY, mirror={"newest": 5})
        await world.answer(*_backups(world))
        await world.reason("RefsCurrent", "RefsCurrent", seconds=5)
        assert len(world.api.objects) == 1
