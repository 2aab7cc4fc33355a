"""Long work for one monitor, whose steps are a generator: made in time slices."""

from collections.abc import Generator
from typing import TypeVar

from astra_mirror.support.time_slices import TimeSlice

Found = TypeVar("Found")


async def in_slices(steps: Generator[None, None, Found], time_slice: TimeSlice) -> Found:
    """What these steps return, which are made in time slices."""
    while True:
        try:
            next(steps)
        except StopIteration as ended:
            found: Found = ended.value
            return found
        await time_slice.checkpoint()
