"""The requests of one connection when answers are slow or do not come, and what a defect costs."""

import asyncio

import pytest

from astra_mirror.core.concurrency import MAX_IN_FLIGHT, MAX_SLOW
from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.engine.connection.queue import SLOW_SECONDS
from tests.engine.connection.lanes import OK, Remote, new_lane, proven


@pytest.fixture
def remote() -> Remote:
    """Requests under the test's control."""
    return Remote()


async def test_answers_that_hang_do_not_hold_up_the_others(remote: Remote) -> None:
    """A request without an answer makes room for another, up to a second limit, before it is worth a word."""
    lane = await proven(remote)
    for number in range(MAX_IN_FLIGHT + MAX_SLOW + 1):
        lane.submit(remote.read(account=str(number), namespace=str(number)))
    await asyncio.sleep(SLOW_SECONDS - 0.1)
    assert len(remote.under_way) == 4 * MAX_IN_FLIGHT
    assert not any(each.slowed for each in remote.under_way)
    await asyncio.sleep(10)
    assert len(remote.under_way) == MAX_IN_FLIGHT + MAX_SLOW
    await lane.close()


async def test_an_account_that_hangs_leaves_the_others_room(remote: Remote) -> None:
    """However much it has to ask, at once and before anybody knows that it hangs."""
    lane = await proven(remote)
    for _ in range(2 * MAX_IN_FLIGHT):
        lane.submit(remote.read("a", account="hangs"))
    lane.submit(remote.read("b", account="other", namespace="other"))
    await remote.settle()
    assert [each.account for each in remote.under_way].count("other") == 1
    hanging = len(remote.under_way) - 1
    assert hanging < MAX_IN_FLIGHT
    await remote.answer(0)
    assert len(remote.under_way) == hanging + 2
    await lane.close()


async def test_a_namespace_that_hangs_leaves_the_others_room(remote: Remote) -> None:
    """However many accounts it names."""
    lane = await proven(remote)
    for number in range(2 * MAX_IN_FLIGHT):
        lane.submit(remote.read("a", account=f"hangs-{number}", namespace="hostile"))
    lane.submit(remote.read("b", account="other", namespace="victim"))
    await remote.settle()
    assert [each.account for each in remote.under_way].count("other") == 1
    assert len(remote.under_way) < MAX_IN_FLIGHT
    await lane.close()


async def test_a_request_that_is_cancelled_under_it_is_told(remote: Remote) -> None:
    """Nobody waits for ever for an answer that does not come."""
    lane = new_lane(remote)
    lane.submit(remote.read())
    await remote.settle()
    remote.under_way[0].future.cancel()
    await remote.settle()
    assert remote.under_way[0].broke
    assert lane.idle


async def test_a_defect_is_one_failure_and_no_more(remote: Remote, caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected exception becomes an outcome and a traceback in the log; the lane goes on."""
    lane = new_lane(remote)
    lane.submit(remote.read())
    lane.submit(remote.read())
    await remote.settle()
    remote.under_way[0].future.set_exception(ZeroDivisionError("a bug"))
    await remote.settle()
    _, outcome = remote.ended[0]
    assert isinstance(outcome, Failed)
    assert outcome.reason is SyncReason.UNEXPECTED_RESPONSE
    assert "a bug" in caplog.text
    await remote.answer(1)
    assert remote.ended[1] == ("a", OK)


async def test_a_defect_in_taking_the_answer_is_told(remote: Remote, caplog: pytest.LogCaptureFixture) -> None:
    """The refs behind it can try again, and the lane goes on."""
    lane = new_lane(remote)
    bad = remote.read()
    bad.defect = True
    lane.submit(bad)
    lane.submit(remote.read("b"))
    await remote.settle()
    await remote.answer(0)
    assert bad.broke
    assert "a bug" in caplog.text
    await remote.answer(1)
    assert remote.ended == [("b", OK)]


async def test_closing_ends_what_is_under_way(remote: Remote) -> None:
    """Nothing is left behind, and nobody is told an outcome that did not come."""
    lane = new_lane(remote)
    lane.submit(remote.read())
    lane.submit(remote.read())
    await remote.settle()
    await lane.close()
    assert remote.ended == []
    assert lane.idle


async def test_a_slow_answer_is_told_to_all_who_wait(remote: Remote) -> None:
    """After a while without an answer the refs behind it hear of it too."""
    lane = new_lane(remote)
    reads = [remote.read(), remote.read()]
    for each in reads:
        lane.submit(each)
    await asyncio.sleep(SLOW_SECONDS - 0.1)
    assert not any(each.slowed for each in reads)
    await asyncio.sleep(0.2)
    assert all(each.slowed for each in reads)
    await lane.close()
