"""An event loop whose time leaps to the next timer when nothing else is left to do: an hour passes in a moment."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any


class _Leaping(selectors.DefaultSelector):
    """Never waits for a timer, only for what threads send."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.threads = 0

    def select(self, timeout: float | None = None) -> Any:
        """What is ready; time leaps when nothing is, unless a thread is at work."""
        if timeout is not None and timeout > 0 and not self.threads:
            ready = super().select(0)
            if not ready:
                self.now += timeout
            return ready
        return super().select(None if self.threads and timeout != 0 else timeout)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its `time` is virtual, and stands still while a thread works for it."""

    def __init__(self) -> None:
        self._leaping = _Leaping()
        super().__init__(self._leaping)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._leaping.now

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        """As of any loop."""
        self._leaping.threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._ended)
        return future

    def _ended(self, _: object) -> None:
        self._leaping.threads -= 1


def run_virtually(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a test on virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(coroutine)
