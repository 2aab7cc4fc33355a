"""The requests of one connection: limits, probes, refusals, and what a defect costs."""

import asyncio
from collections.abc import Callable

import pytest

from astra_mirror.core.outcome import Failed, NotFound, Outcome, SyncReason
from astra_mirror.lane import MAX_IN_FLIGHT, Lane, Read

OK = NotFound("an answer")
UNAUTHORIZED = Failed(SyncReason.UNAUTHORIZED, "no")


class Remote:
    """Requests that end when a test says so."""

    def __init__(self) -> None:
        self.under_way: list[asyncio.Future[Outcome]] = []
        self.ended: list[tuple[Outcome, float | None]] = []
        self.slow = 0

    def read(self, app: str = "a") -> Read:
        """A read that is answered through `under_way` and recorded in `ended`."""

        async def request() -> Outcome:
            future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
            self.under_way.append(future)
            return await future

        def slow() -> None:
            self.slow += 1

        return Read(app, request, lambda outcome, until: self.ended.append((outcome, until)), slow)

    async def settle(self) -> None:
        """Let every task that can go on do so."""
        for _ in range(5):
            await asyncio.sleep(0)

    async def answer(self, number: int, outcome: Outcome = OK) -> None:
        """Answer a request."""
        self.under_way[number].set_result(outcome)
        await self.settle()


@pytest.fixture
def remote() -> Remote:
    """Requests under the test's control."""
    return Remote()


def _lane(now: Callable[[], float] = lambda: 0.0) -> Lane:
    return Lane(now)


async def test_one_probe_first_then_up_to_the_limit(remote: Remote) -> None:
    """A new connection starts with one request; when it is good, the others follow, a limited number at once."""
    lane = _lane()
    for _ in range(40):
        lane.submit(remote.read())
    await remote.settle()
    assert len(remote.under_way) == 1
    await remote.answer(0)
    assert len(remote.under_way) == 1 + MAX_IN_FLIGHT
    await remote.answer(1)
    assert len(remote.under_way) == 2 + MAX_IN_FLIGHT
    for number in range(2, 40):
        await remote.answer(number)
    assert remote.ended == [(OK, None)] * 40
    assert lane.idle


async def test_all_who_wait_learn_of_a_refused_token(remote: Remote) -> None:
    """One request is made, and everybody gets its failure and the time of the next probe."""
    lane = _lane()
    for app in ("a", "b", "c"):
        lane.submit(remote.read(app))
    await remote.settle()
    await remote.answer(0, UNAUTHORIZED)
    assert remote.ended == [(UNAUTHORIZED, None), (UNAUTHORIZED, 60.0), (UNAUTHORIZED, 60.0)]
    assert len(remote.under_way) == 1


async def test_a_forbidden_app_does_not_hold_up_the_others(remote: Remote) -> None:
    """Its own reads end at once, the other apps' go on."""
    lane = _lane()
    lane.submit(remote.read("a"))
    await remote.settle()
    await remote.answer(0, Failed(SyncReason.FORBIDDEN, "no"))
    lane.submit(remote.read("a"))
    lane.submit(remote.read("b"))
    await remote.settle()
    assert [until for _, until in remote.ended] == [None, 60.0]
    assert len(remote.under_way) == 2


async def test_a_defect_is_one_failure_and_no_more(remote: Remote, caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected exception becomes an outcome and a traceback in the log; the lane goes on."""
    lane = _lane()
    lane.submit(remote.read())
    lane.submit(remote.read())
    await remote.settle()
    remote.under_way[0].set_exception(ZeroDivisionError("a bug"))
    await remote.settle()
    outcome, _ = remote.ended[0]
    assert isinstance(outcome, Failed)
    assert outcome.reason is SyncReason.UNEXPECTED_RESPONSE
    assert "a bug" in caplog.text
    await remote.answer(1)
    assert remote.ended[1] == (OK, None)


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
    lane.submit(remote.read())
    lane.submit(remote.read())
    async with asyncio.timeout(10):
        while remote.slow < 2:  # noqa: ASYNC110 - the loop's own timer is what is waited for
            await asyncio.sleep(0)
    await lane.close()
    assert remote.slow == 2
