"""What an object shows before it has an answer: nothing is observed, its Secret is missing, its spec cannot be read."""

import asyncio
import copy
from datetime import timedelta
from typing import Any

import pytest

from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.shard import Shard
from tests.core.cases import ROWS
from tests.engine.world import ID, NEW, World, backup
from tests.invariants import check_status
from tests.virtual_time import START

# A status on every object.


@pytest.mark.parametrize("is_old", [False, True])
async def test_there_are_conditions_while_the_secret_cannot_be_read(is_old: bool) -> None:
    """A new object is NotObserved within seconds; what an older process has observed stands."""
    world = World()
    world.secrets.now = None
    async with world.running():
        row = ROWS["completed"] if is_old else {}
        world.entrance.seen(world.cluster.put("ref", 7, **row))
        await asyncio.sleep(6)
        assert world.cluster.reasons("ref")["Ready"] == ("BackupCompleted" if is_old else "NotObserved")
        assert world.cluster.patches == (0 if is_old else 1)
        await asyncio.sleep(1000)
        assert world.cluster.patches == (0 if is_old else 1)
        world.secrets.now = NEW
        world.engine.secret_changed("ns", "astra-control")
        _, request = await world.astra.next(ID.format(7))
        request.set_result(backup(7, "completed"))
        await world.cluster.until("ref", state="completed")


async def test_a_wiped_status_of_which_nothing_is_known_is_written_again() -> None:
    """NotObserved is a status as any other."""
    world = World()
    world.secrets.now = None
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7))
        await asyncio.sleep(6)
        world.entrance.seen(world.cluster.wipe("ref"))
        await asyncio.sleep(0.1)
        assert world.cluster.reasons("ref")["Synced"] == "NotObserved"


async def test_a_secret_that_is_named_anew_and_cannot_be_read_leaves_nothing_of_the_old() -> None:
    """Within seconds."""
    world = World()
    async with world.running():
        await world.observed("ref", 7)
        world.secrets.now = None
        world.entrance.seen(world.cluster.edit_spec("ref", secretRef={"name": "other"}))
        await asyncio.sleep(6)
    assert world.cluster.reasons("ref")["Ready"] == "NotObserved"
    assert "state" not in world.cluster.objects["ref"]["status"]


async def test_first_answers_within_seconds_cost_one_write_each() -> None:
    """NotObserved is said where nothing else is to be said soon."""
    world = World()
    async with world.running():
        for number in range(1000, 1040):
            world.entrance.seen(world.cluster.put(f"ref-{number}", number, account=number))
        for _ in range(40):
            async with asyncio.timeout(10):
                asked, _, request = await world.astra.asked.get()
            await asyncio.sleep(0.05)
            request.set_result(backup(int(asked[-4:]), "completed"))
        await asyncio.sleep(10)
    assert world.cluster.patches == 40


# A Secret that may be on its way.

MISSING = Failed(SyncReason.SECRET_NOT_FOUND, "There is no Secret astra-control.")


def _created(seconds_ago: float) -> str:
    return (START - timedelta(seconds=seconds_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(("age", "left"), [(0, 60), (45, 15), (-3600, 60)])
async def test_a_missing_secret_of_a_young_object_is_waited_for(age: float, left: float) -> None:
    """Reconciling until the minute is over, by creationTimestamp or by what was seen; then Stalled, and an Event."""
    world = World()
    world.secrets.now = MISSING
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7, created=_created(age), interval="24h"))
        await asyncio.sleep(left - 1)
        assert world.cluster.reasons("ref") | {"Reconciling": "SecretNotFound"} == world.cluster.reasons("ref")
        assert not world.notes
        await asyncio.sleep(2)
        assert world.cluster.reasons("ref") | {"Stalled": "SecretNotFound"} == world.cluster.reasons("ref")
        assert [reason for reason, _ in world.notes] == ["SyncFailed"]
        check_status(world.cluster.objects["ref"]["status"])
        times = {
            each["type"]: each["lastTransitionTime"] for each in world.cluster.objects["ref"]["status"]["conditions"]
        }
        assert times["Synced"] < times["Stalled"]
    assert world.cluster.patches == 2
    assert world.astra.asked.empty()


async def test_a_missing_secret_of_an_old_object_needs_the_user_at_once() -> None:
    """A minute is over since its creation."""
    world = World()
    world.secrets.now = MISSING
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7, created=_created(61)))
        await asyncio.sleep(1)
        assert "Stalled" in world.cluster.reasons("ref")
        assert [reason for reason, _ in world.notes] == ["SyncFailed"]


async def test_a_secret_that_comes_in_time_is_no_event() -> None:
    """Nothing has failed that anybody was told of."""
    world = World()
    world.secrets.now = MISSING
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7))
        await asyncio.sleep(5)
        world.secrets.now = NEW
        world.engine.secret_changed("ns", "astra-control")
        _, request = await world.astra.next(ID.format(7))
        request.set_result(backup(7, "running"))
        await world.cluster.until("ref", state="running")
        await asyncio.sleep(100)
    assert not world.notes


# Specs that cannot be read.

BAD_SPECS: list[Any] = [
    pytest.param({"interval": "every day"}, "spec.interval", id="interval"),
    pytest.param({"interval": "48h"}, "spec.interval", id="range"),
    pytest.param({"backupID": "seven"}, "spec.backupID", id="id"),
    pytest.param({"readyWhen": "Always"}, "spec.readyWhen", id="enum"),
    pytest.param({"secretRef": "mine"}, "spec.secretRef", id="type"),
    pytest.param({"appID": None}, "spec.appID", id="null"),
]


@pytest.mark.parametrize(("edit", "field"), BAD_SPECS)
async def test_a_spec_that_cannot_be_read_is_said_and_nothing_is_asked(edit: dict[str, Any], field: str) -> None:
    """With the field's name; when it is mended, all goes on."""
    world = World()
    async with world.running():
        await world.observed("ref", 7)
        good: dict[str, Any] = {"readyWhen": "Completed", "secretRef": {"name": "astra-control"}}
        good |= copy.deepcopy(world.cluster.objects["ref"]["spec"])
        world.entrance.seen(world.cluster.edit_spec("ref", **edit))
        await asyncio.sleep(1)
        status = world.cluster.objects["ref"]["status"]
        check_status(status, generation=2)
        synced = next(each for each in status["conditions"] if each["type"] == "Synced")
        assert (synced["status"], synced["reason"]) == ("False", "InvalidSpec")
        assert field in synced["message"]
        assert "Stalled" in world.cluster.reasons("ref")
        assert "state" not in status
        world.engine.secret_changed("ns", "astra-control")
        world.entrance.seen(world.cluster.wipe("ref"))
        await asyncio.sleep(100)
        assert world.cluster.reasons("ref")["Synced"] == "InvalidSpec"
        assert world.astra.asked.empty()
        assert world.entrance.objects().keys() == {"ref"}
        world.entrance.seen(world.cluster.edit_spec("ref", **good))
        _, request = await world.astra.next(ID.format(7))
        request.set_result(backup(7, "completed"))
        await world.cluster.until("ref", state="completed", observedGeneration=3)


async def test_an_object_without_a_spec_is_said_too() -> None:
    """Only with a CRD that is not ours."""
    world = World()
    async with world.running():
        body = world.cluster.put("ref", 7)
        del body["spec"]
        world.entrance.seen(body)
        await asyncio.sleep(1)
    assert world.cluster.reasons("ref")["Synced"] == "InvalidSpec"


async def test_the_shard_that_can_tell_says_it() -> None:
    """By the IDs where they can be read, else the first."""
    said: list[tuple[int, str]] = []
    for index in range(3):
        world = World(shard=Shard(index, 3))
        async with world.running():
            for number in range(6):
                body = world.cluster.put(f"app-{number}", 7, app=number)
                body["spec"]["interval"] = "never"
                world.entrance.seen(body)
            nobody = world.cluster.put("nobody", 7)
            nobody["spec"]["accountID"] = "nobody"
            world.entrance.seen(nobody)
            await asyncio.sleep(1)
            names = [name for name in world.cluster.objects if world.cluster.reasons(name)]
            said += [(index, name) for name in names]
            assert world.entrance.objects().keys() == set(names)
    assert sorted(name for _, name in said) == ["app-0", "app-1", "app-2", "app-3", "app-4", "app-5", "nobody"]
    assert (0, "nobody") in said
    for index, name in said:
        if name != "nobody":
            assert Shard(index, 3).owns(ID.format(1), ID.format(int(name[-1])))


async def test_a_standby_says_nothing_until_it_takes_over() -> None:
    """Neither of a spec that cannot be read nor of an answer that does not come."""
    world = World()
    world.secrets.now = None
    body = world.cluster.put("bad", 7)
    body["spec"]["interval"] = "never"
    world.entrance.seen(body)
    world.entrance.seen(world.cluster.put("ref", 8))
    await asyncio.sleep(100)
    assert world.cluster.patches == 0
    async with world.running():
        await asyncio.sleep(1)
        assert (world.cluster.reasons("bad").get("Synced"), world.cluster.reasons("ref").get("Synced")) == (
            "InvalidSpec",
            None,
        )
        await asyncio.sleep(5)
        assert world.cluster.reasons("ref")["Synced"] == "NotObserved"
