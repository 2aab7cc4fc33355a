"""Nobody waits for ever for an answer that does not come, and nobody goes round in a circle while waiting for one."""

import asyncio
from typing import Any

import pytest

from astra_mirror.core.account_breakers import CANARY_INTERVAL
from astra_mirror.core.breaker import Breakers
from astra_mirror.core.circuit import State
from astra_mirror.core.connection import Connection
from astra_mirror.core.held_requests import next_step
from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.tickets import Purpose
from tests.engine.connection.lanes import OK, Remote, proven
from tests.engine.service import ERROR, FORBIDDEN, UNAUTHORIZED, Asked, VirtualWorld, limited, virtual_world
from tests.engine.world import ID, URL
from tests.virtual_time import passes, virtual_loop

LIMITED = Failed(SyncReason.RATE_LIMITED, "fewer", 10.0, 429)


@pytest.mark.parametrize("then", ["stays", "is suspended", "is deleted"])
async def test_after_a_pause_the_probe_of_a_forbidden_app_may_be_the_first(then: str) -> None:
    """The connection resumes with it where nothing else is held back, and goes on after its answer."""
    async with virtual_world() as world:
        world.ref(1)
        world.ref(2)
        world.service.rule = lambda asked: FORBIDDEN if asked.app == ID.format(1) else None
        await asyncio.sleep(20)
        # The app's own probe is due before the pause ends.
        world.service.rule = lambda _: limited(90)
        await asyncio.sleep(20)
        assert world.synced(2)[1] == "RateLimited"
        if then == "is suspended":
            world.ref(2, suspend=True)
        elif then == "is deleted":
            world.entrance.deleted("ref-2", "ns")
            del world.cluster.objects["ref-2"]
        world.service.rule = lambda _: None
        world.ref(3)
        await asyncio.sleep(160)
        assert set(world.reasons()) <= {"Observed", "Suspended"}


async def test_who_finds_out_does_not_wait_behind_one_that_waits_for_that() -> None:
    """A request that goes before all others, but not before the answer, stands in nobody's way."""
    remote = Remote()
    lane = await proven(remote)
    for name in ("told to wait", "list"):
        lane.submit(remote.read(name=name, account=name))
    await remote.settle()
    await remote.answer(0, LIMITED)
    lane.submit(remote.read(name="held", account="held"))
    await remote.settle()
    # The pause has ended, and the timer that says so has not run yet.
    virtual_loop().pass_time(10.5)
    lane.submit(remote.read(name="resumes", account="resumes"))
    await remote.settle()
    assert [each.name for each in remote.under_way] == ["told to wait", "list", "resumes"]
    # The list fails, and a canary request for one backup starts before all that waits.
    lane.submit(remote.read(name="ahead", account="list"), first=True)
    remote.under_way[-1].future.cancel()
    await remote.settle()
    assert remote.under_way[-1].name == "held"
    await remote.answer(-1)
    assert remote.under_way[-1].name == "ahead"
    await lane.close()


async def _two_lists_fail_together(world: VirtualWorld, patch: pytest.MonkeyPatch) -> None:
    """The refs of accounts 1 and 2 wait for one request, of either, that a pause holds back until second 166."""
    for number in range(4):
        world.ref(10 + number, account=1, app=1)
        world.ref(20 + number, account=2, app=2)
    world.ref(30, account=3)
    await asyncio.sleep(40)

    async def answer(asked: Asked) -> Failed | None:
        if asked.account == ID.format(3):
            await asyncio.sleep(1)
            return limited(120)
        if asked.backup is None:
            await asyncio.sleep(50 - world.clock())
            return ERROR
        return None

    patch.setattr(world.service, "_answer", answer)
    await asyncio.sleep(15)
    assert world.reasons() == {"RateLimited": 9}
    patch.undo()


@pytest.mark.parametrize("account", [1, 2])
async def test_a_request_whose_own_refs_are_gone_is_planned_anew_for_the_others(
    account: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One for the refs of two accounts, of which those go whose backup it would have asked for."""
    async with virtual_world() as world:
        await _two_lists_fail_together(world, monkeypatch)
        for number in range(4):
            world.entrance.deleted(f"ref-{account}{number}", "ns")
            del world.cluster.objects[f"ref-{account}{number}"]
        await asyncio.sleep(150)
        assert world.reasons() == {"Observed": 5}


@pytest.mark.parametrize("account", [1, 2])
async def test_nor_do_the_others_wait_for_refs_that_are_suspended(
    account: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when they are gone."""
    async with virtual_world() as world:
        await _two_lists_fail_together(world, monkeypatch)
        for number in range(4):
            world.ref(10 * account + number, account=account, app=account, suspend=True)
        await asyncio.sleep(150)
        assert world.reasons() == {"Observed": 5, "Suspended": 4}


@pytest.mark.parametrize("failure", [UNAUTHORIZED, limited(55)])
@pytest.mark.parametrize("then", ["are suspended", "are deleted", "name other accounts"])
async def test_many_requests_that_nobody_wants_any_more_are_let_go_together(
    then: str, failure: Failed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To choose anew among thousands for each of them would hold up everybody."""
    steps = 0

    def step(*state: Any) -> Any:
        nonlocal steps
        steps += 1
        return next_step(*state)

    monkeypatch.setattr("astra_mirror.engine.connection.breakers.next_step", step)
    async with virtual_world() as world:
        world.service.rule = lambda _: failure
        for number in range(100, 150):
            world.ref(number, account=number)
        await asyncio.sleep(50)
        steps = 0
        for number in range(100, 150):
            if then == "are deleted":
                world.entrance.deleted(f"ref-{number}", "ns")
            elif then == "are suspended":
                world.ref(number, account=number, suspend=True)
            else:
                world.ref(number, account=1)
        await asyncio.sleep(30)
        assert steps < 10


async def test_a_canary_that_comes_to_nothing_is_followed_by_another() -> None:
    """Whether the token is refused has to be found out, also where its client was closed or its ref deleted."""
    async with virtual_world() as world:
        for number in (1, 2):
            world.ref(number, interval="1h")
        await asyncio.sleep(5)
        world.service.rule, world.service.latency = (lambda _: UNAUTHORIZED), 1.0
        world.ref(3, account=3)
        await asyncio.sleep(1.5)
        (canary,) = (task for task in asyncio.all_tasks() if "Performer._exchange" in repr(task.get_coro()))
        canary.cancel()
        await asyncio.sleep(5)
        assert world.engine.connections() == {State.CLOSED: 1}
        await asyncio.sleep(CANARY_INTERVAL)
        assert world.engine.connections() == {State.OPEN: 1}


def test_a_canary_that_is_answered_is_not_repeated() -> None:
    """Whatever the answer."""
    for answer in (OK, Failed(SyncReason.SERVER_ERROR, "an error", code=500)):
        breakers = Breakers()
        breakers.record(breakers.start("good", "good", 0.0), OK, 0.0)
        breakers.record(breakers.start("bad", "bad", 1.0), UNAUTHORIZED, 1.0)
        breakers.record(breakers.start("good", "good", 1.0, Purpose.CANARY), answer, 2.0)
        assert breakers.canary_at is None


def test_a_canary_is_not_wanted_of_accounts_that_are_gone() -> None:
    """Nobody looks for one again and again."""
    breakers = Breakers()
    breakers.record(breakers.start("good", "good", 0.0), OK, 0.0)
    breakers.record(breakers.start("bad", "bad", 1.0), UNAUTHORIZED, 1.0)
    breakers.record(breakers.start("good", "good", 1.0, Purpose.CANARY), OK, 1.0)
    breakers.record(breakers.start("worse", "worse", 2.0), UNAUTHORIZED, 2.0)
    assert breakers.canary_at == 1.0 + CANARY_INTERVAL
    breakers.retain({"bad", "worse"}, set())
    assert breakers.canary_at is None


@pytest.mark.parametrize("turns", range(12))
async def test_what_ends_while_the_requests_are_ended_leads_to_no_other(
    turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists of two connections fail just when this process does not lead any more: nothing is asked in their place."""
    world, ends = VirtualWorld(), asyncio.Event()
    monkeypatch.setattr(world.secrets, "connection", lambda namespace, _: Connection(URL, namespace))
    taking_in = asyncio.create_task(world.engine.take_in())
    running = asyncio.create_task(world.engine.lead())
    for number in range(4):
        world.ref(10 + number, account=1, app=1, namespace="one")
        world.ref(20 + number, account=2, app=2, namespace="two")
    await asyncio.sleep(40)

    async def answer(asked: Asked) -> Failed | None:
        await (ends.wait() if asked.backup is None else asyncio.sleep(1))
        return ERROR

    monkeypatch.setattr(world.service, "_answer", answer)
    await asyncio.sleep(6)
    running.cancel()
    await passes(turns)
    ends.set()
    await asyncio.gather(running, return_exceptions=True)
    taking_in.cancel()
    await asyncio.gather(taking_in, return_exceptions=True)
    assert asyncio.all_tasks() == {asyncio.current_task()}
