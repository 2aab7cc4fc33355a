"""The requests of one connection: their order, limits, probes and refusals."""

import asyncio
from itertools import count

import pytest

from astra_mirror.core.gate import BURST
from astra_mirror.core.outcome import Answer, Failed, Listed, SyncReason
from astra_mirror.lane import MAX_IN_FLIGHT
from tests.engine.lanes import OK, Remote, lane_at, proven

UNAUTHORIZED = Failed(SyncReason.UNAUTHORIZED, "no")


@pytest.fixture
def remote() -> Remote:
    """Requests under the test's control."""
    return Remote()


async def test_one_probe_first_then_up_to_the_limit(remote: Remote) -> None:
    """A new connection starts with one request; when it is good, the others follow, a limited number at once."""
    lane = lane_at()
    for number in range(40):
        lane.submit(remote.read(account=str(number)))
    await remote.settle()
    assert len(remote.under_way) == 1
    await remote.answer(0)
    assert len(remote.under_way) == 1 + MAX_IN_FLIGHT
    await remote.answer(1)
    assert len(remote.under_way) == 2 + MAX_IN_FLIGHT
    for number in range(2, 40):
        await remote.answer(number)
    assert remote.ended == [("a", OK, None)] * 40
    assert lane.idle


async def test_all_who_wait_learn_of_a_refused_token(remote: Remote) -> None:
    """One request is made, and everybody gets its failure and the time of the next probe."""
    lane = lane_at()
    for app in ("a", "b", "c"):
        lane.submit(remote.read(app))
    await remote.settle()
    await remote.answer(0, UNAUTHORIZED)
    assert remote.ended == [("a", UNAUTHORIZED, None), ("b", UNAUTHORIZED, 60.0), ("c", UNAUTHORIZED, 60.0)]
    assert len(remote.under_way) == 1


async def test_a_forbidden_app_does_not_hold_up_the_others(remote: Remote) -> None:
    """Its own reads end at once, the other apps' go on."""
    lane = await proven(remote)
    lane.submit(remote.read("a"))
    await remote.settle()
    await remote.answer(0, Failed(SyncReason.FORBIDDEN, "no"))
    lane.submit(remote.read("a"))
    lane.submit(remote.read("b"))
    await remote.settle()
    assert [until for _, _, until in remote.ended] == [None, 60.0]
    assert len(remote.under_way) == 2


async def test_while_a_forbidden_app_is_probed_the_others_go_on(remote: Remote) -> None:
    """What waits for the probe is held apart, and follows when it has ended."""
    now = [0.0]
    lane = lane_at(lambda: now[0])
    lane.submit(remote.read("a"))
    await remote.settle()
    await remote.answer(0, Failed(SyncReason.FORBIDDEN, "no"))
    now[0] = 60.0
    for app in ("a", "a", "b"):
        lane.submit(remote.read(app))
    await remote.settle()
    assert [each.app for each in remote.under_way[1:]] == ["a", "b"]
    await remote.answer(1)
    assert [each.app for each in remote.under_way[1:]] == ["a", "b", "a"]


async def test_the_urgent_go_first_but_nobody_waits_for_ever(remote: Remote) -> None:
    """The order is by the time by which each wants to have started."""
    lane = lane_at()
    lane.submit(remote.read("probe"))
    lane.submit(remote.read(due=0.0, urgency=60.0, name="settled"))
    lane.submit(remote.read(due=0.0, urgency=5.0, name="active"))
    lane.submit(remote.read(due=0.0, urgency=0.0, name="new"))
    lane.submit(remote.read(due=70.0, urgency=0.0, name="new but later"))
    await remote.settle()
    await remote.answer(0)
    assert [each.name for each in remote.under_way] == ["probe", "new", "active", "settled", "new but later"]


async def test_what_nobody_wants_any_more_is_not_sent(remote: Remote) -> None:
    """A request that waited too long is dropped when its turn comes."""
    lane = lane_at()
    lane.submit(remote.read("probe"))
    unwanted = remote.read("b")
    lane.submit(unwanted)
    unwanted.wanted = False
    await remote.settle()
    await remote.answer(0)
    assert [each.name for each in remote.under_way] == ["probe"]
    assert lane.idle


async def test_the_next_goes_while_an_answer_is_handed_out(remote: Remote) -> None:
    """What thousands of refs take of an answer is nobody else's waiting time."""
    lane = lane_at()
    first, gate = remote.read(), asyncio.Event()

    async def ended(answer: Answer | Listed, started: float) -> None:
        del answer, started
        await gate.wait()

    first.ended = ended  # type: ignore[method-assign]
    lane.submit(first)
    lane.submit(remote.read("b"))
    await remote.settle()
    await remote.answer(0)
    assert [each.app for each in remote.under_way] == ["a", "b"]
    gate.set()
    await remote.answer(1)
    assert lane.idle


async def test_a_burst_is_spread_over_time(remote: Remote) -> None:
    """Beyond the rate the lane waits, and wakes by itself when there is room."""
    numbers = count()
    lane = lane_at(lambda: next(numbers) * 1e-4)
    total = int(BURST) + 5
    for _ in range(total):
        read = remote.read()
        read.future.set_result(OK)
        lane.submit(read)
    async with asyncio.timeout(10):
        while len(remote.ended) < total:  # noqa: ASYNC110 - the lane's own timer is what is waited for
            await asyncio.sleep(0)
    await remote.settle()
    assert lane.idle
