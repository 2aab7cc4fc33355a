"""Reading Secrets while the API server does not deliver them: which failures count, when, and for which refs."""

import asyncio

import pytest

from astra_mirror.cluster.secret_wire import ReadError
from astra_mirror.core.outcome import SyncReason
from tests.cluster.secret_world import DEFAULT, SecretWorld, keys

pytestmark = pytest.mark.virtual

_FAULTS = {
    "401": ReadError("401 Unauthorized", 401),
    "429": ReadError("429 Too Many Requests", 429),
    "500": ReadError("500 Internal Server Error", 500),
    "503": ReadError("503 Service Unavailable", 503),
    "time-out": ReadError("TimeoutError"),
}


@pytest.mark.parametrize("fault", _FAULTS)
async def test_what_was_never_read_is_unreadable_after_ten_seconds(fault: str) -> None:
    """SecretUnreadable is reported once, after ten seconds, and the connection soon after the fault has ended."""
    world = SecretWorld()
    world.server.write("ns")
    world.server.fail(_FAULTS[fault])
    async with world.running():
        assert world.answer("ns") is None
        await asyncio.sleep(9)
        assert world.answer("ns") is None
        await asyncio.sleep(5)
        assert world.reason("ns") is SyncReason.SECRET_UNREADABLE
        await asyncio.sleep(600)
        assert len(world.changed) == 1
        assert list(world.store.results()) == ["SecretUnreadable"]
        world.server.fail(None)
        await asyncio.sleep(31)
        assert world.token("ns") == "a-good-token"


async def test_no_answer_at_all_is_a_failure_too() -> None:
    """Requests without a response count as failures."""
    world = SecretWorld()
    world.server.write("ns")
    world.server.delay = 30
    world.server.fail(ReadError("TimeoutError"))
    async with world.running():
        world.answer("ns")
        await asyncio.sleep(9)
        assert world.answer("ns") is None
        await asyncio.sleep(6)
        assert world.reason("ns") is SyncReason.SECRET_UNREADABLE


async def test_what_was_read_once_stands_while_nothing_can_be_read() -> None:
    """During an hour of errors a connection, a missing Secret and an invalid Secret stay what they were."""
    world = SecretWorld()
    world.server.write("ns")
    world.server.write("bad", data={"url": "!"})
    async with world.running():
        for namespace in ("ns", "bad", "none"):
            world.answer(namespace)
        await asyncio.sleep(1)
        told = len(world.changed)
        fault = ReadError("500 Internal Server Error", 500)
        world.server.fail(fault)
        world.server.break_watches(fault)
        await asyncio.sleep(3600)
        assert world.token("ns") == "a-good-token"
        assert world.reason("bad") is SyncReason.SECRET_INVALID
        assert world.reason("none") is SyncReason.SECRET_NOT_FOUND
        assert len(world.changed) == told
        world.server.fail(None)
        world.server.write("ns", data=keys("another-token"))
        await asyncio.sleep(31)
        assert world.token("ns") == "another-token"


async def test_one_secret_that_cannot_be_decrypted_stops_nobody_else() -> None:
    """While all lists fail, the other Secrets are read one by one, and changes take effect within a minute."""
    world = SecretWorld()
    for number in range(100):
        world.server.write(f"ns-{number}")
    world.server.write("ns-1", "other")
    fault = ReadError("500 unable to decrypt", 500)
    world.server.list_fault = fault
    world.server.get_fault = lambda pair: fault if pair.namespace == "ns-0" else None
    async with world.running():
        for number in range(100):
            world.answer(f"ns-{number}")
        world.answer("ns-1", "other")
        world.answer("none")
        await asyncio.sleep(20)
        assert {world.token(f"ns-{number}") for number in range(1, 100)} == {"a-good-token"}
        assert world.token("ns-1", "other") == "a-good-token"
        assert world.reason("ns-0") is SyncReason.SECRET_UNREADABLE
        assert world.reason("none") is SyncReason.SECRET_NOT_FOUND
        # Nobody else has been told that theirs is unreadable on the way.
        assert len(world.changed) == 102
        world.server.write("ns-5", data=keys("another-token"))
        world.server.delete("ns-6")
        world.server.write("none")
        await asyncio.sleep(60)
        assert world.token("ns-5") == "another-token"
        assert world.reason("ns-6") is SyncReason.SECRET_NOT_FOUND
        assert world.token("none") == "a-good-token"
        assert max(_in_a_second(world.server.times("get"))) <= 21
        world.server.fail(None)
        await asyncio.sleep(31)
        assert world.token("ns-0") == "a-good-token"
        gets = len(world.server.times("get"))
        await asyncio.sleep(300)
        assert len(world.server.times("get")) == gets


def _in_a_second(times: list[float]) -> list[int]:
    return [sum(at <= each < at + 1 for each in times) for at in times]


async def test_it_fails_later_too() -> None:
    """When a list starts to fail, the Secret of a new ref is read by itself."""
    world = SecretWorld()
    for namespace in ("old", "new"):
        world.server.write(namespace)
    async with world.running():
        world.answer("old")
        await asyncio.sleep(1)
        fault = ReadError("500 unable to decrypt", 500)
        world.server.list_fault = world.server.watch_fault = fault
        world.server.break_watches(fault)
        await asyncio.sleep(20)
        world.server.write("later")
        world.server.write("old", data=keys("another-token"))
        world.answer("later")
        await asyncio.sleep(60)
        assert world.token("later") == "a-good-token"
        assert world.token("old") == "another-token"


async def test_an_api_server_that_is_away_says_nothing_of_secrets() -> None:
    """During an outage nothing is requested or unreadable, and afterwards the watches do not resume all at once."""
    world = SecretWorld()
    for number in range(16 * 10):
        world.server.write(f"ns-{number % 10}", f"s-{number}")
    world.server.write("ns-0")
    async with world.running():
        for number in range(16 * 10):
            world.answer(f"ns-{number % 10}", f"s-{number}")
        world.answer("ns-0")
        await asyncio.sleep(5)
        told = len(world.changed)
        world.availability.leave()
        world.server.break_watches(ReadError("ConnectionRefusedError"))
        world.answer("new")
        await asyncio.sleep(60)
        assert world.availability.suspected
        assert len(world.changed) == told
        assert world.answer("new") is None or world.reason("new") is SyncReason.SECRET_NOT_FOUND
        asked = len(world.server.asked)
        await asyncio.sleep(600)
        assert len(world.server.asked) == asked
        world.server.most_under_way = 0
        world.server.delay = 0.05
        world.availability.come_back()
        await asyncio.sleep(5)
        assert len(world.server.open_watches()) == 161
        assert world.server.most_under_way <= 9
        assert len(world.changed) == told


@pytest.mark.parametrize("error", [ReadError("410 Expired", 410), ReadError("500 of whatever kind", 500)])
async def test_an_error_event_starts_that_watch_anew(error: ReadError) -> None:
    """After an ERROR event its name is listed again; other names are not."""
    world = SecretWorld()
    for name in (DEFAULT, "other"):
        world.server.write("ns", name)
    async with world.running():
        for name in (DEFAULT, "other"):
            world.answer("ns", name)
        await asyncio.sleep(1)
        watch = next(each for each in world.server.open_watches() if each.selector.name == DEFAULT)
        other = next(each for each in world.server.open_watches() if each is not watch)
        watch.events.put_nowait(error)
        await asyncio.sleep(0.1)
        world.server.write("ns", data=keys("another-token"))
        await asyncio.sleep(2)
        assert world.token("ns") == "another-token"
        assert watch.is_closed
        assert not other.is_closed


async def test_a_defect_ends_one_watch_and_that_begins_anew(caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected exception is logged, and the watch is restarted."""
    world = SecretWorld()
    world.server.write("ns")
    async with world.running():
        world.answer("ns")
        await asyncio.sleep(1)
        world.server.break_watches(KeyError("a defect"))
        await asyncio.sleep(0.1)
        world.server.write("ns", data=keys("another-token"))
        await asyncio.sleep(2)
        assert world.token("ns") == "another-token"
        assert "a defect" in caplog.text


async def test_a_watch_is_short_enough_to_notice_a_dead_connection() -> None:
    """Each watch lasts less than a minute, and 250 of them end at different times."""
    world = SecretWorld()
    for number in range(249):
        world.server.write(f"ns-{number % 20}", f"s-{number}")
    async with world.running():
        for number in range(249):
            world.answer(f"ns-{number % 20}", f"s-{number}")
        world.answer("ns-1")
        await asyncio.sleep(60)
        assert {world.token(f"ns-{number % 20}", f"s-{number}") for number in range(249)} == {"a-good-token"}
        assert max(each.seconds for each in world.server.watches) + 8 < 60
        before, lists = len(world.server.times("watch")), len(world.server.times("list"))
        await asyncio.sleep(600)
        assert len(world.server.times("watch")) - before < 10 * 400
        # Each name is listed anew within five minutes, and not all of them at once.
        again = world.server.times("list")[lists:]
        assert len(again) <= 3 * 250
        assert max(sum(at <= each < at + 10 for each in again) for at in again) < 125
