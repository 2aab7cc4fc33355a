"""An answer for thousands of refs is fanned out in time slices, and state may change between two slices."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from astra_mirror.api.meta import Names
from astra_mirror.core.outcome import Failed, Listed, SyncReason
from astra_mirror.core.write_results import Conflict, Gone, Refused, Stored
from astra_mirror.engine import result_handler
from astra_mirror.engine.effects import Step
from astra_mirror.engine.state.tracked import Tracked
from tests.engine.service import FORBIDDEN, VirtualWorld, play
from tests.engine.world import ID, IDS, NEW, World, backup
from tests.virtual_time import virtual_loop

NUMBERS = range(100, 130)


@pytest.fixture
async def world() -> World:
    """A world whose clock a test slows down: from then on each ref takes longer than a time slice."""
    return World()


def _slow_down() -> None:
    virtual_loop().seconds_a_look = 0.006


async def test_an_edit_between_two_pieces_of_a_list_is_answered_for_itself(world: World) -> None:
    """The list has nothing for a ref that names another backup, or another app, only now."""
    listed = {ID.format(number): backup(number, "running") for number in NUMBERS}
    store, last = world.cluster.patch, f"ref-{NUMBERS[-1]}"

    async def patch_and_edit(
        names: Names, namespace: str, name: str, *, uid: str, version: str, patch: Mapping[str, Any]
    ) -> Stored | Gone | Conflict | Refused:
        if name == f"ref-{NUMBERS[0]}":
            assert "state" not in world.cluster.objects[last]["status"]
            # Another app, whose backup happens to be in the list as well.
            body = world.cluster.put(last, NUMBERS[1])
            body["spec"]["appID"] = world.cluster.objects[last]["spec"]["appID"] = ID.format(3)
            world.entrance.seen(body)
            virtual_loop().seconds_a_look = 0.0
        return await store(names, namespace, name, uid=uid, version=version, patch=patch)

    world.cluster.patch = patch_and_edit  # type: ignore[method-assign]
    async with world.running():
        for number in NUMBERS:
            world.entrance.seen(world.cluster.put(f"ref-{number}", number))
        _, request = await world.astra.next(IDS["appID"])
        _slow_down()
        request.set_result(Listed(1, listed, len(listed)))
        _, single = await world.astra.next(ID.format(NUMBERS[1]))
        single.set_result(backup(NUMBERS[1], "failed"))
        await world.cluster.until(last, state="failed", observedGeneration=2, seconds=100)
        for number in NUMBERS[:-1]:
            await world.cluster.until(f"ref-{number}", state="running", seconds=100)


async def test_a_secret_that_changes_while_a_refusal_is_told_counts_for_all(world: World) -> None:
    """Nobody is left with the old token's failure, nor waits for the time that it had set."""
    async with world.running():
        world.entrance.seen(world.cluster.put("ref-7", 7))
        _, probe = await world.astra.next(ID.format(7))
        # While the first request finds out about the token, these wait.
        for number in NUMBERS:
            world.entrance.seen(world.cluster.put(f"ref-{number}", number, app=number))
        await asyncio.sleep(1)
        _slow_down()
        probe.set_result(Failed(SyncReason.UNAUTHORIZED, "no"))
        await world.cluster.until("ref-7", observedGeneration=1, seconds=100)
        # Not all have been told.
        assert world.cluster.objects[f"ref-{NUMBERS[-1]}"]["status"]["observedGeneration"] == -1
        world.secrets.now = NEW
        world.engine.secret_changed("ns", "astra-control")
        virtual_loop().seconds_a_look = 0.0
        for _ in (7, *NUMBERS):
            async with asyncio.timeout(100):
                asked, connection, request = await world.astra.asked.get()
            assert connection == NEW
            request.set_result(backup(int(asked[-3:]), "completed"))
        for number in (7, *NUMBERS):
            status = await world.cluster.until(f"ref-{number}", state="completed", seconds=100)
            assert all(each["reason"] != "Unauthorized" for each in status["conditions"])


async def test_a_changed_secret_is_taken_up_in_pieces(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of refs may use it; one that is deleted meanwhile is not taken up."""
    taken_up = dict[str, int]()

    def secret_changed(
        tracked: Tracked, at: float, now: float, _secret_changed: Any = result_handler.secret_changed
    ) -> Step:
        if not taken_up:
            world.entrance.deleted(f"ref-{NUMBERS[-1]}", "ns")
        taken_up[tracked.identity.name] = virtual_loop().passes
        step: Step = _secret_changed(tracked, at, now)
        return step

    async with world.running():
        for number in NUMBERS:
            world.entrance.seen(world.cluster.put(f"ref-{number}", number))
        _, request = await world.astra.next(IDS["appID"])
        request.set_result(Listed(1, {ID.format(each): backup(each, "running") for each in NUMBERS}, len(NUMBERS)))
        for number in NUMBERS:
            await world.cluster.until(f"ref-{number}", state="running", seconds=100)
        monkeypatch.setattr(result_handler, "secret_changed", secret_changed)
        _slow_down()
        world.secrets.now = NEW
        world.engine.secret_changed("ns", "astra-control")
        assert not taken_up
        connection, request = await world.astra.next(IDS["appID"])
        assert connection == NEW
        request.set_result(Listed(2, {ID.format(each): backup(each, "completed") for each in NUMBERS}, len(NUMBERS)))
        for number in NUMBERS[:-1]:
            await world.cluster.until(f"ref-{number}", state="completed", seconds=100)
    assert set(taken_up) == {f"ref-{number}" for number in NUMBERS[:-1]}
    assert len(set(taken_up.values())) == len(taken_up)


async def test_leading_begins_in_pieces(world: World) -> None:
    """Refs whose spec cannot be read have a status from then on, each of which takes its time to compute."""
    for number in NUMBERS:
        body = world.cluster.put(f"ref-{number}", number)
        body["spec"]["interval"] = []
        world.entrance.seen(body)
    taking_in = asyncio.create_task(world.engine.take_in())
    await asyncio.sleep(0.01)
    taking_in.cancel()
    deleted, edited = f"ref-{NUMBERS[-1]}", f"ref-{NUMBERS[-2]}"
    _slow_down()
    async with world.running():
        await asyncio.sleep(0.1)
        assert 0 < world.engine.pending()[0] < 20
        world.entrance.deleted(deleted, "ns")
        del world.cluster.objects[deleted]
        world.entrance.seen(world.cluster.put(edited, 7))
        _, request = await world.astra.next(ID.format(7))
        request.set_result(backup(7, "running"))
        await world.cluster.until(edited, state="running", seconds=100)
        for number in NUMBERS[:-2]:
            await world.cluster.until(f"ref-{number}", observedGeneration=1, seconds=100)


def test_what_changes_while_thousands_are_planned_counts() -> None:
    """Between two refs one is deleted, one suspended and one edited: nothing is asked of who is not there any more."""

    async def story(world: VirtualWorld) -> None:
        world.service.rule = lambda asked: None if asked.backup else FORBIDDEN
        world.refs(300)
        await asyncio.sleep(30)
        world.engine.secret_changed("ns", "astra-control")
        world.service.log.clear()
        # Each ref takes longer than a time slice, and so does each of these steps.
        virtual_loop().seconds_a_look = 0.006
        for number in range(1200, 1290, 3):
            await asyncio.sleep(0.006)
            world.entrance.deleted(f"ref-{number}", "ns")
            world.ref(number + 1, suspend=True)
            world.ref(number + 2, account=2)
        virtual_loop().seconds_a_look = 0.0
        await asyncio.sleep(10)
        gone = {ID.format(number) for number in range(1200, 1290, 3)}
        edited = {ID.format(number + 2) for number in range(1200, 1290, 3)}
        # At most the request that was under way already.
        assert sum(each.backup in gone for each in world.service.log) <= 15
        asked_anew = {each.backup for each in world.service.log if each.account == ID.format(2)}
        assert asked_anew == edited
        assert world.reasons()["Suspended"] == 30

    play(story)
