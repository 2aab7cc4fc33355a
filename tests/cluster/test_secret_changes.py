"""What a changed Secret costs, however often it changes and however large it is."""

import asyncio
import base64

import pytest

from astra_mirror.cluster.secret_wire import ReadError
from astra_mirror.core.outcome import SyncReason
from tests.cluster.secret_world import SecretWorld, keys

pytestmark = pytest.mark.virtual

_LARGE = "#" + "x" * 20000 + "\n"


_MEDIUM = "#" + "x" * 2000 + "\n"


def _large(token: str) -> dict[str, str]:
    return keys(token, config_yaml=_LARGE)


async def test_what_is_not_small_but_can_be_held_is_not_read_again() -> None:
    """A config.yaml of the usual size causes no request of its own."""
    world = SecretWorld()
    for number in range(300):
        world.server.write(f"ns-{number}", data=keys(f"a-token-{number}", config_yaml=_MEDIUM))
    async with world.running():
        for number in range(300):
            world.answer(f"ns-{number}")
        await asyncio.sleep(1)
        assert [world.token(f"ns-{number}") for number in range(300)] == [f"a-token-{n}" for n in range(300)]
        assert not world.server.times("get")


async def test_a_secret_written_in_a_loop_counts_now_and_then() -> None:
    """Three changes a minute take effect at once, later ones every ten seconds, and the last one always."""
    world = SecretWorld()
    world.server.write("ns", data=keys("token-first"))
    world.server.write("other")
    async with world.running():
        world.answer("ns")
        world.answer("other")
        await asyncio.sleep(1)
        world.changed.clear()
        begun = asyncio.get_running_loop().time()
        for number in range(200):
            world.server.write("ns", data=keys(f"a-token-{number}"))
            await asyncio.sleep(0.3)
        assert [round(at - begun) for at, *_ in world.changed[:3]] == [0, 0, 1]
        assert 8 <= len(world.changed) <= 10
        await asyncio.sleep(11)
        assert world.token("ns") == "a-token-199"
        assert {namespace for _, namespace, _ in world.changed} == {"ns"}


async def test_while_a_change_waits_the_old_content_stands() -> None:
    """The old content stays in effect, also for a Secret that was deleted and written again meanwhile."""
    world = SecretWorld()
    world.server.write("ns", data=keys("token-first"))
    async with world.running():
        world.answer("ns")
        await asyncio.sleep(1)
        for token in ("a-token-1", "a-token-2", "a-token-3"):
            world.server.write("ns", data=keys(token))
            await asyncio.sleep(0.1)
        world.server.delete("ns")
        await asyncio.sleep(5)
        assert world.token("ns") == "a-token-3"
        world.server.write("ns", data=keys("a-token-4"))
        await asyncio.sleep(6)
        assert world.token("ns") == "a-token-4"
        world.server.delete("ns")
        await asyncio.sleep(11)
        assert world.reason("ns") is SyncReason.SECRET_NOT_FOUND


async def test_what_changes_nothing_is_no_change() -> None:
    """A change of a label or of another key is not reported, and does not count for the throttle."""
    world = SecretWorld()
    world.server.write("ns")
    async with world.running():
        world.answer("ns")
        await asyncio.sleep(1)
        before = world.answer("ns")
        world.changed.clear()
        for number in range(20):
            world.server.write("ns", data=keys(note=str(number)))
            await asyncio.sleep(0.1)
        assert not world.changed
        assert world.answer("ns") is before
        world.server.write("ns", data=keys("another-token"))
        await asyncio.sleep(0.1)
        assert world.token("ns") == "another-token"


async def test_large_contents_are_read_again_and_parsed_by_turns() -> None:
    """Large contents take effect as small ones do; equal ones are parsed once, unused ones never."""
    world = SecretWorld()
    for namespace in ("one", "two", "unused"):
        world.server.write(namespace, data=_large("a-large-token"))
    async with world.running():
        world.answer("one")
        world.answer("two")
        await asyncio.sleep(2)
        assert world.token("one") == "a-large-token"
        assert world.answer("one") is world.answer("two")
        assert len(world.server.times("get")) == 2
        world.answer("unused")
        await asyncio.sleep(2)
        assert world.answer("unused") is world.answer("one")
        world.server.write("one", data=_large("another-token"))
        await asyncio.sleep(2)
        assert world.token("one") == "another-token"
        world.server.write("one", data=keys("small-again"))
        await asyncio.sleep(2)
        assert world.token("one") == "small-again"


async def test_a_large_content_that_has_changed_meanwhile_is_not_taken() -> None:
    """A content that changed while it was read is not used; the one before stays in effect."""
    world = SecretWorld()
    world.server.write("ns", data=keys("token-first"))
    async with world.running():
        world.answer("ns")
        await asyncio.sleep(1)
        world.changed.clear()
        world.server.delay = 5
        world.server.write("ns", data=_large("token-large"))
        await asyncio.sleep(1)
        assert world.token("ns") == "token-first"
        world.server.write("ns", data=keys("token-small"))
        await asyncio.sleep(20)
        assert world.token("ns") == "token-small"
        assert len(world.changed) == 1


async def test_one_tenants_large_secrets_wait_for_no_others() -> None:
    """A hundred large Secrets of one namespace do not delay the only one of another."""
    world = SecretWorld()
    for number in range(16):
        world.server.write("evil", f"s{number:02}", data=_large(f"a-token-{number}"))
    world.server.write("good", "zz", data=_large("a-good-token"))
    async with world.running():
        for number in range(16):
            world.answer("evil", f"s{number:02}")
        world.answer("good", "zz")
        await asyncio.sleep(3)
        assert world.token("good", "zz") == "a-good-token"
        order = [what.namespace for _, kind, what in world.server.asked if kind == "get"]  # type: ignore[attr-defined]
        assert order.index("good") <= 5


async def test_any_bytes_are_secret_invalid_for_that_namespace() -> None:
    """Invalid bytes are SecretInvalid in their own namespace; the connections of others stay."""
    world = SecretWorld()
    world.server.write("good")
    broken = {"one": {}, "two": {"url": "%%%"}, "three": {"token": base64.b64encode(b"\xff\xfe").decode()}}
    for namespace, data in broken.items():
        world.server.write(namespace, data=data)
    async with world.running():
        for namespace in ("good", *broken):
            world.answer(namespace)
        await asyncio.sleep(1)
        assert {world.reason(namespace) for namespace in broken} == {SyncReason.SECRET_INVALID}
        assert world.token("good") == "a-good-token"
        assert sorted(world.store.results()) == ["SecretInvalid"] * 3 + ["ok"]


async def test_a_restart_of_a_list_finds_what_was_deleted_meanwhile() -> None:
    """A new list finds deleted Secrets, also when it has several pages."""
    world = SecretWorld()
    for number in range(700):
        world.server.write(f"ns-{number:03}")
    async with world.running():
        for number in range(700):
            world.answer(f"ns-{number:03}")
        await asyncio.sleep(2)
        assert {world.token(f"ns-{number:03}") for number in range(700)} == {"a-good-token"}
        for watch in world.server.open_watches():
            watch.close()
            watch.events.put_nowait(ConnectionError())
        await asyncio.sleep(0)
        world.server.delete("ns-650")
        world.server.write("ns-651", data=keys("another-token"))
        await asyncio.sleep(60)
        assert world.reason("ns-650") is SyncReason.SECRET_NOT_FOUND
        assert world.token("ns-651") == "another-token"
        assert world.token("ns-000") == "a-good-token"


async def test_what_a_watch_has_swallowed_counts_within_five_minutes() -> None:
    """A periodic list finds a changed, a new and a deleted Secret that a watch did not report."""
    world = SecretWorld()
    world.server.write("changed")
    world.server.write("gone")
    async with world.running():
        for namespace in ("changed", "gone", "new"):
            world.answer(namespace)
        await asyncio.sleep(70)
        world.server.swallows = True
        world.server.write("changed", data=keys("another-token"))
        world.server.write("new")
        world.server.delete("gone")
        await asyncio.sleep(5)
        assert (world.token("changed"), world.token("gone")) == ("a-good-token", "a-good-token")
        assert world.reason("new") is SyncReason.SECRET_NOT_FOUND
        await asyncio.sleep(295)
        assert (world.token("changed"), world.token("new")) == ("another-token", "a-good-token")
        assert world.reason("gone") is SyncReason.SECRET_NOT_FOUND
        world.changed.clear()
        await asyncio.sleep(3600)
        assert not world.changed
        assert 13 <= len(world.server.times("list")) <= 20


async def test_a_list_for_safety_that_fails_leaves_the_watch_alone() -> None:
    """When a periodic list fails, known contents stay, changes take effect at once, and no single reads follow."""
    world = SecretWorld()
    world.server.write("ns")
    async with world.running():
        world.answer("ns")
        await asyncio.sleep(1)
        world.server.list_fault = ReadError("500 unable to decrypt", 500)
        await asyncio.sleep(1800)
        world.server.write("ns", data=keys("another-token"))
        await asyncio.sleep(3)
        assert world.token("ns") == "another-token"
        assert not world.server.times("get")
