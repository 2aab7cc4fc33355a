"""An event loop whose time passes when nothing else is left to do: two hours of the operator take a moment.

Timers, time-outs, time slices and the engine all read the loop's clock. A test moves it by waiting, or with `pass_time`
in the middle of work, as work does that takes long. So it is the test that says when a time slice ends.
"""

import asyncio
import functools
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


class _Selector(selectors.DefaultSelector):
    """Lets time pass instead of waiting for it; what threads send it waits for."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.threads = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """The files that are ready now; where there are none, the time that would have been waited has passed."""
        if self.threads and timeout != 0:
            return super().select(None)
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("everybody waits, and nobody will ever come")
            self.now += max(timeout, 0.0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that starts at time 0; its time stands still while a thread works for it."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        self.seconds_a_look = 0.0
        """How much time passes with each look at the clock: with a little of it every time slice ends at once."""
        super().__init__(self._virtual)

    def time(self) -> float:
        """Virtual seconds."""
        self._virtual.now += self.seconds_a_look
        return self._virtual.now

    def pass_time(self, seconds: float) -> None:
        """Let the work that is being done have taken so long."""
        self._virtual.now += seconds

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        """As of any loop."""
        self._virtual.threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._ended)
        return future

    def _ended(self, _: object) -> None:
        self._virtual.threads -= 1


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(work)


def virtual(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """A test that runs in virtual time."""

    @functools.wraps(test)
    def run_it(*arguments: Any, **options: Any) -> None:
        async def work() -> None:
            await test(*arguments, **options)

        run(work())

    return run_it


def clock() -> float:
    """The running loop's time."""
    return asyncio.get_running_loop().time()


def utcnow() -> datetime:
    """The wall clock that goes with it."""
    return START + timedelta(seconds=clock())


def virtual_loop() -> VirtualLoop:
    """The running loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop
