"""What follows a list that failed: who is asked for first, who shares what, and that nobody is left behind."""

import asyncio
from typing import Any

import pytest

from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.request_plan import plan
from tests.engine.world import ID, IDS, World, backup

ERROR = Failed(SyncReason.SERVER_ERROR, "an error")
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
                request.set_result(ERROR)


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
            (IDS["appID"], ERROR),
            (ID.format(11), backup(11, "running")),
            (IDS["appID"], ERROR),
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
        request.set_result(ERROR)
        _, request = await world.astra.next(ID.format(11))
        monkeypatch.setattr("astra_mirror.engine.planner.plan", broken)
        request.set_result(backup(11, "completed"))
        waiting = {ID.format(number) for number in range(12, 15)}
        while waiting:
            async with asyncio.timeout(10):
                asked, _, request = await world.astra.asked.get()
            waiting.discard(asked)
            request.set_result(ERROR if asked == IDS["appID"] else backup(int(asked[-3:]), "completed"))
        for number in range(11, 15):
            await world.cluster.until(f"ref-{number}", state="completed")
    assert "a bug" in caplog.text
