"""The refs that monitors make: rounds of writes, what ends them, and what the status says."""

import asyncio
import logging
from typing import Any

import pytest

from astra_mirror.core.monitor.ref_results import Ended, RefResult
from astra_mirror.core.outcome import Listed, Unchanged
from astra_mirror.engine.kinds.app_backup_ref import APP_BACKUP_REF
from tests.engine.monitor_world import MonitorWorld
from tests.engine.world import ID, IDS

MIRROR: dict[str, Any] = {"newest": 2, "labels": {"team": "shop"}}
FORBIDDEN = RefResult(Ended.FORBIDDEN, message="no")
REFUSED = RefResult(Ended.REFUSED, message="exceeded quota")


@pytest.fixture
def world() -> MonitorWorld:
    """A mirror at rest."""
    return MonitorWorld()


async def _current(world: MonitorWorld, *numbers: int, **mirror: Any) -> list[str]:
    """A monitor whose refs are made; their names."""
    world.monitor(mirror=MIRROR | mirror)
    await world.answer(*(world.taken(number, minutes=number) for number in numbers or (1, 2, 3)))
    await world.reason("RefsCurrent", "RefsCurrent")
    return list(world.api.objects)


async def _next(world: MonitorWorld, *backups: Any) -> None:
    """Another list, as it is asked for."""
    number = next(world.cluster.versions)
    found = world.cluster.objects["shop"]
    found["metadata"] |= {"annotations": {"astra-mirror.io/requestedAt": str(number)}, "resourceVersion": str(number)}
    world.monitors.seen({**found, "metadata": dict(found["metadata"])})
    # What the refs have asked for before is left without an answer.
    while not world.astra.asked.empty():
        world.astra.asked.get_nowait()
    await world.answer(*backups, seconds=20)


def _condition(world: MonitorWorld) -> dict[str, Any]:
    """The condition of the monitor."""
    conditions: list[dict[str, Any]] = world.cluster.objects["shop"]["status"]["conditions"]
    return next(each for each in conditions if each["type"] == "RefsCurrent")


async def test_refs_are_made(world: MonitorWorld) -> None:
    """One for each of the newest, and one patch of the status when all are there."""
    async with world.running():
        names = await _current(world)
        assert names == ["nightly-1-00000000", "nightly-2-00000000"]
        status = world.cluster.objects["shop"]["status"]
        assert status["refs"] == {"wanted": 2, "existing": 2}
        assert status["newest"]["ref"] == names[0]
        assert [name for name, _ in world.cluster.patched].count("shop") <= 2
        assert world.cluster.objects[names[0]]["metadata"]["labels"] == {
            "team": "shop",
            "astra-mirror.io/monitor": "shop",
        }


async def test_nothing_is_written_while_nothing_changes(world: MonitorWorld) -> None:
    """Of the refs, and of the status."""
    async with world.running():
        await _current(world)
        calls, patches = len(world.api.calls), [name for name, _ in world.cluster.patched].count("shop")
        backups = [world.taken(number, minutes=number) for number in (1, 2, 3)]
        await _next(world, *backups)
        await asyncio.sleep(3)
        assert len(world.api.calls) == calls
        # One, for the read that was asked for, which the status confirms.
        assert [name for name, _ in world.cluster.patched].count("shop") == patches + 1


async def test_a_new_backup_moves_the_window(world: MonitorWorld) -> None:
    """A ref is made for it, and the oldest one goes."""
    async with world.running():
        await _current(world)
        await _next(world, *(world.taken(number, minutes=10 - number) for number in (1, 2, 3)))
        await asyncio.sleep(3)
        assert sorted(world.api.objects) == ["nightly-2-00000000", "nightly-3-00000000"]
        assert world.cluster.reasons("shop")["RefsCurrent"] == "RefsCurrent"


async def test_a_deleted_ref_is_made_again(world: MonitorWorld) -> None:
    """At once, without a request; for the third time in ten minutes with the next list only."""
    async with world.running():
        name, *_ = await _current(world)
        for _ in range(2):
            world.remove(name)
            await asyncio.sleep(2)
            assert name in world.cluster.objects
        world.remove(name)
        await asyncio.sleep(10)
        assert name not in world.cluster.objects
        await world.reason("RefsCurrent", "RefsPending")
        await _next(world, *(world.taken(number, minutes=number) for number in (1, 2, 3)))
        await asyncio.sleep(2)
        assert name in world.cluster.objects


async def test_what_a_user_changed_is_set_back(world: MonitorWorld) -> None:
    """The fields that the monitor gives, also while the ref keeps moving; the others are the user's."""
    async with world.running():
        name, *_ = await _current(world)
        world.api.moves = 2
        world.edit(name, spec={"backupID": ID.format(9), "suspend": True}, metadata={"labels": {"team": "x", "y": "z"}})
        await asyncio.sleep(3)
        found = world.cluster.objects[name]
        assert (found["spec"]["backupID"], found["spec"]["suspend"]) == (ID.format(1), True)
        assert found["metadata"]["labels"] == {"team": "shop", "y": "z", "astra-mirror.io/monitor": "shop"}
        assert world.cluster.reasons("shop")["RefsCurrent"] == "RefsCurrent"


async def test_what_mirror_does_not_give_is_the_users(world: MonitorWorld) -> None:
    """The refs are made without it, and what a user sets stays."""
    async with world.running():
        name, *_ = await _current(world)
        mine = {"readyWhen": "Observed", "interval": "1m"}
        assert not mine.keys() & world.cluster.objects[name]["spec"].keys()
        world.edit(name, spec=mine)
        await asyncio.sleep(3)
        assert mine.items() <= world.cluster.objects[name]["spec"].items()
        assert world.api.writes("patch") == []


async def test_a_ref_that_keeps_moving_ends_the_round(world: MonitorWorld) -> None:
    """It is not done yet, and done with the next round."""
    async with world.running():
        name, *_ = await _current(world)
        world.api.moves = 4
        world.edit(name, spec={"backupID": ID.format(9)})
        await world.reason("RefsCurrent", "RefsPending")
        assert len(world.api.writes("patch")) == 3
        await world.reason("RefsCurrent", "RefsCurrent", seconds=10)


async def test_labels_that_are_taken_out_go(world: MonitorWorld) -> None:
    """At once: the last list still counts."""
    async with world.running():
        name, *_ = await _current(world)
        world.monitor(mirror={"newest": 2})
        await asyncio.sleep(2)
        assert world.cluster.objects[name]["metadata"]["labels"] == {"astra-mirror.io/monitor": "shop"}


def _owned_by(kind: str, version: str, name: str) -> dict[str, Any]:
    owner = {"kind": kind, "apiVersion": version, "name": name, "uid": f"{kind} {name}", "controller": True}
    return {"ownerReferences": [owner]}


@pytest.mark.parametrize(
    ("metadata", "whose"),
    [
        ({}, "exists already and belongs to no monitor"),
        (_owned_by("AppBackupMonitor", "astra-mirror.io/v1", "other"), "belongs to AppBackupMonitor other"),
        (_owned_by("AppBackupMonitor", "example.com/v1", "shop"), "belongs to AppBackupMonitor shop"),
        (_owned_by("Deployment", "apps/v1", "shop"), "belongs to Deployment shop"),
        (_owned_by("AppBackupRef", "astra-mirror.io/v1", "shop"), "belongs to AppBackupRef shop"),
    ],
)
async def test_a_foreign_name_is_a_conflict(world: MonitorWorld, metadata: dict[str, Any], whose: str) -> None:
    """Which says whose it is; nothing is written into it, and Ready does not depend on it."""
    async with world.running():
        for number in (1, 2):
            world.cluster.put(f"nightly-{number}-00000000", number)
            world.cluster.objects[f"nightly-{number}-00000000"]["metadata"] |= metadata
        world.monitor(mirror=MIRROR)
        await world.answer(world.taken(1), world.taken(2, minutes=2))
        await world.reason("RefsCurrent", "RefConflict")
        texts = [f"nightly-{number}-00000000 {whose}." for number in (1, 2)]
        assert _condition(world)["message"] == f"2 refs in conflict: {' '.join(texts)}"
        assert world.cluster.reasons("shop")["Ready"] == "ListObserved"
        calls = len(world.api.calls)
        await asyncio.sleep(60)
        assert len(world.api.calls) == calls


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        (_owned_by("AppBackupMonitor", "astra-mirror.io/v1", "shop"), "belongs to a deleted monitor of this name"),
        ({"deletionTimestamp": "2026-11-27T09:00:00Z", "finalizers": ["x.io/y"]}, "is still being deleted"),
    ],
)
async def test_a_name_that_will_be_free_is_waited_for(
    world: MonitorWorld, metadata: dict[str, Any], words: str
) -> None:
    """The refs of a deleted monitor of this name are collected, and somebody else's ref may wait for a finalizer."""
    name = "nightly-1-00000000"
    async with world.running():
        world.cluster.put(name, 1)
        world.cluster.objects[name]["metadata"] |= metadata
        world.monitor(mirror=MIRROR)
        await world.answer(world.taken(1))
        await asyncio.sleep(3)
        condition = _condition(world)
        assert (condition["reason"], condition["message"]) == ("RefsPending", f"1 ref not done yet: {name} {words}.")
        del world.cluster.objects[name]
        await world.reason("RefsCurrent", "RefsCurrent")


@pytest.mark.parametrize(("failure", "reason"), [(FORBIDDEN, "RefsForbidden"), (REFUSED, "RefsRefused")])
async def test_what_is_not_allowed(world: MonitorWorld, failure: RefResult, reason: str) -> None:
    """Is tried again with each list, and at most once a minute; RBAC's refusal is the same for all refs."""
    async with world.running():
        world.api.fails["create"] = failure
        world.monitor(mirror=MIRROR)
        await world.answer(world.taken(1), world.taken(2, minutes=2))
        await world.reason("RefsCurrent", reason)
        first = len(world.api.calls)
        assert first == (1 if failure is FORBIDDEN else 2)
        await _next(world, world.taken(1), world.taken(2, minutes=2))
        await asyncio.sleep(70)
        assert len(world.api.calls) == first
        await _next(world, world.taken(1), world.taken(2, minutes=2))
        await asyncio.sleep(3)
        assert len(world.api.calls) == 2 * first
        assert [each for each, _ in world.notes] == [reason]
        world.api.fails.clear()
        await asyncio.sleep(70)
        await _next(world, world.taken(1), world.taken(2, minutes=2))
        await world.reason("RefsCurrent", "RefsCurrent")


async def test_a_terminating_namespace_is_left_alone(world: MonitorWorld, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is reported of it, nor logged: the status stays as it was before the round."""
    caplog.set_level(logging.INFO)
    async with world.running():
        world.api.fails["create"] = RefResult(Ended.TERMINATING)
        world.monitor(mirror=MIRROR)
        await world.answer(world.taken(1))
        await asyncio.sleep(60)
        assert len(world.api.calls) == 1
        condition = _condition(world)
        assert (condition["reason"], "have not been compared" in condition["message"]) == ("RefsPending", True)
        assert (world.notes, caplog.messages) == ([], [])


async def test_an_api_server_that_is_away(world: MonitorWorld) -> None:
    """Ends the round, which is repeated."""
    async with world.running():
        world.api.fails["create"] = RefResult(Ended.AWAY)
        world.monitor(mirror=MIRROR)
        await world.answer(world.taken(1), world.taken(2, minutes=2))
        await asyncio.sleep(3)
        assert len(world.api.calls) == 1
        world.api.fails.clear()
        await world.reason("RefsCurrent", "RefsCurrent", seconds=7)


@pytest.mark.parametrize("is_owner", [False, True])
async def test_a_ref_that_is_no_longer_controlled_is_somebody_elses(world: MonitorWorld, is_owner: bool) -> None:
    """Also where the monitor is still an owner of it, but not its controller; it is neither repaired nor removed."""
    async with world.running():
        name, *_ = await _current(world)
        [owner] = world.cluster.objects[name]["metadata"]["ownerReferences"]
        owners = [owner | {"controller": False}] if is_owner else None
        world.edit(name, metadata={"ownerReferences": owners}, spec={"backupID": ID.format(9)})
        await world.reason("RefsCurrent", "RefConflict")
        assert world.cluster.objects[name]["spec"]["backupID"] == ID.format(9)


@pytest.mark.parametrize("write", ["patch", "delete"])
async def test_a_ref_that_was_given_away_unseen_is_not_written(world: MonitorWorld, write: str) -> None:
    """Each ref is read before it is repaired or removed: the watch may not have reported that its owner was removed."""
    async with world.running():
        name, other = await _current(world)
        metadata = world.cluster.objects[name]["metadata"]
        metadata |= {"ownerReferences": [], "resourceVersion": str(next(world.cluster.versions))}
        if write == "patch":
            world.monitor(mirror={"newest": 2})
        else:
            await _next(world, *(world.taken(number, minutes=10 - number) for number in (1, 2, 3, 4)))
        await asyncio.sleep(3)
        assert name in world.api.objects
        assert world.api.writes(write) == [other]


async def test_a_new_secret_repairs_with_the_first_list_that_it_reads(world: MonitorWorld) -> None:
    """Until then the refs stay as they are."""
    async with world.running():
        name, *_ = await _current(world)
        world.monitor(mirror=MIRROR, secretRef={"name": "other"})
        await asyncio.sleep(3)
        assert world.cluster.objects[name]["spec"]["secretRef"] == {"name": "astra-control"}
        while not world.astra.asked.empty():
            # Those of the refs that were made are among them.
            await world.answer(world.taken(1), world.taken(2, minutes=2))
        await asyncio.sleep(3)
        assert world.cluster.objects[name]["spec"]["secretRef"] == {"name": "other"}


async def test_a_new_leader_takes_the_refs_as_they_are(world: MonitorWorld) -> None:
    """Nothing is written for what is right."""
    async with world.running():
        names = await _current(world)
    world.api.calls.clear()
    async with world.running({APP_BACKUP_REF: "0"}):
        await asyncio.sleep(1)
        lists = 0
        while not world.astra.asked.empty():
            asked, _, request = world.astra.asked.get_nowait()
            if asked == IDS["appID"] and not request.done():
                request.set_result(Listed(0, {"": Unchanged()}, None))
                lists += 1
        assert lists
        await asyncio.sleep(5)
        assert list(world.api.objects) == names
        assert world.api.writes() == []


async def test_an_edit_that_is_read_after_a_conflict_is_set_back(world: MonitorWorld) -> None:
    """The watch does not report it again."""
    lists = {IDS["appID"]: [world.taken(11), world.taken(12, minutes=2)]}
    async with world.running(), world.serving(lists):
        world.monitor(mirror=MIRROR)
        await world.reason("RefsCurrent", "RefsCurrent")
        name = "nightly-11-00000000"
        found = world.cluster.objects[name]
        found["spec"]["backupID"] = ID.format(9)
        found["metadata"] |= {"generation": 2, "resourceVersion": str(next(world.cluster.versions))}
        # The next write of its status meets a conflict.
        await asyncio.sleep(5)
        lists[IDS["appID"]] = [world.taken(11, "running", minutes=0), world.taken(12, minutes=2)]
        await asyncio.sleep(400)
        assert world.cluster.objects[name]["spec"]["backupID"] == ID.format(11)


async def test_what_another_shard_has_lost_is_forgotten(world: MonitorWorld) -> None:
    """The periodic list says what exists; what the engine knows stays."""
    async with world.running():
        name, other = await _current(world)
        uid = world.cluster.objects[name]["metadata"]["uid"]
        owned = {"metadata": {**world.cluster.objects[other]["metadata"], "uid": "lost", "name": "lost"}, "spec": {}}
        world.own.seen(owned)
        world.refs.forget_others({uid})
        assert {each.name for each in world.own.of("ns", "shop")} == {name, other}
        assert "lost" not in world.own.uids()


async def test_a_ref_in_another_namespace_is_none_of_its_own(world: MonitorWorld) -> None:
    """It names a monitor that is not there, and is collected one day; until then it counts for nothing."""
    async with world.running():
        await _current(world)
        existing = world.cluster.objects["shop"]["status"]["refs"]["existing"]
        world.forged("shop", 77, namespace="elsewhere")
        await asyncio.sleep(30)
        assert world.cluster.objects["shop"]["status"]["refs"]["existing"] == existing
        assert {each.name for each in world.own.of("elsewhere", "shop")} == {"shop-77"}
        assert world.api.writes("delete") == []
