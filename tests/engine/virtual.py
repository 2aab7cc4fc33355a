"""An event loop whose time passes in jumps: when nothing is left to do, it is the time of the next timer.

An hour of the engine's takes milliseconds, and every second of it comes in order.
"""

import asyncio
import functools
import selectors
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


class _Jumps(selectors.DefaultSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        """Nothing comes from outside: instead of waiting, let the time pass."""
        if timeout is None:
            raise RuntimeError("everything waits, and no timer is set")
        self.now += max(timeout, 0.0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop. Its time begins at 0."""

    def __init__(self) -> None:
        self._jumps = _Jumps()
        super().__init__(self._jumps)

    def time(self) -> float:
        """The seconds that have passed."""
        return self._jumps.now


def virtual(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an asynchronous test on virtual time."""

    @functools.wraps(test)
    def run(*arguments: Any, **options: Any) -> None:
        async def body() -> None:
            await test(*arguments, **options)

        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(body())

    return run


def clock() -> float:
    """The running loop's time."""
    return asyncio.get_running_loop().time()


def utcnow() -> datetime:
    """The wall clock that goes with it."""
    return START + timedelta(seconds=clock())
