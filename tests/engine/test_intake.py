"""What a process makes of objects that it finds, of specs that it cannot read and of answers that do not come."""

import asyncio
import copy
from datetime import timedelta
from typing import Any

import pytest

from astra_mirror.api.meta import REQUESTED_AT
from astra_mirror.core.outcome import Answer, Failed, NotFound, SyncReason
from astra_mirror.core.schedule import Pace
from astra_mirror.core.shard import Shard
from tests.core.cases import ROWS
from tests.engine.world import ID, NEW, World, backup
from tests.invariants import check_status
from tests.virtual_time import START, clock


def _world(**options: Any) -> World:
    return World(**options)


def _reasons(world: World, name: str = "ref") -> dict[str, str]:
    conditions = world.cluster.objects[name]["status"].get("conditions", ())
    return {each["type"]: each["reason"] for each in conditions}


def _edit_spec(world: World, name: str = "ref", **spec: Any) -> dict[str, Any]:
    body = world.cluster.objects[name]
    body["spec"] |= spec
    body["metadata"]["generation"] += 1
    body["metadata"]["resourceVersion"] = str(next(world.cluster.versions))
    return copy.deepcopy(body)


# What a status that is found counts for.


async def test_a_restart_over_statuses_of_an_older_release_writes_nothing() -> None:
    """They have no target: it comes with the next patch that is due anyway."""
    world = _world()
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
    world = _world()
    world.cluster.put("ref", 7, **ROWS["completed"])
    async with world.running():
        world.entrance.seen(_edit_spec(world, interval="2h"))
        _, request = await world.astra.next(ID.format(7))
        request.set_result(answer)
        status = await world.cluster.until("ref", observedGeneration=2)
    assert status["state"] == "completed"
    assert _reasons(world)["Ready"] == "BackupCompleted"
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
    world = _world()
    world.cluster.put("ref", 7, **ROWS[row])
    async with world.running():
        world.entrance.seen(_edit_spec(world, **edit))
        status = await world.cluster.until("ref", observedGeneration=2)
    assert set(status) == {"observedGeneration", "conditions"}
    assert _reasons(world)["Ready"] == "NotObserved"


async def test_an_edit_of_the_target_is_seen_in_any_case_of_the_ids() -> None:
    """Upper case is the same ID."""
    world = _world()
    number = "ABCDEFAB-0000-4000-8000-000000000007"
    world.cluster.put("ref", 7, **ROWS["completed"])
    target = world.cluster.objects["ref"]["status"]["target"]
    target["backupID"] = number.lower()
    async with world.running():
        world.entrance.seen(_edit_spec(world, backupID=number))
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
    world = _world()
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7, **copy.deepcopy(forged)))
        _, request = await world.astra.next(ID.format(7))
        request.set_result(Failed(SyncReason.SERVER_ERROR, "no"))
        await asyncio.sleep(1)
    status = world.cluster.objects["ref"]["status"]
    assert _reasons(world) == {
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
    world = _world()
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


# A status on every object.


@pytest.mark.parametrize("is_old", [False, True])
async def test_there_are_conditions_while_the_secret_cannot_be_read(is_old: bool) -> None:
    """A new object is NotObserved within seconds; what an older process has observed stands."""
    world = _world()
    world.secrets.now = None
    async with world.running():
        row = ROWS["completed"] if is_old else {}
        world.entrance.seen(world.cluster.put("ref", 7, **row))
        await asyncio.sleep(6)
        assert _reasons(world)["Ready"] == ("BackupCompleted" if is_old else "NotObserved")
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
    world = _world()
    world.secrets.now = None
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7))
        await asyncio.sleep(6)
        world.entrance.seen(world.cluster.wipe("ref"))
        await asyncio.sleep(0.1)
        assert _reasons(world)["Synced"] == "NotObserved"


async def test_a_secret_that_is_named_anew_and_cannot_be_read_leaves_nothing_of_the_old() -> None:
    """Within seconds."""
    world = _world()
    async with world.running():
        await world.observed("ref", 7)
        world.secrets.now = None
        world.entrance.seen(_edit_spec(world, secretRef={"name": "other"}))
        await asyncio.sleep(6)
    assert _reasons(world)["Ready"] == "NotObserved"
    assert "state" not in world.cluster.objects["ref"]["status"]


async def test_first_answers_within_seconds_cost_one_write_each() -> None:
    """NotObserved is said where nothing else is to be said soon."""
    world = _world()
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
    world = _world()
    world.secrets.now = MISSING
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7, created=_created(age), interval="24h"))
        await asyncio.sleep(left - 1)
        assert _reasons(world) | {"Reconciling": "SecretNotFound"} == _reasons(world)
        assert not world.notes
        await asyncio.sleep(2)
        assert _reasons(world) | {"Stalled": "SecretNotFound"} == _reasons(world)
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
    world = _world()
    world.secrets.now = MISSING
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7, created=_created(61)))
        await asyncio.sleep(1)
        assert "Stalled" in _reasons(world)
        assert [reason for reason, _ in world.notes] == ["SyncFailed"]


async def test_a_secret_that_comes_in_time_is_no_event() -> None:
    """Nothing has failed that anybody was told of."""
    world = _world()
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
    world = _world()
    async with world.running():
        await world.observed("ref", 7)
        good: dict[str, Any] = {"readyWhen": "Completed", "secretRef": {"name": "astra-control"}}
        good |= copy.deepcopy(world.cluster.objects["ref"]["spec"])
        world.entrance.seen(_edit_spec(world, **edit))
        await asyncio.sleep(1)
        status = world.cluster.objects["ref"]["status"]
        check_status(status, generation=2)
        synced = next(each for each in status["conditions"] if each["type"] == "Synced")
        assert (synced["status"], synced["reason"]) == ("False", "InvalidSpec")
        assert field in synced["message"]
        assert "Stalled" in _reasons(world)
        assert "state" not in status
        world.engine.secret_changed("ns", "astra-control")
        world.entrance.seen(world.cluster.wipe("ref"))
        await asyncio.sleep(100)
        assert _reasons(world)["Synced"] == "InvalidSpec"
        assert world.astra.asked.empty()
        assert world.entrance.objects().keys() == {"ref"}
        world.entrance.seen(_edit_spec(world, **good))
        _, request = await world.astra.next(ID.format(7))
        request.set_result(backup(7, "completed"))
        await world.cluster.until("ref", state="completed", observedGeneration=3)


async def test_an_object_without_a_spec_is_said_too() -> None:
    """Only with a CRD that is not ours."""
    world = _world()
    async with world.running():
        body = world.cluster.put("ref", 7)
        del body["spec"]
        world.entrance.seen(body)
        await asyncio.sleep(1)
    assert _reasons(world)["Synced"] == "InvalidSpec"


async def test_the_shard_that_can_tell_says_it() -> None:
    """By the IDs where they can be read, else the first."""
    said: list[tuple[int, str]] = []
    for index in range(3):
        world = _world(shard=Shard(index, 3))
        async with world.running():
            for number in range(6):
                body = world.cluster.put(f"app-{number}", 7, app=number)
                body["spec"]["interval"] = "never"
                world.entrance.seen(body)
            nobody = world.cluster.put("nobody", 7)
            nobody["spec"]["accountID"] = "nobody"
            world.entrance.seen(nobody)
            await asyncio.sleep(1)
            names = [name for name in world.cluster.objects if _reasons(world, name)]
            said += [(index, name) for name in names]
            assert world.entrance.objects().keys() == set(names)
    assert sorted(name for _, name in said) == ["app-0", "app-1", "app-2", "app-3", "app-4", "app-5", "nobody"]
    assert (0, "nobody") in said
    for index, name in said:
        if name != "nobody":
            assert Shard(index, 3).owns(ID.format(1), ID.format(int(name[-1])))


async def test_a_standby_says_nothing_until_it_takes_over() -> None:
    """Neither of a spec that cannot be read nor of an answer that does not come."""
    world = _world()
    world.secrets.now = None
    body = world.cluster.put("bad", 7)
    body["spec"]["interval"] = "never"
    world.entrance.seen(body)
    world.entrance.seen(world.cluster.put("ref", 8))
    await asyncio.sleep(100)
    assert world.cluster.patches == 0
    async with world.running():
        await asyncio.sleep(1)
        assert (_reasons(world, "bad").get("Synced"), _reasons(world).get("Synced")) == ("InvalidSpec", None)
        await asyncio.sleep(5)
        assert _reasons(world)["Synced"] == "NotObserved"


async def test_one_that_has_lost_its_lease_takes_over_again() -> None:
    """In the same process, with what the other one has written meanwhile."""
    world = _world()
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


# Words.


def _message(world: World, kind: str = "Synced") -> str:
    conditions = world.cluster.objects["ref"]["status"]["conditions"]
    return str(next(each["message"] for each in conditions if each["type"] == kind))


async def _fail(world: World, words: str, *, code: int | None = 500, correlation_id: str | None = None) -> None:
    await _answer(world, Failed(SyncReason.SERVER_ERROR, words, code=code, correlation_id=correlation_id))


async def _answer(world: World, answer: Answer) -> None:
    async with asyncio.timeout(2000):
        _, _, request = await world.astra.asked.get()
    request.set_result(answer)
    await asyncio.sleep(0.1)


async def test_words_of_the_remote_that_move_are_taken_over_every_quarter_of_an_hour() -> None:
    """`expired by 1234s` is another text each time, and must not be a write each time."""
    world = _world()
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7, interval="1s"))
        await _fail(world, "expired by 0s")
        start, seen, patches = clock(), [_message(world)], world.cluster.patches
        while clock() - start < 3600:
            await _fail(world, f"expired by {clock():.0f}s")
            if _message(world) != seen[-1]:
                seen.append(_message(world))
    assert 2 <= len(seen) <= 5
    assert world.cluster.patches - patches == len(seen) - 1


async def test_own_words_count_at_once() -> None:
    """They move only when something has happened."""
    world = _world()
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7, interval="1s"))
        for words in ("connection refused", "no response within 10s", "connection refused"):
            await _fail(world, words, code=None)
            assert _message(world) == words


@pytest.mark.parametrize("words", ["one", "three"], ids=["the-same", "others"])
@pytest.mark.parametrize("what", ["edit", "secret", "requestedAt"])
async def test_words_count_at_once_for_those_who_have_done_something(what: str, words: str) -> None:
    """After an edit, a new Secret and a requestedAt somebody waits for what is said next; only then for the next."""
    world = _world()
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7, interval="1s"))
        await _fail(world, "one")
        await _fail(world, "two")
        assert _message(world) == "one"
        if what == "edit":
            world.entrance.seen(_edit_spec(world, interval="2s"))
        elif what == "secret":
            world.secrets.now = NEW
            world.engine.secret_changed("ns", "astra-control")
        else:
            world.cluster.objects["ref"]["metadata"]["annotations"] = {REQUESTED_AT: "now"}
            world.entrance.seen(world.cluster.edit("ref"))
        await _fail(world, words)
        assert _message(world) == words
        await _fail(world, "four")
        assert _message(world) == words
        told = [text for reason, text in world.notes if reason == "SyncFailed"]
    assert told == ["ServerError: one", *(["ServerError: three"] if (what, words) == ("secret", "three") else [])]


async def test_a_restart_keeps_the_words_for_a_while() -> None:
    """It is no news that the remote puts it otherwise."""
    world = _world()
    async with world.running():
        row = ROWS["failing-running"]
        before = next(each["message"] for each in row["conditions"] if each["type"] == "Synced")
        world.entrance.seen(world.cluster.put("ref", 7, interval="1s", **row))
        await _fail(world, "something else")
        assert world.cluster.patches == 0
        assert _message(world) == before
        await asyncio.sleep(0)
        while clock() < 1000:
            await _fail(world, "something else")
        assert _message(world) == "something else"


async def test_a_correlation_id_alone_is_not_written() -> None:
    """Neither by the next process, nor when other answers have come while the API server was away."""
    world = _world()
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7, interval="1s", **ROWS["failing-running"]))
        await _fail(world, "It went wrong: ServerError.", correlation_id="c-2")
        world.cluster.availability.changed.clear()
        await _answer(world, Failed(SyncReason.UNEXPECTED_RESPONSE, "no JSON", code=200))
        await _fail(world, "It went wrong: ServerError.", correlation_id="c-3")
        world.cluster.availability.changed.set()
        await asyncio.sleep(10)
        assert world.cluster.patches == 0
        assert _message(world) == "It went wrong: ServerError. (correlationID c-1)"
        await _answer(world, backup(7, "running"))
        await _fail(world, "It went wrong: ServerError.", correlation_id="c-4")
        assert _message(world) == "It went wrong: ServerError. (correlationID c-4)"
    assert [text for _, text in world.notes if "correlationID" in text] == []


async def test_an_event_has_no_correlation_id_of_an_earlier_process_either() -> None:
    """Its words are kept for a while, and nothing is known of them: the Event has those of the last answer."""
    world = _world(pace=Pace(stale_after=60))
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7, interval="1s", **ROWS["failing-running"]))
        while not world.notes:
            await _fail(world, "It failed.", correlation_id="c-2")
        assert _message(world) == "It went wrong: ServerError. (correlationID c-1)"
    assert world.notes == [("ObservationStale", "No good answer for 1m (last seen: running). It failed.")]


async def test_the_words_of_a_backup_that_does_not_exist_move_as_slowly() -> None:
    """It is a success, and still the remote's words."""
    world = _world(pace=Pace(settled_interval=1))
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7, interval="1s"))
        for words in ("no such backup, attempt 1.", "no such backup, attempt 2."):
            await _answer(world, NotFound(words))
            assert _message(world, "Ready") == "no such backup, attempt 1."
    assert world.cluster.patches == 1
