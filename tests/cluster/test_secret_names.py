"""Secret names: one namespace's many names leave the others working, and forbidden names hold no watch."""

import asyncio

import pytest
from prometheus_client import REGISTRY

from astra_mirror.cluster.secret_wire import ReadError
from astra_mirror.core.outcome import SyncReason
from astra_mirror.core.secret_names import MAX_NAMES, MAX_WATCHES
from tests.cluster.secret_world import DEFAULT, SecretWorld

pytestmark = pytest.mark.virtual

_QUOTA = "this namespace uses 16 Secret names already"


async def test_many_made_up_names_stop_nobody() -> None:
    """250 names in one namespace, all before those of other namespaces, leave the others working."""
    world = SecretWorld()
    world.server.forbids = lambda name: name not in {DEFAULT, "team"}
    for name in (DEFAULT, "team"):
        world.server.write("good", name)
    world.server.write("aaa-evil")
    async with world.running():
        for number in range(250):
            world.answer("aaa-evil", f"none-{number}")
        world.answer("good")
        world.answer("good", "team")
        world.answer("aaa-evil")
        await asyncio.sleep(2)
        assert world.token("good") == world.token("good", "team") == world.token("aaa-evil") == "a-good-token"
        messages = [world.answer("aaa-evil", f"none-{number}") for number in range(250)]
        assert sum(_QUOTA in str(each) for each in messages) == 250 - MAX_NAMES
        await asyncio.sleep(60)
        assert all(world.reason("aaa-evil", f"none-{n}") is SyncReason.SECRET_FORBIDDEN for n in range(MAX_NAMES))
        assert len(world.server.open_watches()) == 2


async def test_a_name_beyond_the_quota_is_read_when_a_place_is_free() -> None:
    """The seventeenth name is refused with the reason, holds no watch, and is read once another is unused."""
    world = SecretWorld()
    names = [f"s{number}" for number in range(MAX_NAMES + 1)]
    for name in names:
        world.server.write("ns", name)
    before = REGISTRY.get_sample_value("astra_mirror_quota_refusals_total", {"kind": "secret_names"}) or 0.0
    async with world.running():
        for name in names:
            world.answer("ns", name)
        await asyncio.sleep(1)
        assert all(world.token("ns", name) for name in names[:MAX_NAMES])
        assert _QUOTA in world.message("ns", names[-1])
        assert world.reason("ns", names[-1]) is SyncReason.SECRET_FORBIDDEN
        assert len(world.server.open_watches()) == MAX_NAMES
        after = REGISTRY.get_sample_value("astra_mirror_quota_refusals_total", {"kind": "secret_names"})
        assert after == before + 1
        world.store.retain({("ns", name) for name in names[1:]})
        await asyncio.sleep(1)
        assert world.token("ns", names[-1])
        assert ("ns", names[-1]) in {each[1:] for each in world.changed}


async def test_all_places_taken_leave_one_for_a_newcomer() -> None:
    """When all places are taken, the default name and the first name of a new namespace are still watched."""
    world = SecretWorld()
    for number in range(20):
        for name in range(MAX_NAMES):
            world.server.write(f"evil-{number}", f"s{number}-{name}")
    world.server.write("good", "mine")
    world.server.write("good")
    async with world.running():
        for number in range(20):
            for name in range(MAX_NAMES):
                world.answer(f"evil-{number}", f"s{number}-{name}")
        await asyncio.sleep(5)
        assert len(world.server.open_watches()) == MAX_WATCHES
        refused = [n for n in range(20) if "follows 250 Secret names" in str(world.answer(f"evil-{n}", f"s{n}-15"))]
        assert refused
        world.answer("good", "mine")
        world.answer("good")
        await asyncio.sleep(5)
        assert world.token("good", "mine") == world.token("good") == "a-good-token"
        assert len(world.server.open_watches()) == MAX_WATCHES


async def test_a_name_that_many_namespaces_use_is_one_watch() -> None:
    """Namespaces that use the same name share a watch."""
    world = SecretWorld()
    for number in range(300):
        world.server.write(f"ns-{number}", "shared")
    async with world.running():
        for number in range(300):
            world.answer(f"ns-{number}", "shared")
        await asyncio.sleep(5)
        assert all(world.token(f"ns-{number}", "shared") for number in range(300))
        assert len(world.server.open_watches()) == 1
        assert world.token("ns-1", "shared") is not None
        assert world.answer("ns-1", "shared") is world.answer("ns-2", "shared"), "equal contents are parsed once"


async def test_a_refusal_counts_after_half_a_minute() -> None:
    """A 403 counts after 30 s; until then a new object has no result, and an old one keeps its own."""
    world = SecretWorld()
    world.server.write("ns")
    async with world.running():
        world.answer("ns")
        await asyncio.sleep(5)
        world.server.forbids = lambda _: True
        world.server.break_watches(ReadError("403 Forbidden", 403))
        world.answer("ns", "other")
        await asyncio.sleep(25)
        assert world.token("ns") == "a-good-token"
        assert world.reason("ns", "other") is None
        await asyncio.sleep(15)
        assert world.reason("ns", "other") is SyncReason.SECRET_FORBIDDEN
        await asyncio.sleep(60)
        assert world.reason("ns") is SyncReason.SECRET_FORBIDDEN
        world.server.forbids = lambda _: False
        await asyncio.sleep(31)
        assert world.token("ns") == "a-good-token"


async def test_an_extended_role_counts_within_five_minutes() -> None:
    """Of 300 forbidden names one is read each second, and each of them within five minutes."""
    world = SecretWorld()
    world.server.forbids = lambda name: name != DEFAULT
    used = [(f"evil-{number % 20}", f"none-{number}") for number in range(299)] + [("good", "mine")]
    for secret in used:
        world.server.write(*secret)
    async with world.running():
        for secret in used:
            world.answer(*secret)
        await world.until(lambda: all("resourceNames" in str(world.answer(*secret)) for secret in used))
        assert not world.server.open_watches()
        before = len(world.server.times("list"))
        await asyncio.sleep(60)
        assert 55 <= len(world.server.times("list")) - before <= 60
        allowed = [secret for secret in used if secret[1].endswith(("1", "3", "5", "mine"))]
        world.server.forbids = lambda name: name not in {each for _, each in allowed}
        await asyncio.sleep(300)
        assert {world.token(*secret) for secret in allowed} == {"a-good-token"}


async def test_forbidden_names_come_by_turns() -> None:
    """A thousand forbidden names of one namespace do not delay those of another."""
    world = SecretWorld()
    world.server.forbids = lambda name: name != DEFAULT
    async with world.running():
        world.answer("good", "mine")
        for number in range(1000):
            world.answer("evil", f"none-{number}")
        await world.until(lambda: len(world.server.times("list")) > 2000)
        assert world.reason("good", "mine") is SyncReason.SECRET_FORBIDDEN
        world.server.write("good", "mine")
        world.server.forbids = lambda name: name not in {DEFAULT, "mine"}
        await asyncio.sleep(300)
        assert world.token("good", "mine") == "a-good-token"


async def test_in_namespaces_of_its_own_each_has_its_watches() -> None:
    """With --namespace each namespace has its own watch, and may be forbidden by itself."""
    world = SecretWorld(("one", "two"))
    world.server.write("one")
    world.server.write("three")
    async with world.running():
        world.answer("one")
        world.answer("two")
        await asyncio.sleep(1)
        assert world.token("one") == "a-good-token"
        assert world.reason("two") is SyncReason.SECRET_NOT_FOUND
        assert {each.selector.scope for each in world.server.open_watches()} == {"one", "two"}
