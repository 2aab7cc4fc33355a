"""Long work shares the event loop with everything else, and with other long work."""

import asyncio
import gc
from collections.abc import Awaitable
from typing import Any
from weakref import ref

from astra_mirror.support.time_slices import TimeSlice
from tests.virtual_time import virtual_loop

SECONDS = 0.005


def _work(seconds: float) -> None:
    virtual_loop().pass_time(seconds)


async def _passes(work: Awaitable[Any]) -> int:
    """The number of passes of the event loop until the work is done."""
    before = virtual_loop().passes
    await work
    return virtual_loop().passes - before


async def test_work_that_begins_together_shares_the_time() -> None:
    """Twenty pieces of short work that start together take several passes of the loop."""

    async def short() -> None:
        time_slice = TimeSlice()
        for _ in range(4):
            await time_slice.checkpoint()
            _work(SECONDS / 5)

    assert await _passes(asyncio.gather(*(short() for _ in range(20)))) >= 10


async def test_work_that_is_alone_is_done_in_pieces() -> None:
    """Long work yields after each slice."""

    async def long() -> None:
        time_slice = TimeSlice()
        for _ in range(50):
            await time_slice.checkpoint()
            _work(SECONDS / 2)

    assert await _passes(asyncio.gather(long())) >= 20


async def test_nobody_starves() -> None:
    """Of two works whose steps last a slice each, the steps alternate."""
    done: list[str] = []

    async def work(name: str) -> None:
        time_slice = TimeSlice()
        for _ in range(3):
            await time_slice.checkpoint()
            _work(SECONDS * 1.5)
            done.append(name)

    await asyncio.sleep(1)
    await asyncio.gather(*map(work, "abc"))
    assert done == ["a", "b", "c"] * 3


async def test_work_that_is_cancelled_while_it_waits_stops_nobody() -> None:
    """The slice of a cancelled task goes to the next one."""
    done: list[str] = []

    async def work(name: str) -> None:
        time_slice = TimeSlice()
        for _ in range(3):
            await time_slice.checkpoint()
            _work(SECONDS * 1.5)
        done.append(name)

    async with asyncio.timeout(30):
        tasks = [asyncio.create_task(work(each)) for each in "abcd"]
        await asyncio.sleep(0)
        for each in (tasks[0], tasks[2]):
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert done == ["b", "d"]


async def test_one_namespace_has_as_many_turns_as_another() -> None:
    """Forty works of one namespace delay the three slices of another by three slices only."""
    done: list[str] = []

    async def work(namespace: str) -> None:
        time_slice = TimeSlice(namespace)
        for _ in range(3):
            await time_slice.checkpoint()
            _work(SECONDS * 1.2)
            done.append(namespace)

    crowd = [asyncio.create_task(work("crowd")) for _ in range(40)]
    await asyncio.sleep(0)
    await work("victim")
    before = len(done)
    for each in crowd:
        each.cancel()
    await asyncio.gather(*crowd, return_exceptions=True)
    # Two more may have been done before it came, and one at once.
    assert before <= 3 + 3 + 3


async def test_work_within_work_is_part_of_its_piece() -> None:
    """Nested work with time slices of its own takes no more slices than the whole."""
    done: list[str] = []

    async def crowd() -> None:
        time_slice = TimeSlice("crowd")
        while True:
            await time_slice.checkpoint()
            _work(SECONDS * 1.2)
            done.append("crowd")

    async def inner() -> None:
        time_slice = TimeSlice("inner")
        for _ in range(2):
            await time_slice.checkpoint()

    others = [asyncio.create_task(crowd()) for _ in range(3)]
    await asyncio.sleep(0)
    outer = TimeSlice()
    for _ in range(200):
        await outer.checkpoint()
        await inner()
    for each in others:
        each.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    # Each of the 200 would have waited for a piece, or two, of the crowd's.
    assert len(done) < 50


async def test_small_work_is_done_at_once_while_others_wait() -> None:
    """Short work does not wait behind long work."""

    async def long() -> None:
        time_slice = TimeSlice("long")
        for _ in range(6):
            await time_slice.checkpoint()
            _work(SECONDS * 1.2)

    async def small() -> None:
        await TimeSlice("small").checkpoint()

    others = [asyncio.create_task(long()) for _ in range(4)]
    waits = []
    for _ in range(8):
        await asyncio.sleep(0)
        one = asyncio.create_task(small())
        waits.append(await _passes(one))
    await asyncio.gather(*others)
    # Most of them: of one that comes when its pass's time is over, nothing is promised.
    assert sorted(waits)[len(waits) // 2] <= 2


async def test_what_has_ended_is_kept_by_no_turn() -> None:
    """No reference keeps a finished task, whose result may be large."""

    class Result:
        pass

    async def work() -> Result:
        await TimeSlice(is_large=True).checkpoint()
        return Result()

    result = ref(await asyncio.create_task(work()))
    # The loop itself keeps what has woken this one up, until its next pass.
    await asyncio.sleep(0)
    gc.collect()
    assert result() is None
