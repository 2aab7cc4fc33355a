"""What follows a list that failed: who is asked for first, who shares what, and that nobody is left behind."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.request_plan import plan
from tests.engine.service import AWAY, ERROR, FORBIDDEN, UNAUTHORIZED, VirtualWorld, limited, play
from tests.engine.world import ID, IDS, World, backup

BROKE = Failed(SyncReason.SERVER_ERROR, "an error")
HANGS = Failed(SyncReason.UNREACHABLE, "no answer")


@pytest.fixture
async def world() -> World:
    """A mirror at rest."""
    return World()


async def test_one_bad_backup_takes_the_others_along_only_once(world: World) -> None:
    """It breaks the list and its own request; the next canary is another ref."""
    for number in range(11, 15):
        world.entrance.seen(world.cluster.put(f"ref-{number}", number, interval="1s"))
    async with world.running():
        for ahead in (11, 12):
            for what in (IDS["appID"], ID.format(ahead)):
                _, request = await world.astra.next(what)
                request.set_result(BROKE)


async def test_after_a_list_that_hung_a_single_request_goes_before_other_lists(world: World) -> None:
    """Each of them may take its whole time-out, and none proves the token: it is part of the same probe."""
    for number in range(11, 23):
        world.entrance.seen(world.cluster.put(f"ref-{number}", number, app=100 + number % 4))
    async with world.running():
        _, request = await world.astra.next(ID.format(103))
        request.set_result(HANGS)
        await world.astra.next(ID.format(11))


async def test_a_list_that_broke_at_once_is_asked_for_again_at_once(world: World) -> None:
    """After one canary request that succeeds; all others wait for the list again."""
    for number in range(11, 15):
        world.entrance.seen(world.cluster.put(f"ref-{number}", number))
    async with world.running():
        for what, answer in (
            (IDS["appID"], BROKE),
            (ID.format(11), backup(11, "running")),
            (IDS["appID"], BROKE),
            (ID.format(12), backup(12, "running")),
            (ID.format(13), backup(13, "running")),
            (ID.format(14), backup(14, "running")),
        ):
            _, request = await world.astra.next(what)
            request.set_result(answer)
        for number in range(11, 15):
            await world.cluster.until(f"ref-{number}", state="running")


async def test_a_defect_while_others_are_planned_anew_loses_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """They are asked for later."""
    defects = [ZeroDivisionError("a bug")]

    def broken(*arguments: Any) -> Any:
        if defects:
            raise defects.pop()
        return plan(*arguments)

    for number in range(11, 15):
        world.entrance.seen(world.cluster.put(f"ref-{number}", number, interval="1s"))
    async with world.running():
        _, request = await world.astra.next(IDS["appID"])
        request.set_result(BROKE)
        _, request = await world.astra.next(ID.format(11))
        monkeypatch.setattr("astra_mirror.engine.planner.plan", broken)
        request.set_result(backup(11, "completed"))
        waiting = {ID.format(number) for number in range(12, 15)}
        while waiting:
            async with asyncio.timeout(10):
                asked, _, request = await world.astra.asked.get()
            waiting.discard(asked)
            request.set_result(BROKE if asked == IDS["appID"] else backup(int(asked[-3:]), "completed"))
        for number in range(11, 15):
            await world.cluster.until(f"ref-{number}", state="completed")
    assert "a bug" in caplog.text


@pytest.mark.parametrize("retry_after", [None, 30, 3600])
@pytest.mark.parametrize("failure", [UNAUTHORIZED, FORBIDDEN, ERROR, limited(None), AWAY])
def test_a_list_that_always_fails_never_holds_the_refs(failure: Failed, retry_after: float | None) -> None:
    """Whatever it says, and for how long: the request for a single backup decides."""
    answer = replace(failure, retry_after=retry_after)

    async def story(world: VirtualWorld) -> None:
        world.service.rule = lambda asked: None if asked.backup else answer
        for number in range(1000, 1020):
            world.ref(number, app=1 + number % 2, interval="15s")
        await asyncio.sleep(10)
        assert world.reasons() == {"Observed": 20}
        for _ in range(1200):
            await asyncio.sleep(1)
            assert world.reasons() == {"Observed": 20}
        since = world.clock() - 600
        assert len(world.service.singles(since)) >= 0.8 * 20 * 600 / 15

    play(story)


@pytest.mark.parametrize(("failure", "most"), [(AWAY, 2), (FORBIDDEN, 11)])
def test_lists_that_fail_together_cost_one_single_request(failure: Failed, most: int) -> None:
    """A server that is away is not asked for each app apart; a 403 concerns an app, of which there are ten."""

    async def story(world: VirtualWorld) -> None:
        for number in range(1000, 1100):
            world.ref(number, app=1 + number % 10, account=1 + number % 5)
        await asyncio.sleep(10)
        assert world.reasons() == {"Observed": 100}
        world.service.log.clear()
        world.service.latency = 5.0
        world.service.rule = lambda _: failure
        await asyncio.sleep(20)
        assert len(world.service.singles()) <= most

    play(story)


def test_a_ref_that_is_edited_while_its_request_decides_for_others_leaves_nobody_behind() -> None:
    """The next list that fails has a request of its own ahead."""

    async def story(world: VirtualWorld) -> None:
        for number in range(1000, 1008):
            world.ref(number, app=1 + number % 2)
        await asyncio.sleep(10)
        world.service.rule = lambda asked: None if asked.backup else ERROR
        world.service.latency = 1.0
        for _ in range(40):
            for number in range(1000, 1008, 2):
                world.ref(number, app=1, interval="15s")
            await asyncio.sleep(0.7)
        world.service.latency = 0.01
        for number in range(1000, 1008):
            world.request(number, "now")
        await asyncio.sleep(5)
        for number in range(1000, 1008):
            await world.cluster.until(f"ref-{number}", lastHandledReconcileAt="now")

    play(story)
