"""Hours of the engine in virtual time: when polls are made after a pause, and when those that somebody asks for are."""

import asyncio

import pytest

from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.engine.poller import TOGETHER_SECONDS
from tests.engine.service import ERROR, GOOD, VirtualWorld, limited, play, refused


@pytest.mark.parametrize("failure", [Failed(SyncReason.SERVER_ERROR, "503", 10, 503), limited(10)])
def test_after_a_retry_after_the_ref_is_asked_when_it_ends(failure: Failed) -> None:
    """For two hours, and a ref of a long interval not before a minute has passed."""

    async def story(world: VirtualWorld) -> None:
        world.service.rule = lambda _: failure
        world.ref(1000, interval="5s")
        await asyncio.sleep(7200)
        gaps = [b.at - a.at for a, b in zip(world.service.log, world.service.log[1:], strict=False)]
        assert all(10 <= each < 10.1 + TOGETHER_SECONDS for each in gaps)
        world.ref(1000, interval="1h")
        await asyncio.sleep(600)
        gaps = [b.at - a.at for a, b in zip(world.service.log[-5:], world.service.log[-4:], strict=False)]
        assert all(60 <= each < 60.1 + TOGETHER_SECONDS for each in gaps)

    play(story)


def test_a_pause_ends_with_one_request() -> None:
    """Whoever waits, one finds out; when that one is paused again, nobody else is asked."""

    async def story(world: VirtualWorld) -> None:
        world.refs(30)
        await asyncio.sleep(60)
        since = world.clock()
        world.service.rule = lambda asked: limited(30) if asked.backup else ERROR
        await asyncio.sleep(600)
        singles = world.service.singles(since + 15)
        assert 15 <= len(singles) <= 21
        assert set(world.reasons()) == {"RateLimited"}
        world.service.rule = lambda _: None
        await asyncio.sleep(31)
        assert world.reasons() == {"Observed": 30}

    play(story)


def test_a_poll_that_is_asked_for_in_a_pause_is_made_when_it_ends() -> None:
    """Not after a backoff, and not before."""

    async def story(world: VirtualWorld) -> None:
        world.ref(1000, interval="1h")
        world.ref(1001, interval="5s")
        await asyncio.sleep(10)
        world.service.rule = lambda _: limited(120)
        await asyncio.sleep(10)
        world.service.rule = lambda _: None
        began = world.clock()
        world.request(1000, "now")
        await asyncio.sleep(100)
        assert not [each for each in world.service.log if each.at >= began]
        await asyncio.sleep(25)
        await world.cluster.until("ref-1000", lastHandledReconcileAt="now")

    play(story)


def test_a_poll_that_is_asked_for_behind_a_breaker_is_made_with_the_probe_that_closes_it() -> None:
    """Within a minute of the mend."""

    async def story(world: VirtualWorld) -> None:
        world.refs(10, interval="1h")
        await asyncio.sleep(10)
        world.service.rule = refused(GOOD)
        world.request(1000, "first")
        await asyncio.sleep(300)
        world.request(1005, "second")
        await asyncio.sleep(90)
        assert world.synced(1005)[1] == "Unauthorized"
        world.service.rule = lambda _: None
        await asyncio.sleep(61)
        for number, value in ((1000, "first"), (1005, "second")):
            await world.cluster.until(f"ref-{number}", lastHandledReconcileAt=value)
        assert world.synced(1005)[0] == "True"

    play(story)


def test_polls_that_are_asked_for_in_a_loop_come_at_a_pace() -> None:
    """The first three in a minute at once, later ones every ten seconds, and the last value always."""

    async def story(world: VirtualWorld) -> None:
        world.ref(1000, interval="1h")
        await asyncio.sleep(100)
        world.service.log.clear()
        for number in range(600):
            world.request(1000, str(number))
            await asyncio.sleep(0.1)
        assert len(world.service.log) <= 3 + 6
        await asyncio.sleep(11)
        await world.cluster.until("ref-1000", lastHandledReconcileAt="599")

    play(story)
