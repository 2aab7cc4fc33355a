"""Rounds of writes for refs: how long they are, what ends them, and how often they are repeated."""

import asyncio
import copy
import gc
import logging
import weakref
from typing import Any

import pytest

from astra_mirror.core.monitor.listing import WholeList
from astra_mirror.core.monitor.ref_results import Ended, RefResult
from astra_mirror.core.outcome import WHOLE, Listed
from tests.engine.monitor_world import APP, MonitorWorld
from tests.engine.test_monitor_refs import FORBIDDEN, MIRROR, REFUSED, _condition, _current, _next
from tests.engine.world import ID


@pytest.fixture
def world() -> MonitorWorld:
    """A mirror at rest."""
    return MonitorWorld()


async def test_thousands_of_refs_delay_no_other_namespace(world: MonitorWorld) -> None:
    """A round has a second's writes, whoever else waits; no more often than every ten seconds a status says how far."""
    old = [world.taken(1000 + each, minutes=100 + each) for each in range(200)]
    lists = {ID.format(100 + number): [world.taken(1, name=f"new-{number}"), *old] for number in range(6)}
    async with world.running(), world.serving(lists):
        for number in range(6):
            name = f"shop-{number}"
            for each in range(200 if number < 5 else 0):
                world.forged(name, 1000 + each, namespace=name, app=100 + number)
            world.monitor(name, app=100 + number, namespace=name, mirror={"newest": 1}, interval="24h")
        await asyncio.sleep(15)
        assert [name for name, each in world.api.objects.items() if each["metadata"]["namespace"] == "shop-5"]
        await asyncio.sleep(50)
        assert len(world.api.objects) == 6
        patches = [name for name, _ in world.cluster.patched if name.startswith("shop-") and len(name) == 6]
        assert len(patches) <= 6 * 7


async def test_a_round_of_many_writes_is_one_patch_of_the_status(world: MonitorWorld) -> None:
    """Though it takes several turns."""
    async with world.running():
        world.monitor(mirror={"newest": 60})
        await world.answer(
            *(world.taken(number)._replace(id=f"{number:08}" + ID.format(1)[8:]) for number in range(60))
        )
        await world.reason("RefsCurrent", "RefsCurrent", seconds=20)
        assert [name for name, _ in world.cluster.patched].count("shop") <= 2


async def test_namespaces_in_which_writes_hang_delay_no_other_for_long(world: MonitorWorld) -> None:
    """A round ends with the call that took too long."""
    listed = [world.taken(number)._replace(id=f"{number:08}" + ID.format(1)[8:]) for number in range(10)]
    lists = {
        ID.format(100 + number): [each._replace(name=f"{number}-{each.name}") for each in listed] for number in range(9)
    }
    create = world.api.create

    async def hanging(namespace: str, body: Any) -> RefResult:
        if namespace != "shop-8":
            await asyncio.sleep(30)
        return await create(namespace, body)

    world.api.create = hanging  # type: ignore[method-assign]
    async with world.running(), world.serving(lists):
        for number in range(9):
            name = f"shop-{number}"
            world.monitor(name, app=100 + number, namespace=name, mirror={"newest": 10}, interval="24h")
        await asyncio.sleep(40)
        assert [name for name, each in world.api.objects.items() if each["metadata"]["namespace"] == "shop-8"]


async def test_no_old_list_is_kept(world: MonitorWorld) -> None:
    """A write that was not allowed is remembered with the number of its list alone."""
    async with world.running():
        world.api.fails["create"] = FORBIDDEN
        world.monitor(mirror=MIRROR)
        backups = (world.taken(1),)
        whole = WholeList(1, backups, digest=7)
        _, request = await world.astra.next_within(5)
        request.set_result(Listed(7, {WHOLE: whole}, 1))
        old = weakref.ref(whole)
        del whole, request
        await world.reason("RefsCurrent", "RefsForbidden")
        await _next(world, world.taken(2))
        await asyncio.sleep(3)
        gc.collect()
        assert old() is None


async def test_a_suspended_monitor_keeps_no_list(world: MonitorWorld) -> None:
    """It would take memory for as long as nobody reads another one."""
    async with world.running():
        whole = WholeList(1, (world.taken(1),), digest=7)
        world.monitor()
        _, request = await world.astra.next_within(5)
        request.set_result(Listed(7, {WHOLE: whole}, 1))
        old = weakref.ref(whole)
        del whole, request
        status = await world.reason("Ready", "ListObserved")
        gc.collect()
        assert old() is not None
        world.monitor(suspend=True)
        suspended = await world.reason("Synced", "Suspended")
        gc.collect()
        assert old() is None
        assert suspended["newest"] == status["newest"]
        world.monitor()
        await world.answer(world.taken(1), seconds=5)
        await world.reason("Synced", "Observed")


async def test_another_client_that_always_changes_a_ref_back(world: MonitorWorld) -> None:
    """Costs a few writes at once, and one a minute then."""
    async with world.running():
        name, *_ = await _current(world)
        patch = world.api.patch

        async def and_back(*args: Any, **options: Any) -> RefResult:
            result = await patch(*args, **options)
            asyncio.get_running_loop().call_later(0.1, world.edit, name)
            world.cluster.objects[name]["spec"]["interval"] = "1s"
            return result

        world.api.patch = and_back  # type: ignore[method-assign]
        world.monitor(mirror=MIRROR | {"interval": "20s"})
        await asyncio.sleep(60)
        await world.reason("RefsCurrent", "RefsPending")
        before = len(world.api.writes("patch"))
        assert before <= 10
        await asyncio.sleep(600)
        assert len(world.api.writes("patch")) - before <= 11


async def test_what_the_list_lacks_is_not_pending(world: MonitorWorld) -> None:
    """Its ref stays, and the message counts it; nothing is read again and again for it."""
    lists = {APP: [world.taken(11), world.taken(12, minutes=2)]}
    async with world.running(), world.serving(lists):
        world.monitor(mirror=MIRROR)
        await world.reason("RefsCurrent", "RefsCurrent")
        lists[APP] = [world.taken(11), world.taken(13)]
        await asyncio.sleep(3 * 3600)
        condition = _condition(world)
        assert (condition["status"], condition["reason"]) == ("True", "RefsCurrent")
        assert "1 ref of backups that the list lacks stay for now" in condition["message"]
        assert world.api.writes("get") == []


async def test_what_is_under_way_is_pending(world: MonitorWorld) -> None:
    """It should go, and goes when it is done."""
    async with world.running():
        await _current(world)
        await _next(world, world.taken(1, "running", minutes=5), world.taken(2, minutes=2), world.taken(3, minutes=1))
        await asyncio.sleep(3)
        assert (_condition(world)["reason"], "under way" in _condition(world)["message"]) == ("RefsPending", True)
        await _next(world, world.taken(1, minutes=5), world.taken(2, minutes=2), world.taken(3, minutes=1))
        await asyncio.sleep(3)
        assert (_condition(world)["reason"], len(world.api.objects)) == ("RefsCurrent", 2)


async def test_a_round_for_an_edited_spec_says_nothing(world: MonitorWorld) -> None:
    """What is shown is about the generation that it names."""
    async with world.running():
        create, gate = world.api.create, asyncio.Event()

        async def late(*args: Any, **options: Any) -> RefResult:
            await gate.wait()
            return await create(*args, **options)

        world.api.create = late  # type: ignore[method-assign]
        world.monitor(mirror=MIRROR | {"newest": 1})
        await world.answer(world.taken(1), world.taken(2, minutes=2))
        await asyncio.sleep(3)
        world.monitor(mirror=MIRROR)
        await world.answer(world.taken(1), world.taken(2, minutes=2))
        await world.reason("Ready", "ListObserved")
        gate.set()
        for _ in range(30):
            await asyncio.sleep(0.1)
            status = world.cluster.objects["shop"]["status"]
            if _condition(world)["observedGeneration"] == 2:
                assert status["refs"]["wanted"] == 2
        assert _condition(world)["observedGeneration"] == 2
        assert status["refs"] == {"wanted": 2, "existing": 2}


async def test_a_suspended_monitor_writes_no_more(world: MonitorWorld) -> None:
    """Also in the middle of a round."""
    async with world.running():
        world.monitor(mirror={"newest": 60})
        await world.answer(
            *(world.taken(number)._replace(id=f"{number:08}" + ID.format(1)[8:]) for number in range(60))
        )
        await asyncio.sleep(1.5)
        assert world.api.writes()
        world.monitor(mirror={"newest": 60}, suspend=True)
        await asyncio.sleep(0.1)
        before = len(world.api.calls)
        await asyncio.sleep(10)
        assert len(world.api.calls) == before < 30


async def test_a_quota_of_just_as_many_refs_suffices(world: MonitorWorld) -> None:
    """An old one goes before a new one is made."""
    async with world.running():
        world.api.quota = 2
        await _current(world)
        await _next(world, *(world.taken(number, minutes=10 - number) for number in (1, 2, 3)))
        await asyncio.sleep(3)
        assert sorted(world.api.objects) == ["nightly-2-00000000", "nightly-3-00000000"]
        assert world.notes == []


async def test_a_quota_is_tried_with_few_refs(world: MonitorWorld) -> None:
    """Not with each; other ones the next time, for it may be about the refs themselves."""
    async with world.running():
        world.api.fails["create"] = REFUSED
        world.monitor(mirror={"newest": 50})
        backups = [world.taken(number)._replace(id=f"{number:08}" + ID.format(1)[8:]) for number in range(50)]
        await world.answer(*backups)
        await world.reason("RefsCurrent", "RefsRefused")
        await asyncio.sleep(5)
        tried = world.api.writes("create")
        assert len(tried) == 3
        assert "50 refs refused" in _condition(world)["message"]
        await asyncio.sleep(60)
        await _next(world, *backups)
        await asyncio.sleep(5)
        assert len(set(world.api.writes("create"))) == 6


async def test_a_quota_that_refuses_others_each_time_moves_no_status(world: MonitorWorld) -> None:
    """The API server's message names the ref, and each time others are tried."""
    async with world.running():
        world.api.quota = 0
        world.monitor(mirror={"newest": 10})
        backups = [world.taken(number)._replace(id=f"{number:08}" + ID.format(1)[8:]) for number in range(10)]
        await world.answer(*backups)
        await world.reason("RefsCurrent", "RefsRefused")
        await asyncio.sleep(5)
        before = world.cluster.patches
        message = _condition(world)["message"]
        refused = 'appbackuprefs.astra-mirror.io "…" is forbidden: exceeded quota: q'
        assert message == f"10 refs refused by the API server: {refused}"
        for _ in range(3):
            await asyncio.sleep(60)
            await _next(world, *backups)
        await asyncio.sleep(5)
        assert len(set(world.api.writes("create"))) > 3
        # One for each read that was asked for, which the status confirms.
        assert (world.cluster.patches, _condition(world)["message"]) == (before + 3, message)


async def test_a_repair_that_is_not_stored_is_reported(world: MonitorWorld) -> None:
    """A webhook sets the field back at once. It is tried again with the next list."""
    async with world.running():
        await _current(world)
        [name, *_] = world.api.objects
        patch = world.api.patch

        async def altered(namespace: str, name: str, **options: Any) -> RefResult:
            await patch(namespace, name, **options)
            found = world.cluster.objects[name]
            found["spec"]["appID"] = ID.format(9)
            return RefResult(Ended.DONE, copy.deepcopy(found))

        world.api.patch = altered  # type: ignore[method-assign]
        world.edit(name, spec={"appID": ID.format(9)})
        await world.reason("RefsCurrent", "RefsPending")
        assert "does a webhook change it" in _condition(world)["message"]
        await asyncio.sleep(30)
        assert world.api.writes("patch") == [name]


async def test_a_name_that_is_free_by_now_is_tried_again_at_once(world: MonitorWorld) -> None:
    """In the same round, and a conflict of versions as well."""
    async with world.running():
        world.api.once["create"] = RefResult(Ended.EXISTS)
        world.monitor(mirror=MIRROR)
        await world.answer(world.taken(1))
        await world.reason("RefsCurrent", "RefsCurrent", seconds=2)
        world.api.once["create"] = RefResult(Ended.MOVED)
        await _next(world, world.taken(1), world.taken(2))
        await asyncio.sleep(2)
        assert len(world.api.objects) == 2


async def test_a_defect_is_not_repeated_all_the_time(world: MonitorWorld, caplog: pytest.LogCaptureFixture) -> None:
    """What refs have changed meanwhile is not lost."""
    async with world.running():
        name, *_ = await _current(world)
        take = world.lists.take_completed

        def broken() -> Any:
            raise ValueError("a defect")

        world.lists.take_completed = broken  # type: ignore[method-assign]
        world.remove(name)
        await asyncio.sleep(10)
        assert sum("could not be looked at" in each.message for each in caplog.records) <= 12
        world.lists.take_completed = take  # type: ignore[method-assign]
        await asyncio.sleep(3)
        assert name in world.cluster.objects


async def test_what_the_role_forbids_is_logged_once(world: MonitorWorld, caplog: pytest.LogCaptureFixture) -> None:
    """For a namespace, with the verb."""
    caplog.set_level(logging.WARNING)
    async with world.running():
        world.api.fails["create"] = FORBIDDEN
        world.monitor(mirror=MIRROR)
        await world.answer(world.taken(1))
        await world.reason("RefsCurrent", "RefsForbidden")
        for _ in range(3):
            await asyncio.sleep(70)
            await _next(world, world.taken(1))
        [line] = [each.message for each in caplog.records if "not allow it to create" in each.message]
        assert "namespace ns" in line


async def test_no_ref_is_written_before_all_are_known(world: MonitorWorld) -> None:
    """Otherwise the ref of a renamed backup would be made a second time."""
    async with world.running():
        world.informer.not_ready_reason = "not listed yet"
        world.monitor(mirror=MIRROR)
        await world.answer(world.taken(1, name="renamed"))
        await asyncio.sleep(10)
        assert world.api.calls == []
        world.forged("shop", 1)
        world.informer.not_ready_reason = None
        await asyncio.sleep(3)
        assert world.api.writes("create") == []


async def test_a_new_leader_writes_by_a_list_of_its_own(world: MonitorWorld) -> None:
    """Not by the one that it read when it led before."""
    async with world.running():
        name, *_ = await _current(world)
    world.remove(name)
    world.api.calls.clear()
    async with world.running({}):
        await asyncio.sleep(5)
        assert world.api.calls == []


async def test_what_was_made_again_is_remembered_by_a_process_that_leads_anew(world: MonitorWorld) -> None:
    """The third time is that of the process: it comes with the first list, and the next one has to wait."""
    backups = [world.taken(number, minutes=number) for number in (1, 2, 3)]
    async with world.running():
        name, *_ = await _current(world)
        for _ in range(2):
            world.remove(name)
            await asyncio.sleep(2)
            assert name in world.api.objects
    while not world.astra.asked.empty():
        # What the refs have asked for ended with that.
        world.astra.asked.get_nowait()
    async with world.running({}):
        await world.answer(*backups)
        for is_made in (True, False):
            await asyncio.sleep(2)
            world.remove(name)
            await asyncio.sleep(10)
            assert (name in world.api.objects) is is_made
        await _next(world, *backups)
        await asyncio.sleep(2)
        assert name in world.api.objects
