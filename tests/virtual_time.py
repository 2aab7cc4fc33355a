"""An event loop whose time passes when nothing else is left to do: two hours of the operator take a moment.

Timers, time-outs, time slices and the engine all read the loop's clock. A test moves it by waiting, or with `pass_time`
in the middle of work, as work does that takes long. So it is the test that says when a time slice ends.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

_PATIENCE_SECONDS = 60.0
START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


class _Selector(selectors.DefaultSelector):
    """Lets time pass instead of waiting for it; what threads send it waits for."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.passes = 0
        self.threads = 0
        self.stands_still = False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """The files that are ready now; where there are none, the time that would have been waited has passed."""
        self.passes += 1
        if (self.threads or self.stands_still) and timeout != 0:
            if ready := super().select(_PATIENCE_SECONDS):
                return ready
            raise RuntimeError("nothing has come for a minute")
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

    @property
    def passes(self) -> int:
        """How many times all that was ready has been called."""
        return self._virtual.passes

    def stand_still(self) -> None:
        """Wait for what comes over sockets, as long as it takes, and let time pass by `pass_time` alone."""
        self._virtual.stands_still = True

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


def clock() -> float:
    """The running loop's time."""
    return asyncio.get_running_loop().time()


def utcnow() -> datetime:
    """The wall clock that goes with it."""
    return START + timedelta(seconds=clock())


def virtual_loops() -> Mapping[str, type[VirtualLoop]]:
    """The hook of pytest-asyncio's, where all tests run in virtual time."""
    return {"virtual": VirtualLoop}


def loops_as_marked(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The hook of pytest-asyncio's, where those tests run in virtual time that are marked so."""
    return virtual_loops() if item.get_closest_marker("virtual") else {"real": asyncio.new_event_loop}


async def passes(number: int) -> None:
    """Let the loop make so many passes, to try each moment at which something may come between."""
    for _ in range(number):
        await asyncio.sleep(0)


def virtual_loop() -> VirtualLoop:
    """The running loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop
