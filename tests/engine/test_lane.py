"""The requests of one connection: limits, probes, refusals, and what a defect costs."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

import pytest

from astra_mirror.core.gate import BURST
from astra_mirror.core.outcome import Answer, Failed, Listed, NotFound, SyncReason
from astra_mirror.lane import MAX_IN_FLIGHT, MAX_SLOW, Lane

OK = NotFound("an answer")
UNAUTHORIZED = Failed(SyncReason.UNAUTHORIZED, "no")


@dataclass
class Remote:
    """Requests that end when a test says so."""

    under_way: list["Read"] = field(default_factory=list)
    ended: list[tuple[str, Answer | Listed, float | None]] = field(default_factory=list)

    def read(
        self, app: str = "a", due: float = 0.0, urgency: float = 0.0, name: str = "", account: str = "account"
    ) -> "Read":
        """A read that is answered through `under_way` and recorded in `ended`."""
        return Read(self, app, due, urgency, name or app, account)

    async def settle(self) -> None:
        """Let every task that can go on do so."""
        for _ in range(6):
            await asyncio.sleep(0)

    async def answer(self, number: int, answer: Answer = OK) -> None:
        """Answer a request."""
        self.under_way[number].future.set_result(answer)
        await self.settle()


@dataclass(eq=False)
class Read:
    """A read under the test's control."""

    remote: Remote
    app: str
    due: float
    urgency: float
    name: str
    account: str = "account"
    is_fallback: bool = False
    wanted: bool = True
    slowed: int = 0
    defects: Iterator[int] | None = None
    broke: bool = False
    future: asyncio.Future[Answer] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def is_wanted(self) -> bool:
        """Whether the test wants it."""
        return self.wanted

    async def request(self) -> Answer:
        """Wait for the test."""
        self.remote.under_way.append(self)
        return await self.future

    async def ended(self, answer: Answer | Listed, started: float) -> None:
        """Record the answer; fail where the test wants a defect."""
        del started
        if self.defects is not None:
            next(self.defects)
            raise ZeroDivisionError("a bug")
        self.remote.ended.append((self.name, answer, None))

    async def refused(self, failure: Failed, until: float, at: float) -> None:
        """Record the refusal."""
        del at
        self.remote.ended.append((self.name, failure, until))

    def broken(self) -> None:
        """Record the defect."""
        self.broke = True

    async def slow(self) -> None:
        """Count."""
        self.slowed += 1


@pytest.fixture
def remote() -> Remote:
    """Requests under the test's control."""
    return Remote()


def _lane(now: Callable[[], float] = lambda: 0.0) -> Lane:
    return Lane(now)


async def _proven(remote: Remote) -> Lane:
    """A lane whose token has been accepted."""
    lane = _lane()
    lane.submit(remote.read())
    await remote.settle()
    await remote.answer(0)
    remote.under_way.clear()
    remote.ended.clear()
    return lane


async def test_one_probe_first_then_up_to_the_limit(remote: Remote) -> None:
    """A new connection starts with one request; when it is good, the others follow, a limited number at once."""
    lane = _lane()
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
    lane = _lane()
    for app in ("a", "b", "c"):
        lane.submit(remote.read(app))
    await remote.settle()
    await remote.answer(0, UNAUTHORIZED)
    assert remote.ended == [("a", UNAUTHORIZED, None), ("b", UNAUTHORIZED, 60.0), ("c", UNAUTHORIZED, 60.0)]
    assert len(remote.under_way) == 1


async def test_a_forbidden_app_does_not_hold_up_the_others(remote: Remote) -> None:
    """Its own reads end at once, the other apps' go on."""
    lane = await _proven(remote)
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
    lane = _lane(lambda: now[0])
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
    lane = _lane()
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
    lane = _lane()
    lane.submit(remote.read("probe"))
    unwanted = remote.read("b")
    lane.submit(unwanted)
    unwanted.wanted = False
    await remote.settle()
    await remote.answer(0)
    assert [each.name for each in remote.under_way] == ["probe"]
    assert lane.idle


async def test_answers_that_hang_do_not_hold_up_the_others(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request without an answer makes room for another, up to a second limit, before it is worth a word."""
    lane = await _proven(remote)
    monkeypatch.setattr("astra_mirror.lane.ROOM_SECONDS", 0.0)
    for number in range(MAX_IN_FLIGHT + MAX_SLOW + 1):
        lane.submit(remote.read(account=str(number)))
    async with asyncio.timeout(10):
        while len(remote.under_way) < MAX_IN_FLIGHT + MAX_SLOW:  # noqa: ASYNC110 - the loop's own timers are waited for
            await asyncio.sleep(0)
    await remote.settle()
    assert len(remote.under_way) == MAX_IN_FLIGHT + MAX_SLOW
    assert not any(each.slowed for each in remote.under_way)
    await lane.close()


async def test_an_account_that_hangs_leaves_the_others_room(remote: Remote) -> None:
    """However much it has to ask, at once and before anybody knows that it hangs."""
    lane = await _proven(remote)
    for _ in range(2 * MAX_IN_FLIGHT):
        lane.submit(remote.read("a", account="hangs"))
    lane.submit(remote.read("b", account="other"))
    await remote.settle()
    assert [each.account for each in remote.under_way].count("other") == 1
    hanging = len(remote.under_way) - 1
    assert hanging < MAX_IN_FLIGHT
    await remote.answer(0)
    assert len(remote.under_way) == hanging + 2
    await lane.close()


async def test_the_next_goes_while_an_answer_is_handed_out(remote: Remote) -> None:
    """What thousands of refs take of an answer is nobody else's waiting time."""
    lane = _lane()
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


async def test_a_request_that_is_cancelled_under_it_is_told(remote: Remote) -> None:
    """Nobody waits for ever for an answer that does not come."""
    lane = _lane()
    lane.submit(remote.read())
    await remote.settle()
    remote.under_way[0].future.cancel()
    await remote.settle()
    assert remote.under_way[0].broke
    assert lane.idle


async def test_a_burst_is_spread_over_time(remote: Remote) -> None:
    """Beyond the rate the lane waits, and wakes by itself when there is room."""
    numbers = count()
    lane = _lane(lambda: next(numbers) * 1e-4)
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


async def test_a_defect_is_one_failure_and_no_more(remote: Remote, caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected exception becomes an outcome and a traceback in the log; the lane goes on."""
    lane = _lane()
    lane.submit(remote.read())
    lane.submit(remote.read())
    await remote.settle()
    remote.under_way[0].future.set_exception(ZeroDivisionError("a bug"))
    await remote.settle()
    _, outcome, _ = remote.ended[0]
    assert isinstance(outcome, Failed)
    assert outcome.reason is SyncReason.UNEXPECTED_RESPONSE
    assert "a bug" in caplog.text
    await remote.answer(1)
    assert remote.ended[1] == ("a", OK, None)


async def test_a_defect_in_taking_the_answer_is_told(remote: Remote, caplog: pytest.LogCaptureFixture) -> None:
    """The refs behind it can try again, and the lane goes on."""
    lane = _lane()
    bad = remote.read()
    bad.defects = iter([1])
    lane.submit(bad)
    lane.submit(remote.read("b"))
    await remote.settle()
    await remote.answer(0)
    assert bad.broke
    assert "a bug" in caplog.text
    await remote.answer(1)
    assert remote.ended == [("b", OK, None)]


async def test_closing_ends_what_is_under_way(remote: Remote) -> None:
    """Nothing is left behind, and nobody is told an outcome that did not come."""
    lane = _lane()
    lane.submit(remote.read())
    lane.submit(remote.read())
    await remote.settle()
    await lane.close()
    assert remote.ended == []
    assert lane.idle


async def test_a_slow_answer_is_told_to_all_who_wait(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while without an answer the refs behind it hear of it too."""
    monkeypatch.setattr("astra_mirror.lane.SLOW_SECONDS", 0.0)
    lane = _lane()
    reads = [remote.read(), remote.read()]
    for each in reads:
        lane.submit(each)
    async with asyncio.timeout(10):
        while not all(each.slowed for each in reads):  # noqa: ASYNC110 - the loop's own timer is what is waited for
            await asyncio.sleep(0)
    await lane.close()
