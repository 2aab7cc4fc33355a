"""Hands out to refs what has become of their requests, one request after the other: there may be thousands of both."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from astra_mirror.engine.ports import Read
from astra_mirror.support.scheduler import spawn

logger = logging.getLogger(__name__)

What = Callable[[], Coroutine[Any, Any, None]]


class Teller:
    """One task that works through what is to be handed out."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Sequence[Read], What]] = deque()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether something is being handed out, or waits for it."""
        return self._task is not None

    def tell(self, reads: Sequence[Read], what: What) -> None:
        """Do `what` when all that came before is done; where it fails, these requests are `broken`."""
        self._waiting.append((reads, what))
        self._next()

    def _next(self) -> None:
        if self._task is None and self._waiting:
            reads, what = self._waiting.popleft()
            self._task = spawn(what(), partial(self._told, reads))

    def _told(self, reads: Sequence[Read], task: asyncio.Task[None]) -> None:
        self._task = None
        if task.cancelled():
            return
        if error := task.exception():
            logger.error("Handing out what holds a request back ended in an unexpected error", exc_info=error)
            for read in reads:
                read.broken()
        self._next()

    async def close(self) -> None:
        """Hand out nothing more."""
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
