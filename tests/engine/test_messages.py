"""When the message of a failure is written anew: at once for those who have done something, else every 15 minutes."""

import asyncio

import pytest

from astra_mirror.api.meta import REQUESTED_AT
from astra_mirror.core.outcome import Answer, Failed, NotFound, SyncReason
from astra_mirror.core.schedule import Pace
from astra_mirror.support.times import moment_of
from tests.core.cases import ROWS
from tests.engine.world import NEW, World, backup
from tests.virtual_time import clock, utcnow


def _condition(world: World, kind: str) -> dict[str, str]:
    conditions = world.cluster.objects["ref"]["status"]["conditions"]
    found: dict[str, str] = next(each for each in conditions if each["type"] == kind)
    return found


def _message(world: World, kind: str = "Synced") -> str:
    return _condition(world, kind)["message"]


def _failing_since(world: World) -> str:
    return _condition(world, "Synced")["lastTransitionTime"]


async def _fail(world: World, words: str, *, code: int | None = 500, correlation_id: str | None = None) -> None:
    await _answer(world, Failed(SyncReason.SERVER_ERROR, words, code=code, correlation_id=correlation_id))


async def _answer(world: World, answer: Answer) -> None:
    async with asyncio.timeout(2000):
        _, _, request = await world.astra.asked.get()
    request.set_result(answer)
    await asyncio.sleep(0.1)


async def test_words_of_the_remote_that_move_are_taken_over_every_quarter_of_an_hour() -> None:
    """`expired by 1234s` is another text each time, and must not be a write each time."""
    world = World()
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
    world = World()
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7, interval="1s"))
        for words in ("connection refused", "no response within 10s", "connection refused"):
            await _fail(world, words, code=None)
            assert _message(world) == words


@pytest.mark.parametrize("words", ["one", "three"], ids=["the-same", "others"])
@pytest.mark.parametrize("what", ["edit", "secret", "requestedAt"])
async def test_words_count_at_once_for_those_who_have_done_something(what: str, words: str) -> None:
    """After an edit, a new Secret and a requestedAt somebody waits for what is said next; only then for the next."""
    world = World()
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7, interval="1s"))
        await _fail(world, "one")
        await _fail(world, "two")
        assert _message(world) == "one"
        if what == "edit":
            world.entrance.seen(world.cluster.edit_spec("ref", interval="2s"))
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
    world = World()
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
    world = World()
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
    world = World(pace=Pace(stale_after=60))
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7, interval="1s", **ROWS["failing-running"]))
        while not world.notes:
            await _fail(world, "It failed.", correlation_id="c-2")
        assert _message(world) == "It went wrong: ServerError. (correlationID c-1)"
    since = _failing_since(world)
    assert world.notes == [("ObservationStale", f"No good answer since {since} (last seen: running). It failed.")]


async def test_a_stale_observation_says_since_when() -> None:
    """It is the time of the first failure, which does not move: nothing is written while the failure lasts."""
    world = World(pace=Pace(stale_after=60))
    async with world.running():
        await world.observed("ref", 7, "running", interval="1s")
        await _fail(world, "It failed.")
        since = _failing_since(world)
        while _message(world, "Ready").startswith("The backup"):
            await _fail(world, "It failed.")
        text = f"No good answer since {since} (last seen: running). It failed."
        assert _message(world, "Ready") == text
        patches = world.cluster.patches
        while clock() < 3600:
            await _fail(world, "It failed.")
        assert (_message(world, "Ready"), world.cluster.patches) == (text, patches)
        await _answer(world, backup(7, "running"))
        await _fail(world, "It failed.")
        later = _failing_since(world)
        while _message(world, "Ready").startswith("The backup"):
            await _fail(world, "It failed.")
        assert later != since
        assert _message(world, "Ready") == text.replace(since, later)


async def test_the_next_process_says_it_as_well() -> None:
    """What it finds in the status is all that it knows of the time before its start."""
    row = ROWS["failing-running"]
    world = World(pace=Pace(stale_after=60))
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7, interval="1s", **row))
        since = _failing_since(world)
        assert moment_of(since) != utcnow().replace(microsecond=0)
        while "No good answer" not in _message(world, "Ready"):
            await _fail(world, "It failed.")
        assert _message(world, "Ready").startswith(f"No good answer since {since} ")


async def test_the_words_of_a_backup_that_does_not_exist_move_as_slowly() -> None:
    """It is a success, and still the remote's words."""
    world = World(pace=Pace(settled_interval=1))
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 7, interval="1s"))
        for words in ("no such backup, attempt 1.", "no such backup, attempt 2."):
            await _answer(world, NotFound(words))
            assert _message(world, "Ready") == "no such backup, attempt 1."
    assert world.cluster.patches == 1
