"""The rate of the requests of all connections together: when it is the limit, namespaces have turns."""

from collections.abc import Callable, Hashable

from astra_mirror.core.fair import FairQueue
from astra_mirror.core.rate import TOTAL_PER_SECOND, Rate
from astra_mirror.support.scheduler import Timer


class TotalRate:
    """Lets requests start, at most `TOTAL_PER_SECOND`.

    Args:
        clock: monotonic seconds.
        per_second: how many requests may start in a second.
    """

    def __init__(self, clock: Callable[[], float], per_second: float = TOTAL_PER_SECOND) -> None:
        self._clock = clock
        self._rate = Rate(per_second)
        self._waiting: FairQueue[Hashable, Callable[[], None]] = FairQueue()
        self._timer = Timer(self._go_on)

    def admit(self, namespace: str, item: Hashable, start: Callable[[], None]) -> bool:
        """Whether a request may start now; if not, `start` is called when it is the namespace's turn.

        Args:
            namespace: whose turn it needs.
            item: what waits; it waits once.
            start: called later, from the event loop.
        """
        now = self._clock()
        if not self._waiting and self._rate.ready_at(now) <= now:
            self._rate.take()
            return True
        self._waiting.put((namespace,), item, start)
        self._arm(now)
        return False

    def drop(self, item: Hashable) -> None:
        """Let `item` wait no longer."""
        self._waiting.drop(item)

    def _arm(self, now: float) -> None:
        if self._waiting:
            self._timer.set(self._rate.ready_at(now))

    def _go_on(self) -> None:
        now = self._clock()
        while self._waiting and self._rate.ready_at(now) <= now:
            taken = self._waiting.take()
            if taken is not None:
                self._rate.take()
                taken.value()
        self._arm(now)
