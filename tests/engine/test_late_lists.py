"""Lists that take long to compare with a monitor's patterns: delivered first, and judged in time slices afterwards."""

import asyncio
from typing import Any, Final

import pytest

from astra_mirror.core.monitor.listing import ListedBackup
from astra_mirror.core.monitor.memory import Later, remembering
from astra_mirror.core.monitor.report import NoAnswerInTime
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
    large = read(*(backup(number, name=LONG) for number in range(1, 10 * COUNT + 1)))
    assert is_costly(large, spec(select=COSTLY).select)
    assert len(list(ordering(large, spec(select=COSTLY).select, None))) > 50
    usual = [f"nightly-{number}-*" for number in range(16)]
    assert not is_costly(read(*(backup(number) for number in range(1, 2001))), spec(select={"names": usual}).select)
    assert not is_costly(large, None)
    # Few wildcards may be enough: a part is compared at each place of a name.
    parts = read(*(backup(number, name="a" * 1000) for number in range(100)))
    assert is_costly(parts, spec(select={"names": ["*" + "a" * 250 + "b*"]}).select)


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


async def test_a_new_leader_judges_no_list_that_it_read_when_it_led_before(world: MonitorWorld) -> None:
    """Another process may have seen later ones."""
    async with world.running():
        world.informer.not_ready_reason = "not listed yet"
        world.monitor(select=COSTLY, objectives=[DAILY])
        await world.answer(*_backups(world, minutes=70))
        await world.reason("Ready", "NotObserved")
    world.informer.not_ready_reason = None
    async with world.running({}):
        await asyncio.sleep(5)
        assert world.cluster.reasons("shop")["Ready"] == "NotObserved"
        await world.answer(*_backups(world))
        await world.reason("Ready", "ObjectivesMet", seconds=3)


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


async def test_it_is_polled_soon_where_a_backup_is_under_way(world: MonitorWorld) -> None:
    """That is known only when the list has been judged."""
    async with world.running():
        world.monitor(select=COSTLY, interval="1h")
        first, second, *others = _backups(world)
        await world.answer(first, second._replace(state="running"), *others)
        await world.reason("Ready", "ListObserved", seconds=3)
        await world.answer(*_backups(world), seconds=20)


def test_a_deadline_without_an_answer_does_not_throw_it_away() -> None:
    """What the list says is known a moment later."""
    select = spec(select=COSTLY).select
    large = read(*(backup(number, name=LONG) for number in range(1, 10 * COUNT + 1)))
    put_off = remembering(None, None, None, is_suspended=False).putting_off(large, None, has_new_secret=True)
    after = remembering(put_off, NoAnswerInTime(), select, is_suspended=False)
    assert after.later is put_off.later
    assert after.putting_off(large, "now", has_new_secret=False).later == Later(large, "now", has_new_secret=True)
    assert remembering(put_off, ERROR, select, is_suspended=False).later is None
