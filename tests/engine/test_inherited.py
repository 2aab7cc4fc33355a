"""What a process takes over from the statuses that it finds when it starts, and when it gets its Lease back."""

import asyncio
import copy
from typing import Any

import pytest

from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.engine.kinds.app_backup_ref import APP_BACKUP_REF
from tests.core.cases import ROWS
from tests.engine.world import ID, World, backup
from tests.invariants import check_status


async def test_a_restart_over_statuses_of_an_older_release_writes_nothing() -> None:
    """They have no target: it comes with the next patch that is due anyway."""
    world = World()
    held = {key: value for key, value in ROWS["running"].items() if key != "target"}
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7, interval="30s", **held))
        numbers = {"percent_done": 41.9, "bytes_done": 1_288_490_188, "total_bytes": 3_113_851_289}
        for _ in range(3):
            async with asyncio.timeout(60):
                _, _, request = await world.astra.asked.get()
            request.set_result(backup(7, "running", **numbers))
        await asyncio.sleep(1)
        assert world.cluster.patches == 0
        async with asyncio.timeout(60):
            _, _, request = await world.astra.asked.get()
        request.set_result(backup(7, "completed"))
        status = await world.cluster.until("ref", state="completed")
    assert status["target"]["backupID"] == ID.format(7)


FIRST_ANSWERS = [Failed(SyncReason.SERVER_ERROR, "no"), backup(7, "completed")]


@pytest.mark.parametrize("answer", FIRST_ANSWERS)
async def test_an_edit_of_the_interval_while_no_operator_ran_loses_nothing(answer: Any) -> None:
    """The target is the same, and says so."""
    world = World()
    world.cluster.put("ref", 7, **ROWS["completed"])
    async with world.running():
        world.entrance.seen(world.cluster.edit_spec("ref", interval="2h"))
        _, request = await world.astra.next(ID.format(7))
        request.set_result(answer)
        status = await world.cluster.until("ref", observedGeneration=2)
    assert status["state"] == "completed"
    assert world.cluster.reasons("ref")["Ready"] == "BackupCompleted"
    check_status(status)


@pytest.mark.parametrize(
    "edit",
    [
        {"backupID": ID.format(8)},
        {"appID": ID.format(8)},
        {"accountID": ID.format(8)},
        {"secretRef": {"name": "other"}},
    ],
)
@pytest.mark.parametrize("row", ["completed", "not-found"])
async def test_an_edit_of_the_target_while_no_operator_ran_leaves_nothing_of_the_old(
    edit: dict[str, Any], row: str
) -> None:
    """Not under the new generation, also when the new one gives no answer."""
    world = World()
    world.cluster.put("ref", 7, **ROWS[row])
    async with world.running():
        world.entrance.seen(world.cluster.edit_spec("ref", **edit))
        status = await world.cluster.until("ref", observedGeneration=2)
    assert set(status) == {"observedGeneration", "conditions"}
    assert world.cluster.reasons("ref")["Ready"] == "NotObserved"


async def test_an_edit_of_the_target_is_seen_in_any_case_of_the_ids() -> None:
    """Upper case is the same ID."""
    world = World()
    number = "ABCDEFAB-0000-4000-8000-000000000007"
    world.cluster.put("ref", 7, **ROWS["completed"])
    target = world.cluster.objects["ref"]["status"]["target"]
    target["backupID"] = number.lower()
    async with world.running():
        world.entrance.seen(world.cluster.edit_spec("ref", backupID=number))
        _, request = await world.astra.next(number.lower())
        request.set_result(Failed(SyncReason.SERVER_ERROR, "no"))
        status = await world.cluster.until("ref", observedGeneration=2)
    assert status["state"] == "completed"


def _without(kind: str) -> dict[str, Any]:
    row = ROWS["completed"]
    return row | {"conditions": [each for each in row["conditions"] if each["type"] != kind]}


def _with(kind: str, **fields: str) -> dict[str, Any]:
    row = ROWS["completed"]
    conditions = [each | fields if each["type"] == kind else each for each in row["conditions"]]
    return row | {"conditions": conditions}


FORGED: list[Any] = [
    pytest.param({"state": "completed"}, id="no conditions"),
    pytest.param(_without("Finished"), id="a condition less"),
    pytest.param(_with("Succeeded", status="False"), id="a status that the state does not have"),
    pytest.param(_with("Finished", reason="BackupFailed"), id="a reason that the state does not have"),
    pytest.param(ROWS["completed"] | {"state": "running"}, id="another state"),
    pytest.param(ROWS["nothing-yet"] | {"progress": {"percentDone": 99}}, id="progress of nothing"),
    pytest.param(ROWS["nothing-yet"] | {"target": ROWS["completed"]["target"]}, id="a target of nothing"),
    pytest.param(_with("Ready", type="Custom"), id="another type"),
]


@pytest.mark.parametrize("forged", FORGED)
async def test_a_status_unlike_any_of_ours_counts_as_none(forged: dict[str, Any]) -> None:
    """Found at the start, with a remote that fails: nothing of it is left."""
    world = World()
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7, **copy.deepcopy(forged)))
        _, request = await world.astra.next(ID.format(7))
        request.set_result(Failed(SyncReason.SERVER_ERROR, "no"))
        await asyncio.sleep(1)
    status = world.cluster.objects["ref"]["status"]
    assert world.cluster.reasons("ref") == {
        "Ready": "ServerError",
        "Synced": "ServerError",
        "Succeeded": "NotObserved",
        "Finished": "NotObserved",
        "Reconciling": "ServerError",
    }
    assert set(status) == {"observedGeneration", "conditions"}
    check_status(status)


async def test_before_the_first_answer_the_actual_status_is_what_is_known() -> None:
    """What changes it then changes what is known; after the first answer it is a lie."""
    world = World()
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7, **ROWS["running"]))
        _, request = await world.astra.next(ID.format(7))
        other = world.cluster.put("another", 7, **ROWS["completed"])["status"]
        del world.cluster.objects["another"]
        world.entrance.seen(world.cluster.edit("ref", **other))
        request.set_result(Failed(SyncReason.SERVER_ERROR, "no"))
        await asyncio.sleep(1)
        status = world.cluster.objects["ref"]["status"]
        assert status["state"] == "completed"
        world.entrance.seen(world.cluster.wipe("ref"))
        await world.cluster.until("ref", state="completed")


async def test_one_that_has_lost_its_lease_takes_over_again() -> None:
    """In the same process, with what the other one has written meanwhile."""
    world = World()
    async with world.running():
        await world.observed("ref", 7, "running")
        await world.observed("other", 8, "running", account=8)
    other = world.cluster.put("another", 7, **ROWS["completed"])["status"]
    del world.cluster.objects["another"]
    world.entrance.seen(world.cluster.edit("ref", **other))
    patches = world.cluster.patches
    async with world.running():
        for _ in range(2):
            async with asyncio.timeout(10):
                _, _, request = await world.astra.asked.get()
            request.set_result(Failed(SyncReason.SERVER_ERROR, "no", code=500))
        await asyncio.sleep(1)
    assert world.cluster.objects["ref"]["status"]["state"] == "completed"
    assert world.cluster.objects["other"]["status"]["state"] == "running"
    assert world.cluster.patches == patches + 2


@pytest.mark.parametrize("is_before", [True, False])
async def test_what_another_leader_wrote_is_taken_over_also_when_it_is_reported_late(*, is_before: bool) -> None:
    """What was written before this process leads again is the other leader's; what is written after it is corrected."""
    world = World()
    async with world.running():
        status = copy.deepcopy(await world.observed("ref", 7, interval="30s"))
    patches, other = world.cluster.patches, "2026-01-05T00:00:00Z"
    for each in status["conditions"]:
        each["lastTransitionTime"] = other
    late = world.cluster.edit("ref", conditions=status["conditions"])
    version = int(late["metadata"]["resourceVersion"]) - (not is_before)
    async with world.running(since={APP_BACKUP_REF: str(version)}):
        for reported in (late, None):
            _, request = await world.astra.next(ID.format(7))
            request.set_result(backup(7, "completed"))
            await asyncio.sleep(1)
            if reported is not None:
                assert world.cluster.patches == patches
                world.entrance.seen(reported)
                if not is_before:
                    break
        await asyncio.sleep(10)
    assert world.cluster.patches - patches == (not is_before)
    times = {each["lastTransitionTime"] for each in world.cluster.objects["ref"]["status"]["conditions"]}
    assert (times == {other}) is is_before
