"""Long work shares the event loop: with others, and with all other long work."""

import asyncio
import time
from typing import Any

from astra_mirror.turn import Turn

SECONDS = 0.01


def _work(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


async def _passes(work: "asyncio.Future[Any]") -> int:
    """In how many passes of the loop it is done."""
    passes = 0
    while not work.done():
        passes += 1
        await asyncio.sleep(0)
    return passes


async def test_work_that_begins_together_shares_the_time() -> None:
    """Twenty works, none of them longer than a piece, are not all done in one pass."""

    async def short() -> None:
        turn = Turn()
        for _ in range(4):
            await turn.may_end()
            _work(SECONDS / 5)

    assert await _passes(asyncio.gather(*(short() for _ in range(20)))) >= 10


async def test_work_that_is_alone_is_done_in_pieces() -> None:
    """Others have their turn after each."""

    async def long() -> None:
        turn = Turn()
        for _ in range(50):
            await turn.may_end()
            _work(SECONDS / 2)

    assert await _passes(asyncio.gather(long())) >= 20


async def test_nobody_starves() -> None:
    """Of works whose steps are as long as a piece each does one step, then the next does."""
    done: list[str] = []

    async def work(name: str) -> None:
        turn = Turn()
        for _ in range(3):
            await turn.may_end()
            _work(SECONDS * 1.5)
            done.append(name)

    await asyncio.gather(*map(work, "abc"))
    assert done == ["a", "b", "c"] * 3


async def test_work_that_is_cancelled_while_it_waits_stops_nobody() -> None:
    """Its turn is the next one's."""
    done: list[str] = []

    async def work(name: str) -> None:
        turn = Turn()
        for _ in range(3):
            await turn.may_end()
            _work(SECONDS * 1.5)
        done.append(name)

    async with asyncio.timeout(30):
        tasks = [asyncio.create_task(work(each)) for each in "abcd"]
        await asyncio.sleep(0)
        for each in (tasks[0], tasks[2]):
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert done == ["b", "d"]
