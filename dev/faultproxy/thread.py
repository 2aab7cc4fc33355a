"""An event loop in a thread, for servers that a test starts and stops."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

_SECONDS: Final = 15.0
_CHECK_SECONDS: Final = 0.02
T = TypeVar("T")


class LoopThread:
    """A running event loop; `call` runs a coroutine on it and waits for its result."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`.

        Raises:
            TimeoutError: it took longer than any start or stop should.
        """
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(_SECONDS)

    def stop(self) -> None:
        """Cancel what still runs, and end the loop."""
        self.call(_cancel_others())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(_SECONDS)
        self.loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def until(event: threading.Event) -> None:
    """Wait for a thread's event without holding up the loop."""
    while not event.is_set():  # noqa: ASYNC110 - it is set in another thread, which wakes no loop
        await asyncio.sleep(_CHECK_SECONDS)
