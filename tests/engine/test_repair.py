"""What somebody else does to a status is put right, at a pace that a second writer cannot turn into a burden."""

import asyncio
import copy
from typing import Any

import pytest

from astra_mirror.api.meta import Names
from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.write_results import Refused
from tests.core.cases import ROWS
from tests.engine.world import ID, World, backup
from tests.invariants import check_status
from tests.virtual_time import clock


def _world() -> World:
    return World()


def _lie(held: dict[str, Any], **fields: str) -> list[dict[str, Any]]:
    """The conditions, with Ready as somebody else would like it."""
    return [each | fields if each["type"] == "Ready" else each for each in held["conditions"]]


CUSTOM: dict[str, Any] = {
    "type": "Custom",
    "status": "True",
    "reason": "Mine",
    "message": "m",
    "lastTransitionTime": "2001-01-01T00:00:00Z",
}
STALLED = CUSTOM | {"type": "Stalled"}
LIES: list[Any] = [
    pytest.param(lambda _: {"state": "failed"}, id="a field"),
    pytest.param(lambda _: {"state": None}, id="a field gone"),
    pytest.param(lambda _: {"stateUnready": ["because"]}, id="a field too many"),
    pytest.param(lambda status: {"conditions": _lie(status, status="False")}, id="a condition's status"),
    pytest.param(lambda status: {"conditions": _lie(status, reason="Nonsense")}, id="a reason"),
    pytest.param(lambda status: {"conditions": _lie(status, message="Lies.")}, id="a message"),
    pytest.param(lambda status: {"conditions": _lie(status, lastTransitionTime="2001-01-01T00:00:00Z")}, id="a time"),
    pytest.param(lambda status: {"conditions": status["conditions"][1:]}, id="a condition gone"),
    pytest.param(lambda status: {"conditions": [*status["conditions"], CUSTOM]}, id="a condition of another type"),
    pytest.param(lambda status: {"conditions": [*status["conditions"], STALLED]}, id="a contradiction"),
    pytest.param(lambda _: {"observedGeneration": 7}, id="a generation"),
    pytest.param(lambda _: {"target": None}, id="the target gone"),
    pytest.param(lambda _: {"lastHandledReconcileAt": "never"}, id="an echo"),
    pytest.param(lambda status: dict.fromkeys(status) | {"observedGeneration": -1}, id="everything"),
]


@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_is_put_right_at_once_and_without_a_request(lie: Any) -> None:
    """With the operator's own texts and times, whatever stood there meanwhile."""
    world = _world()
    async with world.running():
        before = copy.deepcopy(await world.observed("ref", 7))
        await asyncio.sleep(100)
        world.entrance.seen(world.cluster.edit("ref", **lie(before)))
        await asyncio.sleep(0.1)
        assert world.cluster.objects["ref"]["status"] == before
    check_status(before, generation=1)
    assert world.cluster.patches == 2
    assert world.astra.asked.empty()


async def test_a_time_that_was_forged_before_a_transition_does_not_survive_it() -> None:
    """Succeeded stays True from a completion to a suspension: its time is the operator's."""
    world = _world()
    async with world.running():
        before = copy.deepcopy(await world.observed("ref", 7))
        forged = [each | {"lastTransitionTime": "2001-01-01T00:00:00Z"} for each in before["conditions"]]
        world.entrance.seen(world.cluster.edit("ref", conditions=forged))
        body = world.cluster.put("ref", 7)
        body["spec"]["suspend"] = world.cluster.objects["ref"]["spec"]["suspend"] = True
        world.entrance.seen(body)
        status = await world.cluster.until("ref", observedGeneration=2)
    times = {each["type"]: each["lastTransitionTime"] for each in before["conditions"]}
    for each in status["conditions"]:
        assert each["lastTransitionTime"].startswith("2026-03-01")
        assert each["type"] == "Synced" or each["lastTransitionTime"] == times[each["type"]]


async def test_a_second_writer_that_never_stops_gets_slower_answers() -> None:
    """Three at once, then after 5, 10, 20, 40 and 60 seconds, and 60 for ever; anew after ten quiet minutes."""
    world = _world()
    async with world.running():
        await world.observed("ref", 7)
        start, corrections = clock(), list[float]()
        while len(corrections) < 10:
            world.entrance.seen(world.cluster.edit("ref", state="failed"))
            await world.cluster.until("ref", seconds=100, state="completed")
            corrections.append(round(clock() - start))
        assert corrections == [0, 0, 0, 5, 15, 35, 75, 135, 195, 255]
        await asyncio.sleep(601)
        start = clock()
        for _ in range(3):
            world.entrance.seen(world.cluster.edit("ref", state="failed"))
            await world.cluster.until("ref", state="completed")
        assert clock() - start < 0.1


async def test_slips_a_minute_apart_are_each_put_right_at_once() -> None:
    """Three a minute are no second writer."""
    world = _world()
    async with world.running():
        await world.observed("ref", 7)
        for _ in range(30):
            await asyncio.sleep(21)
            start = clock()
            world.entrance.seen(world.cluster.edit("ref", state="failed"))
            await world.cluster.until("ref", state="completed")
            assert clock() - start < 0.1


async def test_news_are_not_slowed_down_by_corrections() -> None:
    """A new observation is written at once, and takes what was wrong along."""
    world = _world()
    async with world.running():
        await world.observed("ref", 7, "running", interval="30s")
        for _ in range(4):
            world.entrance.seen(world.cluster.edit("ref", stateUnready=["a lie"]))
            await asyncio.sleep(0.1)
        assert world.cluster.objects["ref"]["status"]["stateUnready"] == ["a lie"]
        _, request = await _next_after(world, 30)
        request.set_result(backup(7, "completed"))
        start = clock()
        status = await world.cluster.until("ref", state="completed")
        assert clock() - start < 0.1
    assert "stateUnready" not in status


async def _next_after(world: World, seconds: float) -> Any:
    async with asyncio.timeout(seconds + 10):
        _, connection, request = await world.astra.asked.get()
    return connection, request


async def test_corrections_take_a_quarter_of_the_slots() -> None:
    """However many objects somebody writes into: news of others go first."""
    world = _world()
    async with world.running():
        for number in range(100, 140):
            await world.observed(f"ref-{number}", number, app=number, namespace=f"ns-{number % 20}")
        before = world.cluster.patches
        world.cluster.hangs = {f"ns-{number}" for number in range(20)}
        for number in range(100, 140):
            world.entrance.seen(world.cluster.edit(f"ref-{number}", state="failed"))
        await asyncio.sleep(0.5)
        assert world.cluster.patches - before == 4
        status = await world.observed("news", 7, app=7, namespace="else")
        assert status["state"] == "completed"


async def test_the_answer_to_an_own_write_is_the_api_servers_word(caplog: pytest.LogCaptureFixture) -> None:
    """A CRD that knows no target is an older one: one write, one line, nothing more for an hour."""
    world = _world()
    world.cluster.prunes = {"target"}
    async with world.running():
        await world.observed("ref", 7, "running", interval="30s")
        await world.observed("other", 8, "running", account=8)
        for _ in range(5):
            connection, request = await _next_after(world, 30)
            assert connection
            request.set_result(backup(7, "running"))
        assert world.cluster.patches == 2
        # Another field is somebody's lie all the same, and put right.
        world.entrance.seen(world.cluster.edit("ref", state="failed"))
        await world.cluster.until("ref", state="running")
        assert world.cluster.patches == 3
        world.cluster.prunes = set()
        while "target" not in world.cluster.objects["ref"]["status"]:
            assert clock() < 3800
            _, request = await _next_after(world, 30)
            request.set_result(backup(7, "running"))
    assert clock() > 3600
    assert caplog.text.count("stores other values than it is sent") == 1
    assert "status.target" in caplog.text


async def test_what_is_not_stored_is_written_with_the_next_news() -> None:
    """When the desired status changes, all of it is sent again."""
    world = _world()
    world.cluster.prunes = {"target"}
    async with world.running():
        await world.observed("ref", 7, "running", interval="30s")
        world.cluster.prunes = set()
        _, request = await _next_after(world, 30)
        request.set_result(backup(7, "completed"))
        status = await world.cluster.until("ref", state="completed")
    assert status["target"]["secretName"] == "astra-control"
    assert world.cluster.patches == 2


async def test_two_operators_do_not_fight() -> None:
    """Each has measured another rate, at another time; when the remote says the same to both, neither writes."""
    one, two = _world(), _world()
    two.cluster.objects, two.cluster.versions = one.cluster.objects, one.cluster.versions
    worlds = (one, two)
    for world in worlds:
        _share(world, worlds)

    async def round_(done: int, late: float) -> None:
        for world in worlds:
            _, request = await _next_after(world, 40)
            await asyncio.sleep(late)
            request.set_result(backup(7, "running", bytes_done=done, total_bytes=1000))

    async with one.running(), two.running():
        body = one.cluster.put("ref", 7, interval="30s")
        for world in worlds:
            world.entrance.seen(copy.deepcopy(body))
        for done in (100, 250, 400):
            await round_(done, 1.3)
        await asyncio.sleep(20)
        patches = [world.cluster.patches for world in worlds]
        settled = copy.deepcopy(one.cluster.objects["ref"]["status"])
        for _ in range(5):
            await round_(400, 0.7)
    assert [world.cluster.patches for world in worlds] == patches
    assert one.cluster.objects["ref"]["status"] == settled
    assert settled["progress"]["bytesPerSecond"] > 0


async def test_two_operators_come_to_the_same_times() -> None:
    """One of them had a failure in between, so that its Synced is True since later: neither insists for ever."""
    one, two = _world(), _world()
    two.cluster.objects, two.cluster.versions = one.cluster.objects, one.cluster.versions
    worlds = (one, two)
    for world in worlds:
        _share(world, worlds)
    async with one.running(), two.running():
        body = one.cluster.put("ref", 7, interval="30s")
        for world in worlds:
            world.entrance.seen(copy.deepcopy(body))
        for world in worlds:
            _, request = await _next_after(world, 40)
            request.set_result(backup(7, "running"))
        _, request = await _next_after(two, 40)
        request.set_result(Failed(SyncReason.UNREACHABLE, "It cannot be reached."))
        await asyncio.sleep(3)
        _, request = await _next_after(two, 100)
        request.set_result(backup(7, "running"))
        await asyncio.sleep(120)
        patches = [world.cluster.patches for world in worlds]
        settled = copy.deepcopy(one.cluster.objects["ref"]["status"])
        await asyncio.sleep(900)
    assert [world.cluster.patches for world in worlds] == patches
    assert one.cluster.objects["ref"]["status"] == settled


def _share(world: World, worlds: tuple[World, ...]) -> None:
    """What one writes, the watches of all report."""
    patch = world.cluster.patch

    async def shared(names: Names, *where: str, **options: Any) -> Any:
        result = await patch(names, *where, **options)
        for each in worlds:
            asyncio.get_running_loop().call_soon(each.entrance.seen, copy.deepcopy(world.cluster.objects[where[1]]))
        return result

    world.cluster.patch = shared  # type: ignore[method-assign]


async def test_a_lie_that_the_watch_reports_before_the_answer_to_an_own_write_is_a_lie() -> None:
    """What somebody else has written after it does not become the operator's own."""
    world = _world()
    patch = world.cluster.patch

    async def overtaken(names: Names, *where: str, **options: Any) -> Any:
        result = await patch(names, *where, **options)
        if world.cluster.patches == 1:
            world.entrance.seen(copy.deepcopy(world.cluster.objects["ref"]))
            world.entrance.seen(world.cluster.edit("ref", state="failed"))
        return result

    world.cluster.patch = overtaken  # type: ignore[method-assign]
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7))
        _, request = await _next_after(world, 10)
        request.set_result(backup(7, "completed"))
        await asyncio.sleep(1)
        assert world.cluster.objects["ref"]["status"]["state"] == "completed"
    assert world.cluster.patches == 2


async def test_an_echo_that_comes_before_the_answer_costs_nothing() -> None:
    """One write, and no second look."""
    world = _world()
    _share(world, (world,))
    patch = world.cluster.patch

    async def slow(names: Names, *where: str, **options: Any) -> Any:
        result = await patch(names, *where, **options)
        await asyncio.sleep(0.5)
        return result

    world.cluster.patch = slow  # type: ignore[method-assign]
    async with world.running():
        await world.observed("ref", 7)
        await asyncio.sleep(10)
    assert world.cluster.patches == 1
    assert world.engine.pending() == (0, 0.0)


async def test_what_a_write_has_found_gone_is_not_written_again() -> None:
    """Though it had changed once more meanwhile; and an object that is there under this uid again is written once."""
    world = _world()
    patch = world.cluster.patch

    async def slow(names: Names, *where: str, **options: Any) -> Any:
        await asyncio.sleep(0.5)
        return await patch(names, *where, **options)

    async with world.running():
        await world.observed("ref", 7)
        world.cluster.patch = slow  # type: ignore[method-assign]
        world.entrance.seen(world.cluster.edit("ref", state="failed"))
        await asyncio.sleep(0.1)
        world.entrance.seen(world.cluster.edit("ref", state="removed"))
        gone = world.cluster.objects.pop("ref")
        before = world.cluster.patches
        await asyncio.sleep(10)
        assert world.cluster.patches == before + 1
        assert world.engine.pending() == (0, 0.0)
        # The answer was a lie.
        world.cluster.objects["ref"] = gone
        world.entrance.seen(copy.deepcopy(gone), listed=True)
        _, request = await _next_after(world, 10)
        request.set_result(backup(7, "completed"))
        await world.cluster.until("ref", state="completed")


async def test_corrections_of_an_older_releases_status_bring_the_target() -> None:
    """Also where they come so often that they have to wait; it is worth no write of its own."""
    world = _world()
    found = {key: value for key, value in ROWS["running"].items() if key != "target"}
    numbers = {"percent_done": 41.9, "bytes_done": 1_288_490_188, "total_bytes": 3_113_851_289}
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7, **found))
        _, request = await _next_after(world, 10)
        request.set_result(backup(7, "running", **numbers))
        await asyncio.sleep(1)
        assert world.cluster.patches == 0
        for _ in range(8):
            world.entrance.seen(world.cluster.edit("ref", state="failed", target=None))
            status = await world.cluster.until("ref", seconds=100, state="running")
            assert status["target"]["backupID"] == ID.format(7)
            await asyncio.sleep(1)


async def test_a_look_that_the_watch_has_overtaken_brings_nothing_old_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a conflict the object is read; what the watch reports meanwhile is newer, and the old target is over."""
    world = _world()
    async with world.running():
        await world.observed("ref", 7)
        get = world.cluster.get

        async def overtaken(names: Names, namespace: str, name: str, *, uid: str) -> Any:
            monkeypatch.undo()
            found = await get(names, namespace, name, uid=uid)
            world.entrance.seen(world.cluster.put("ref", 8))
            return found

        monkeypatch.setattr(world.cluster, "get", overtaken)
        world.entrance.seen(world.cluster.edit("ref", state="failed"))
        # Somebody has changed it once more, of which the watch tells nothing.
        world.cluster.edit("ref")
        _, request = await world.astra.next("00000000-0000-4000-8000-000000000008")
        request.set_result(backup(8, "running"))
        await world.cluster.until("ref", state="running")
        await asyncio.sleep(10)
        assert world.astra.asked.empty()


@pytest.mark.parametrize("code", [None, 504])
@pytest.mark.parametrize("is_seen_by_watch", [True, False])
async def test_a_write_without_a_response_that_was_stored_is_the_operators_own(
    code: int | None, *, is_seen_by_watch: bool
) -> None:
    """What it said of transitions counts, whether the watch or a conflict shows that it was stored."""
    world = _world()
    failed = Failed(SyncReason.SERVER_ERROR, "Astra Control failed.", code=500)
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7, interval="1s"))
        _, first = await world.astra.next(ID.format(7))
        first.set_result(failed)
        await asyncio.sleep(0.5)
        world.cluster.loses = Refused(code, "Timeout", "no response within 10s")
        _, second = await world.astra.next(ID.format(7))
        second.set_result(backup(7, "running"))
        stored = await world.cluster.until("ref", state="running")
        # Away until it has failed again.
        world.cluster.loses, world.cluster.refuses = None, Refused(None, "", "connection refused")
        observed_at = {each["type"]: each["lastTransitionTime"] for each in stored["conditions"]}
        _, third = await world.astra.next(ID.format(7))
        third.set_result(failed)
        await asyncio.sleep(0.5)
        world.cluster.refuses = None
        if is_seen_by_watch:
            world.entrance.seen(copy.deepcopy(world.cluster.objects["ref"]))
        async with asyncio.timeout(100), world.cluster.changed:
            await world.cluster.changed.wait_for(
                lambda: world.cluster.objects["ref"]["status"]["conditions"] != stored["conditions"]
            )
        status = world.cluster.objects["ref"]["status"]
    synced = next(each for each in status["conditions"] if each["type"] == "Synced")
    assert synced["status"] == "False"
    assert synced["lastTransitionTime"] > observed_at["Synced"]
    check_status(status, generation=1)
