"""The requests of one connection: their order, limits, probes and refusals."""

import asyncio

import pytest

from astra_mirror.core.concurrency import MAX_IN_FLIGHT
from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.rate import CONNECTION_PER_SECOND
from astra_mirror.core.tickets import HELD_BACK
from astra_mirror.engine.connection.total_rate import TotalRate
from tests.engine.connection.lanes import OK, Remote, new_lane, proven

UNAUTHORIZED = Failed(SyncReason.UNAUTHORIZED, "no")
FORBIDDEN = Failed(SyncReason.FORBIDDEN, "no")


@pytest.fixture
def remote() -> Remote:
    """Requests under the test's control."""
    return Remote()


async def test_one_probe_first_then_up_to_the_limit(remote: Remote) -> None:
    """A new connection starts with one request; when it is good, the others follow, a limited number at once."""
    lane = new_lane(remote)
    for number in range(40):
        lane.submit(remote.read(account=str(number), namespace=str(number)))
    await remote.settle()
    assert len(remote.under_way) == 1
    await remote.answer(0)
    assert len(remote.under_way) == 1 + MAX_IN_FLIGHT
    await remote.answer(1)
    assert len(remote.under_way) == 2 + MAX_IN_FLIGHT
    for number in range(2, 40):
        await remote.answer(number)
    assert remote.ended == [("a", OK)] * 40
    assert lane.idle


async def test_all_who_wait_learn_of_a_refused_token(remote: Remote) -> None:
    """One request is made; those for whom none was made are told so, and go on waiting."""
    lane = new_lane(remote)
    for app in ("a", "b", "c"):
        lane.submit(remote.read(app))
    await remote.settle()
    await remote.answer(0, UNAUTHORIZED)
    assert remote.ended == [("a", UNAUTHORIZED)]
    assert remote.held == [("b", HELD_BACK), ("c", HELD_BACK)]
    assert len(remote.under_way) == 1
    assert lane.idle


async def test_a_forbidden_app_does_not_hold_up_the_others(remote: Remote) -> None:
    """Its own reads are held back, the other apps' go on."""
    lane = await proven(remote)
    lane.submit(remote.read("a"))
    await remote.settle()
    await remote.answer(0, FORBIDDEN)
    lane.submit(remote.read("a"))
    lane.submit(remote.read("b"))
    await remote.settle()
    assert remote.held == [("a", FORBIDDEN)]
    assert [each.app for each in remote.under_way] == ["a", "b"]


async def test_while_a_forbidden_app_is_probed_the_others_go_on(remote: Remote) -> None:
    """What waits for the probe is held apart, and follows when it has ended."""
    lane = new_lane(remote)
    lane.submit(remote.read("a"))
    await remote.settle()
    await remote.answer(0, FORBIDDEN)
    await asyncio.sleep(60)
    for app in ("a", "a", "b"):
        lane.submit(remote.read(app))
    await remote.settle()
    assert [each.app for each in remote.under_way[1:]] == ["b", "a"]
    await remote.answer(2)
    assert [each.app for each in remote.under_way[1:]] == ["b", "a", "a"]


async def test_a_refused_account_holds_up_no_other(remote: Remote) -> None:
    """A canary of the account that was good goes at once, and the others do not wait for it."""
    lane = await proven(remote)
    remote.read("c", name="canary", is_observed=True)
    lane.submit(remote.read("x", account="wrong"))
    await remote.settle()
    await remote.answer(0, UNAUTHORIZED)
    lane.submit(remote.read("b"))
    lane.submit(remote.read("y", account="wrong"))
    await remote.settle()
    assert [each.name for each in remote.under_way] == ["x", "canary", "b"]
    assert remote.held == [("y", HELD_BACK)]
    await remote.answer(1, UNAUTHORIZED)
    lane.submit(remote.read("d"))
    await remote.settle()
    assert remote.held[1:] == [("d", HELD_BACK)]


async def test_when_the_account_that_was_good_has_no_ref_any_more_the_connection_is_open(remote: Remote) -> None:
    """There is nobody left to ask."""
    lane = await proven(remote)
    lane.submit(remote.read("x", account="wrong"))
    await remote.settle()
    await remote.answer(0, UNAUTHORIZED)
    assert lane.breakers.is_open


async def test_namespaces_have_turns(remote: Remote) -> None:
    """However much one has to ask; and within a namespace its accounts."""
    lane = await proven(remote)
    for number in range(60):
        lane.submit(remote.read(namespace="many", account=f"a{number % 2}", name=f"many-{number % 2}"))
    for number in range(8):
        lane.submit(remote.read(namespace=f"few-{number}", account=f"few-{number}", name="few"))
    await remote.settle()
    for number in range(68):
        await remote.answer(number)
    names = [each.name for each in remote.under_way]
    assert names[:12].count("many-0") == names[:12].count("many-1") == 6
    assert names[12:30].count("few") == 8
    assert lane.idle


async def test_the_observed_go_first_until_a_token_is_proven(remote: Remote) -> None:
    """What was good once is more likely to be good now than what somebody has just written."""
    lane = new_lane(remote)
    lane.gather()
    for number in range(5):
        lane.submit(remote.read(name=f"new-{number}", account=f"new-{number}"))
    lane.submit(remote.read(name="known", due=9.0, account="known", is_observed=True))
    lane.start()
    await remote.settle()
    assert [each.name for each in remote.under_way] == ["known"]
    await lane.close()


async def test_when_all_connections_together_are_too_many_namespaces_have_turns(remote: Remote) -> None:
    """One with many connections has no more than one with one."""
    remote.queues.total = TotalRate(per_second=20)
    lanes = [new_lane(remote, number) for number in range(11)]
    for number, lane in enumerate(lanes):
        for _ in range(12):
            name = "victim" if number == 0 else "hostile"
            read = remote.read(name=name, namespace=name, account=f"{number}", connection=str(number))
            read.future.set_result(OK)
            lane.submit(read)
    await asyncio.sleep(5)
    assert len(remote.ended) < 132
    await asyncio.sleep(2)
    names = [name for name, _ in remote.ended]
    # A burst of 20, each connection's first request among them, and then every second turn.
    rest = 12 - names[:20].count("victim")
    assert names[20 : 20 + 2 * rest].count("victim") >= rest - 1
    assert len(names) == 132


async def test_the_urgent_go_first_but_nobody_waits_for_ever(remote: Remote) -> None:
    """The order is by the time by which each wants to have started."""
    lane = new_lane(remote)
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
    lane = new_lane(remote)
    lane.submit(remote.read("probe"))
    unwanted = remote.read("b")
    lane.submit(unwanted)
    unwanted.leave()
    await remote.settle()
    await remote.answer(0)
    assert [each.name for each in remote.under_way] == ["probe"]
    assert lane.idle


async def test_the_next_goes_while_an_answer_is_handed_out(remote: Remote) -> None:
    """What thousands of refs take of an answer is nobody else's waiting time."""
    lane = new_lane(remote)
    first, gate = remote.read(), asyncio.Event()
    first.gate = gate
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
    lane = new_lane(remote)
    total = int(CONNECTION_PER_SECOND) + 5
    for _ in range(total):
        read = remote.read()
        read.future.set_result(OK)
        lane.submit(read)
    await remote.settle()
    assert len(remote.ended) < total
    await asyncio.sleep(1)
    assert len(remote.ended) == total
    assert lane.idle
