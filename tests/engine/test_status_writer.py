"""An API server that refuses writes or does not answer them: who waits, for how long, and what it costs the others."""

import asyncio
import logging
from collections import Counter
from itertools import pairwise

import pytest

from astra_mirror.api.meta import Names
from astra_mirror.core.write_results import Refused
from tests.engine.world import ID, World
from tests.virtual_time import clock

POLICY = Refused(422, "Invalid", 'appbackuprefs "ref" is invalid: denied request: needs the label owner')


async def test_a_refused_write_is_tried_again_ever_more_slowly(caplog: pytest.LogCaptureFixture) -> None:
    """After 1, 2, 4 … 60 seconds; one line in the log has the API server's words."""
    world = World()
    world.cluster.refuses = POLICY
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7))
        await world.answer([7])
        await asyncio.sleep(250)
        times = [time for _, time in world.cluster.patched]
        gaps = [round(after - before) for before, after in pairwise(times)]
        assert gaps == [1, 2, 4, 8, 16, 32, 60, 60, 60]
        world.cluster.refuses = None
        await world.cluster.until("ref", seconds=61, state="completed")
    [line] = [each.getMessage() for each in caplog.records if "could not be written" in each.getMessage()]
    assert "needs the label owner" in line
    assert "422 Invalid" in line


async def test_a_refused_write_is_tried_at_once_when_the_object_changes() -> None:
    """The label that the policy wanted has been set."""
    world = World()
    world.cluster.refuses = POLICY
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7))
        await world.answer([7])
        await asyncio.sleep(200)
        world.cluster.refuses = None
        start = clock()
        world.entrance.seen(world.cluster.edit("ref"))
        await world.cluster.until("ref", state="completed")
        assert clock() - start < 0.1


async def test_a_namespace_that_refuses_everything_is_tried_once_a_second() -> None:
    """Its hundred objects cost one attempt a second; the one that has changed goes first; one success frees all."""
    world = World()
    world.cluster.refuses = POLICY
    numbers = range(1000, 1100)
    async with world.running():
        for number in numbers:
            world.entrance.seen(world.cluster.put(f"ref-{number}", number, account=number))
        await world.answer(numbers)
        await asyncio.sleep(200)
        recent = [time for _, time in world.cluster.patched if time > clock() - 60]
        assert 55 <= len(recent) <= 61
        world.cluster.refuses = None
        start = clock()
        world.entrance.seen(world.cluster.edit("ref-1077"))
        await world.cluster.until("ref-1077", state="completed")
        assert clock() - start <= 1.0
        await asyncio.sleep(60)
        assert all("state" in each["status"] for each in world.cluster.objects.values())


async def test_each_reason_of_a_namespace_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Not for each object, and not anew after a success."""
    world = World()
    async with world.running():
        for number, namespace in ((1001, "one"), (1002, "one"), (1003, "two")):
            words = f'"ref-{number}" is invalid: no owner'
            world.cluster.refuses = Refused(422, "Invalid", words)
            world.entrance.seen(world.cluster.put(f"ref-{number}", number, account=number, namespace=namespace))
            await world.answer([number])
            await asyncio.sleep(0.1)
        assert caplog.text.count("no owner") == 2
        world.cluster.refuses = Refused(403, "Forbidden", "no right")
        await asyncio.sleep(100)
        assert caplog.text.count("no right") == 2
        world.cluster.refuses = None
        await asyncio.sleep(100)
        world.cluster.refuses = Refused(403, "Forbidden", "no right")
        world.entrance.seen(world.cluster.edit("ref-1001", state="failed"))
        await asyncio.sleep(1)
        assert caplog.text.count("no right") == 2


async def test_whoever_does_not_write_has_nothing_pending() -> None:
    """Another process leads, and may know better: an alert on what waits would never end."""
    world = World()
    async with world.running():
        world.cluster.refuses = Refused(403, "Forbidden", "no right")
        world.entrance.seen(world.cluster.put("ref-1000", 1000))
        await world.answer(range(1000, 1001))
        await asyncio.sleep(5)
        assert world.engine.pending()[0] == 1
    assert world.engine.pending() == (0, 0.0)
    async with world.running():
        await asyncio.sleep(1)
        assert world.engine.pending()[0] == 1


async def test_who_leads_again_tries_all_again() -> None:
    """What refused the writes may have made it lose the Lease as well."""
    world = World()
    async with world.running():
        world.cluster.refuses = Refused(500, "InternalError", "no space")
        world.entrance.seen(world.cluster.put("ref", 7))
        await world.answer([7])
        await asyncio.sleep(200)
    world.cluster.refuses = None
    async with world.running():
        start = clock()
        await world.cluster.until("ref", state="completed")
        assert clock() - start < 1


async def test_patches_that_are_never_answered_delay_no_other_namespace() -> None:
    """At most a second, and that at the beginning; each of them ends after 35 seconds and is tried again."""
    world = World()
    bad, good = range(1000, 1100), range(2000, 2060)
    async with world.running():
        for number in good:
            world.entrance.seen(world.cluster.put(f"ref-{number}", number, account=number, namespace="good"))
        await world.answer(good, "running")
        await asyncio.sleep(1)
        world.cluster.hangs = {"bad"}
        for number in bad:
            world.entrance.seen(world.cluster.put(f"ref-{number}", number, account=number, namespace="bad"))
        await world.answer(bad)
        for number in good:
            start = clock()
            world.entrance.seen(world.cluster.edit(f"ref-{number}", state="failed"))
            await world.cluster.until(f"ref-{number}", state="running")
            assert clock() - start <= 1.0
            await asyncio.sleep(2)
        # Four that hang without a slot, and the twelve slots that a namespace which hangs may hold.
        assert len(world.cluster.under_way) <= 16
        hung = Counter(name for name, time in world.cluster.patched if name in {f"ref-{each}" for each in bad})
        assert max(hung.values()) <= 2 + 120 // 36
        world.cluster.hangs = set()
        await asyncio.sleep(100)
        assert all("state" in each["status"] for each in world.cluster.objects.values())


async def test_corrections_that_are_never_answered_delay_no_other_namespace() -> None:
    """Another namespace's status is put right while all that one namespace meddled with hang."""
    world = World()
    bad, good = range(1000, 1040), range(2000, 2010)
    async with world.running():
        for namespace, numbers in (("bad", bad), ("good", good)):
            for number in numbers:
                world.entrance.seen(world.cluster.put(f"ref-{number}", number, account=number, namespace=namespace))
            await world.answer(numbers, "running")
        await asyncio.sleep(1)
        world.cluster.hangs = {"bad"}
        for number in bad:
            world.entrance.seen(world.cluster.edit(f"ref-{number}", state="a lie"))
        for number in good:
            start = clock()
            world.entrance.seen(world.cluster.edit(f"ref-{number}", state="a lie"))
            await world.cluster.until(f"ref-{number}", state="running")
            assert clock() - start <= 1.0
            await asyncio.sleep(2)


async def test_what_waits_is_written_before_the_end(caplog: pytest.LogCaptureFixture) -> None:
    """Also what waits for its time; but the end comes after five seconds, whatever hangs."""
    caplog.set_level(logging.WARNING)
    world = World()
    async with world.running():
        world.cluster.refuses = POLICY
        for number in (1001, 1002):
            world.entrance.seen(world.cluster.put(f"ref-{number}", number, account=number))
        await world.answer((1001, 1002))
        await asyncio.sleep(100)
        world.cluster.refuses = None
        start = clock()
        await world.engine.drain(5.0)
        assert clock() - start < 0.1
        assert all(each["status"]["state"] == "completed" for each in world.cluster.objects.values())
        await world.engine.drain(5.0)
        assert clock() - start < 0.1
        world.cluster.hangs = {"ns"}
        world.entrance.seen(world.cluster.edit("ref-1001", state="failed"))
        await asyncio.sleep(0.01)
        await world.engine.drain(5.0)
        assert 4.9 < clock() - start < 5.2
    assert "Stopping before 1 statuses" in caplog.text


async def test_an_object_that_somebody_keeps_changing_is_written_all_the_same() -> None:
    """A conflict is followed by a look and another attempt, and many of them by pauses."""
    world = World()
    patch, rivals = world.cluster.patch, 6

    async def beaten(names: Names, namespace: str, name: str, **options: object) -> object:
        nonlocal rivals
        if rivals:
            rivals -= 1
            world.cluster.edit(name)
        return await patch(names, namespace, name, **options)  # type: ignore[arg-type]

    world.cluster.patch = beaten  # type: ignore[method-assign, assignment]
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7))
        await world.answer([7])
        await world.cluster.until("ref", seconds=20, state="completed")
    assert world.cluster.patches == 7
    assert clock() > 4


async def test_one_write_for_an_object_is_under_way_at_a_time() -> None:
    """Also while it hangs and the desired status changes, and when the object is seen anew. The fake would notice."""
    world = World()
    world.cluster.hangs = {"ns"}
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7, interval="1s"))
        await world.answer([7], "running")
        for state in ("pending", "running", "completed"):
            await asyncio.sleep(2)
            world.entrance.seen(world.cluster.edit("ref"))
            await world.answer([7], state)
        world.entrance.deleted("ref", "ns")
        world.entrance.seen(world.cluster.put("ref", 7))
        await world.answer([7])
        world.cluster.hangs = set()
        await world.cluster.until("ref", seconds=50, state="completed")
    assert ID.format(7) == world.cluster.objects["ref"]["status"]["target"]["backupID"]
