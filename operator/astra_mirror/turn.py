"""Long work is done in pieces, so that what one tenant has plenty of holds up nobody else in the event loop."""

import asyncio
import time
from types import TracebackType
from typing import ClassVar, Final, Self

_SECONDS: Final = 0.01
"""For how long the event loop may be held before others have their turn, by all long work together."""


class Turn:
    """Long work, for the time of a `with` block. Sixteen at once take a sixteenth of the time each."""

    _at_work: ClassVar[int] = 0

    def __init__(self) -> None:
        self._ends = 0.0

    def __enter__(self) -> Self:
        Turn._at_work += 1
        self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        Turn._at_work -= 1

    async def may_end(self) -> None:
        """Go on, or when the piece has lasted long enough, let others go on first."""
        if time.monotonic() > self._ends:
            await asyncio.sleep(0)
            self._begin()

    def _begin(self) -> None:
        self._ends = time.monotonic() + _SECONDS / Turn._at_work
