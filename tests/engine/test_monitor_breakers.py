"""The circuit breakers among the lists of monitors, beside which no ref of their apps is there."""

import asyncio
import itertools
from itertools import pairwise
from typing import Any

import pytest

from astra_mirror.core.circuit import State
from astra_mirror.core.monitor.listing import WholeList
from astra_mirror.core.outcome import WHOLE, Failed, Listed
from tests.engine.monitor_world import MonitorWorld
from tests.engine.service import FORBIDDEN, UNAUTHORIZED, limited
from tests.engine.world import ID, backup


@pytest.fixture
def world() -> MonitorWorld:
    """A mirror at rest, with ten monitors of as many apps."""
    return MonitorWorld()


def _monitors(world: MonitorWorld, number: int = 10) -> None:
    for app in range(100, 100 + number):
        world.monitor(f"shop-{app}", app=app, interval="10s")


async def test_a_refused_token_costs_one_request_a_minute(world: MonitorWorld) -> None:
    """Not one for each monitor; all of them show it, and a good answer ends it for all."""
    async with world.running():
        _monitors(world)
        _, request = await world.astra.next_within(5)
        await asyncio.sleep(0.5)
        assert world.astra.asked.empty(), "nothing is proven: one request at a time"
        request.set_result(UNAUTHORIZED)
        asked = 1
        for app in range(100, 110):
            await world.reason("Synced", "Unauthorized", f"shop-{app}", seconds=20)
        assert world.engine.connections() == {State.OPEN: 1}
        for _ in range(5):
            _, request = await world.astra.next_within(70)
            request.set_result(UNAUTHORIZED)
            asked += 1
        assert asyncio.get_running_loop().time() > 200
        _, request = await world.astra.next_within(70)
        request.set_result(Listed(1, {WHOLE: WholeList(0, (), digest=1)}, 0))
        for _ in range(9):
            _, request = await world.astra.next_within(10)
            request.set_result(Listed(1, {WHOLE: WholeList(0, (), digest=1)}, 0))


async def test_a_refused_list_opens_nothing_for_refs(world: MonitorWorld) -> None:
    """Their single GETs go on."""
    async with world.running():
        _monitors(world, 1)
        _, request = await world.astra.next_within(5)
        request.set_result(UNAUTHORIZED)
        await world.reason("Synced", "Unauthorized", "shop-100")
        world.refs.seen(world.cluster.put("ref", 11))
        _, request = await world.astra.next(ID.format(11))
        request.set_result(backup(11, "completed"))
        await world.cluster.until("ref", state="completed")


async def test_a_refused_list_that_a_ref_waits_for_holds_no_other_monitor(world: MonitorWorld) -> None:
    """The ref's single GET tells more: that the token is valid."""
    async with world.running():
        world.refs.seen(world.cluster.put("ref", 11))
        world.monitor()
        await world.end(UNAUTHORIZED)
        _, request = await world.astra.next(ID.format(11))
        request.set_result(backup(11, "completed"))
        await world.cluster.until("ref", state="completed")
        _monitors(world, 1)
        _, request = await world.astra.next(ID.format(100))
        request.set_result(Listed(1, {WHOLE: WholeList(0, (), digest=1)}, 0))
        await world.reason("Synced", "Observed", "shop-100")
        assert world.cluster.reasons("shop")["Synced"] == "Unauthorized"


async def test_a_forbidden_list_concerns_its_app(world: MonitorWorld) -> None:
    """The other monitors are read on; the app's list is probed once a minute."""
    async with world.running():
        _monitors(world, 2)
        _, request = await world.astra.next_within(5)
        request.set_result(FORBIDDEN)
        _, request = await world.astra.next_within(5)
        request.set_result(Listed(1, {WHOLE: WholeList(0, (), digest=1)}, 0))
        await world.reason("Synced", "Forbidden", "shop-100")
        await world.reason("Synced", "Observed", "shop-101")
        probed = list[float]()
        while len(probed) < 3:
            async with asyncio.timeout(80):
                asked, _, request = await world.astra.asked.get()
            if asked == ID.format(100):
                probed.append(asyncio.get_running_loop().time())
                request.set_result(FORBIDDEN)
            else:
                request.set_result(Listed(1, {WHOLE: WholeList(0, (), digest=1)}, 0))
        assert all(55 < later - earlier < 75 for earlier, later in pairwise(probed))


async def _refused_ref(world: MonitorWorld, failure: Failed = UNAUTHORIZED) -> None:
    """A ref whose failure holds the lists of ten monitors back."""
    world.refs.seen(world.cluster.put("ref", 11))
    _, request = await world.astra.next(ID.format(11))
    request.set_result(failure)
    await asyncio.sleep(1)
    _monitors(world)
    for app in range(100, 110):
        await world.reason("Synced", failure.reason, f"shop-{app}", seconds=20)


async def _single_get(world: MonitorWorld) -> asyncio.Future[Any]:
    """The next request, which comes about a minute after the last one, and is for the ref's backup."""
    before = asyncio.get_running_loop().time()
    async with asyncio.timeout(70):
        asked, _, request = await world.astra.asked.get()
    assert (asked, asyncio.get_running_loop().time() - before > 50) == (ID.format(11), True)
    return request


async def test_while_a_ref_waits_its_single_get_is_the_probe_for_the_lists_too(world: MonitorWorld) -> None:
    """One request a minute in all; when it succeeds, all lists are read."""
    async with world.running():
        await _refused_ref(world)
        for _ in range(4):
            request = await _single_get(world)
            request.set_result(UNAUTHORIZED)
        request = await _single_get(world)
        request.set_result(backup(11, "running"))
        for _ in range(10):
            _, request = await world.astra.next_within(10)
            request.set_result(Listed(1, {WHOLE: WholeList(0, (), digest=1)}, 0))


async def test_lists_without_a_ref_left_cost_one_request_a_minute(world: MonitorWorld) -> None:
    """Not one for each of the lists that are held back."""
    async with world.running():
        await _refused_ref(world)
        world.cluster.objects.pop("ref")
        world.refs.deleted("ref", "ns")
        times = []
        for _ in range(5):
            _, request = await world.astra.next_within(130)
            request.set_result(UNAUTHORIZED)
            times.append(asyncio.get_running_loop().time())
        assert all(later - earlier > 55 for earlier, later in itertools.pairwise(times))


async def test_after_a_pause_a_list_that_fails_is_followed_by_no_other(world: MonitorWorld) -> None:
    """It says nothing about the pause, but it must not be tried once for each monitor."""
    async with world.running():
        await _refused_ref(world, limited(30))
        world.cluster.objects.pop("ref")
        world.refs.deleted("ref", "ns")
        _, request = await world.astra.next_within(40)
        await asyncio.sleep(1)
        assert world.astra.asked.empty()
        request.set_result(UNAUTHORIZED)
        await asyncio.sleep(50)
        assert world.astra.asked.empty()
