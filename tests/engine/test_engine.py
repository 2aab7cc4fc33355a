"""The engine's promises that need a moment to be caught in the act: an answer, an edit and a watch at the same time."""

import asyncio
import copy
from typing import Any

import pytest

from astra_mirror.api.meta import REQUESTED_AT, Names
from astra_mirror.core.outcome import Failed, Listed, Observed, SyncReason, Unchanged
from astra_mirror.core.write_results import Refused
from tests.engine.world import ID, IDS, NEW, OLD, World, backup


@pytest.fixture
async def world() -> World:
    """A mirror at rest."""
    return World()


async def test_a_secret_that_changes_during_a_poll_discards_its_answer(world: World) -> None:
    """What the old token was told says nothing; the new one is tried at once."""
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7))
        connection, old = await world.astra.next(ID.format(7))
        assert connection == OLD
        world.secrets.now = NEW
        world.engine.secret_changed("ns", "astra-control")
        connection, new = await world.astra.next(ID.format(7))
        assert connection == NEW
        old.set_result(Failed(SyncReason.UNAUTHORIZED, "no"))
        new.set_result(backup(7, "completed"))
        status = await world.cluster.until("ref", state="completed")
    assert {each["reason"] for each in status["conditions"]} == {"BackupCompleted", "Observed"}
    assert world.cluster.patches == 1
    assert world.astra.namespaces == ["ns", "ns"]


async def test_an_edit_during_a_poll_starts_the_right_one_at_once(world: World) -> None:
    """The answer for the old backup is nobody's."""
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7))
        _, old = await world.astra.next(ID.format(7))
        world.entrance.seen(world.cluster.put("ref", 8))
        old.set_result(backup(7, "failed"))
        _, new = await world.astra.next(ID.format(8))
        new.set_result(backup(8, "completed"))
        status = await world.cluster.until("ref", state="completed")
    assert status["observedGeneration"] == 2


async def test_a_standby_takes_over_with_the_statuses_of_now(world: World) -> None:
    """Not with those that it saw when it started: a failing remote must not erase what the other one has written."""
    world.entrance.seen(world.cluster.put("ref", 7))
    leader = World()
    leader.cluster.objects, leader.cluster.versions = world.cluster.objects, world.cluster.versions
    async with leader.running():
        leader.entrance.seen(copy.deepcopy(world.cluster.objects["ref"]))
        _, request = await leader.astra.next(ID.format(7))
        request.set_result(backup(7, "completed"))
        await leader.cluster.until("ref", state="completed")
    world.entrance.seen(copy.deepcopy(world.cluster.objects["ref"]))
    async with world.running():
        _, request = await world.astra.next(ID.format(7))
        request.set_result(Failed(SyncReason.SERVER_ERROR, "no"))
        async with asyncio.timeout(10), world.cluster.changed:
            await world.cluster.changed.wait()
    status = world.cluster.objects["ref"]["status"]
    conditions = {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]}
    assert status["state"] == "completed"
    assert conditions["Ready"] == ("True", "BackupCompleted")
    assert conditions["Synced"] == ("False", "ServerError")


async def test_a_list_that_was_sent_before_a_single_request_is_not_newer(world: World) -> None:
    """An answer that comes late must not bring back an older state."""
    numbers = {"a": 7, "b": 8, "c": 9}
    running = {ID.format(number): backup(number, "running") for number in numbers.values()}
    async with world.running():
        for name, number in numbers.items():
            world.entrance.seen(world.cluster.put(name, number))
        _, first = await world.astra.next(IDS["appID"])
        first.set_result(Listed(1, running, 3))
        await world.cluster.until("c", state="running")
        for name in ("a", "c"):
            world.entrance.seen(world.cluster.put(name, numbers[name]))
        _, late = await world.astra.next(IDS["appID"])
        await asyncio.sleep(0.1)
        world.entrance.seen(world.cluster.put("b", 8))
        _, single = await world.astra.next(ID.format(8))
        single.set_result(backup(8, "completed"))
        await world.cluster.until("b", state="completed")
        late.set_result(Listed(2, running | {ID.format(9): backup(9, "failed")}, 3))
        await world.cluster.until("c", state="failed")
    assert world.cluster.objects["b"]["status"]["state"] == "completed"


async def test_a_deleted_ref_stays_deleted(world: World) -> None:
    """The answer to a PATCH may come after the watch has said that the object is gone."""
    async with world.running():
        body = world.cluster.put("ref", 7)
        world.entrance.seen(body)
        _, request = await world.astra.next(ID.format(7))
        world.entrance.deleted("ref", "ns")
        request.set_result(backup(7, "completed"))
        world.entrance.seen(world.cluster.put("witness", 8))
        _, request = await world.astra.next(ID.format(8))
        request.set_result(backup(8, "completed"))
        await world.cluster.until("witness", state="completed")
    assert world.entrance.objects().keys() == {"witness"}
    assert world.cluster.patches == 1


async def test_versions_that_went_back_are_accepted_from_a_list(world: World) -> None:
    """As after an etcd that was restored from a backup."""
    body = world.cluster.put("ref", 7)
    body["metadata"]["resourceVersion"] = "1000"
    async with world.running():
        world.entrance.seen(body)
        _, request = await world.astra.next(ID.format(7))
        request.set_result(backup(7, "completed"))
        await world.cluster.until("ref", state="completed")


async def test_an_api_server_that_refuses_is_not_asked_more_and_more(world: World) -> None:
    """However often the status changes meanwhile, there is one attempt at a time, and each waits longer."""
    world.cluster.refuses = Refused(422, "Invalid", "no")
    async with world.running():
        for number in range(7, 20):
            world.entrance.seen(world.cluster.put("ref", number))
            _, request = await world.astra.next(ID.format(number))
            request.set_result(backup(number, "completed"))
    # The first attempt, and one at once after it.
    assert world.cluster.patches <= 2


async def test_an_answer_that_comes_with_an_edit_is_nobodys(world: World) -> None:
    """Not even when it is taken before the new poll has been planned."""
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7))
        _, old = await world.astra.next(ID.format(7))
        old.set_result(backup(7, "failed"))
        world.entrance.seen(world.cluster.put("ref", 8))
        _, new = await world.astra.next(ID.format(8))
        new.set_result(backup(8, "completed"))
        await world.cluster.until("ref", state="completed", observedGeneration=2)
    assert world.cluster.patches == 1


async def test_a_poll_that_is_asked_for_during_another_is_echoed(world: World) -> None:
    """Also when the second answer is the first one again, byte for byte."""
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7))
        _, first = await world.astra.next(ID.format(7))
        await asyncio.sleep(0.1)
        metadata = world.cluster.objects["ref"]["metadata"]
        metadata |= {"annotations": {REQUESTED_AT: "now"}, "resourceVersion": str(next(world.cluster.versions))}
        world.entrance.seen(copy.deepcopy(world.cluster.objects["ref"]))
        first.set_result(backup(7, "completed"))
        _, second = await world.astra.next(ID.format(7))
        second.set_result(Unchanged() if world.astra.known[-1] is not None else backup(7, "completed"))
        await world.cluster.until("ref", state="completed", lastHandledReconcileAt="now")


async def test_a_defect_with_one_ref_of_a_list_stops_no_other(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Each of them is asked for apart; the one with the defect is tried again as well."""
    broken = Observed(None)  # type: ignore[arg-type]
    async with world.running():
        for number in (7, 8, 9):
            world.entrance.seen(world.cluster.put(f"ref-{number}", number, interval="1s"))
        _, request = await world.astra.next(IDS["appID"])
        request.set_result(Listed(1, {ID.format(7): broken} | dict.fromkeys(map(ID.format, (8, 9)), broken), 3))
        for _ in range(3):
            async with asyncio.timeout(10):
                asked, _, request = await world.astra.asked.get()
            request.set_result(backup(int(asked[-3:]), "completed"))
        for number in (7, 8, 9):
            await world.cluster.until(f"ref-{number}", state="completed")
    assert "unexpected error" in caplog.text


async def test_a_defect_in_writing_stops_no_other(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The one with the defect is tried again."""
    patch, defects = world.cluster.patch, [ZeroDivisionError("a bug")]

    async def broken(names: Names, *where: str, **options: Any) -> Any:
        if where[1] == "bad" and defects:
            raise defects.pop()
        return await patch(names, *where, **options)

    world.cluster.patch = broken  # type: ignore[method-assign]
    async with world.running():
        for name, number in (("bad", 7), ("good", 8)):
            world.entrance.seen(world.cluster.put(name, number, app=number))
            _, request = await world.astra.next(ID.format(number))
            request.set_result(backup(number, "completed"))
        await world.cluster.until("good", state="completed")
        await world.cluster.until("bad", state="completed")
    assert "a bug" in caplog.text
