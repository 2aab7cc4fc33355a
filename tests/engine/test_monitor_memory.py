"""What is kept of the lists: who gives way when there is no memory left, and that nothing is kept for ever."""

import asyncio
import gc
import weakref
from typing import Any

import pytest

from astra_mirror.core.monitor.kept import KEPT_BYTES
from astra_mirror.core.monitor.listing import ListedBackup, WholeList
from astra_mirror.core.outcome import WHOLE, Failed, Known, Listed, Unchanged
from astra_mirror.engine.monitors.attempts import Attempts
from tests.engine.monitor_world import DAILY, MonitorWorld
from tests.engine.service import ERROR


@pytest.fixture
def world() -> MonitorWorld:
    """A mirror at rest."""
    return MonitorWorld()


def _listed(*backups: ListedBackup, size: int) -> Listed:
    whole = WholeList(len(backups), backups, size, digest=hash(backups))
    return Listed(whole.digest, {WHOLE: whole}, len(backups))


async def test_the_namespace_with_too_much_gives_way(world: MonitorWorld) -> None:
    """Its monitor says so, and keeps its status; another namespace's list is read, however little is left."""
    async with world.running():
        world.monitor("greedy", namespace="greedy", objectives=[DAILY])
        await world.end(_listed(world.taken(1), size=KEPT_BYTES))
        await world.reason("Ready", "ObjectivesMet", "greedy")
        await asyncio.sleep(10)
        world.monitor("modest", app=3, namespace="modest")
        _, _, request = await world.astra.asked.get()
        request.set_result(_listed(world.taken(2), size=KEPT_BYTES // 10))
        await world.reason("Ready", "ListObserved", "modest")
        await world.end(Listed(0, {WHOLE: Unchanged()}, None), seconds=310)
        status = await world.reason("Synced", "UnexpectedResponse", "greedy")
        assert world.cluster.reasons("greedy")["Ready"] == "ObjectivesMet"
        assert status["backups"]["total"] == 1


async def test_a_list_that_was_not_kept_is_parsed_again(world: MonitorWorld) -> None:
    """Though it has not changed: there is nothing to be judged otherwise."""
    asked = list[int | None]()
    listing = world.astra.list_backups

    async def noted(connection: Any, collection: Any, known: Known, *, namespace: str) -> Listed | Failed:
        asked.append(known.documents.get(WHOLE))
        return await listing(connection, collection, known, namespace=namespace)

    world.astra.list_backups = noted  # type: ignore[method-assign]
    async with world.running():
        world.monitor(interval="10s")
        await world.end(_listed(world.taken(1), size=100))
        await world.reason("Ready", "ListObserved")
        await world.end(_listed(world.taken(1), size=KEPT_BYTES + 1), seconds=20)
        await world.reason("Synced", "UnexpectedResponse")
        await world.end(_listed(world.taken(1), size=100), seconds=60)
        await world.reason("Synced", "Observed")
        await world.unchanged(seconds=20)
    assert asked[0] is None
    assert asked[1] is not None
    assert asked[2] is None
    assert asked[3] is not None


@pytest.mark.parametrize("ends", ["deleted", "edited"])
async def test_what_is_kept_goes_with_its_monitor(world: MonitorWorld, ends: str) -> None:
    """Also if this process has not led since."""
    async with world.running():
        world.monitor(mirror={"newest": 1})
        listed = _listed(world.taken(1), size=100)
        old = weakref.ref(listed.found[WHOLE])
        await world.end(listed)
        del listed
        await world.reason("RefsCurrent", "RefsCurrent")
    async with world.running():
        _, request = await world.astra.next_within(5)
        if ends == "deleted":
            world.monitors.deleted("shop", "ns")
        else:
            world.monitor(app=3, mirror={"newest": 1})
        request.set_result(ERROR)
        await asyncio.sleep(5)
        gc.collect()
        assert old() is None


async def test_what_rounds_have_noted_goes_with_a_monitor_that_was_deleted_while_another_process_led(
    world: MonitorWorld,
) -> None:
    """Each round notes which refs were made, and when."""
    async with world.running():
        world.monitor(mirror={"newest": 1})
        await world.answer(world.taken(1))
        await world.reason("RefsCurrent", "RefsCurrent")
        assert _noted()
    world.monitors.deleted("shop", "ns")
    async with world.running({}):
        await asyncio.sleep(2)
        assert not _noted()


def _noted() -> list[Attempts]:
    gc.collect()
    return [each for each in gc.get_objects() if isinstance(each, Attempts)]
