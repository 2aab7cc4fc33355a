"""Concurrency slots are granted round robin over keys."""

import asyncio

import pytest

from astra_mirror.support.slots import Slots
from tests.virtual_time import passes


async def test_slots_are_taken_by_turns() -> None:
    """One task of another key waits behind at most one of many tasks of the first key."""
    slots, order = Slots(1), list[str]()

    async def work(key: str) -> None:
        async with slots.take(key):
            order.append(key)
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(work(key)) for key in ("a", "a", "a", "b")]
    await asyncio.gather(*tasks)
    assert order.index("b") <= 2
    assert sorted(order) == ["a", "a", "a", "b"]


async def test_no_more_have_a_slot_than_there_are() -> None:
    """A third task waits until one of two slots is released."""
    slots, may_end, holding = Slots(2), asyncio.Event(), list[int]()

    async def work(number: int) -> None:
        async with slots.take(number):
            holding.append(number)
            await may_end.wait()

    tasks = [asyncio.create_task(work(number)) for number in range(3)]
    await asyncio.sleep(1)
    assert holding == [0, 1]
    may_end.set()
    await asyncio.gather(*tasks)
    assert holding == [0, 1, 2]


@pytest.mark.parametrize("turns", range(4))
async def test_a_slot_is_given_back_whatever_happens(turns: int) -> None:
    """A slot is released after a cancellation while waiting, when granted, or while held."""
    slots = Slots(1)
    first, second = (asyncio.create_task(_hold(slots, key)) for key in "ab")
    await passes(turns)
    first.cancel()
    second.cancel()
    await asyncio.wait([first, second])
    async with asyncio.timeout(5), slots.take("c"):
        pass


async def _hold(slots: Slots, key: str) -> None:
    async with slots.take(key):
        await passes(2)
