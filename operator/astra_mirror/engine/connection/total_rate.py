"""The global rate limit for the requests of all connections together; requests that wait are served round robin."""

from astra_mirror.core.fair import FairQueue
from astra_mirror.core.rate import TOTAL_PER_SECOND, Rate
from astra_mirror.engine.requests import Request


class TotalRate:
    """Admits at most `per_second` requests, round robin over the namespaces. Times are monotonic seconds.

    Args:
        per_second: how many requests may start in a second.
    """

    def __init__(self, per_second: float = TOTAL_PER_SECOND) -> None:
        self._rate = Rate(per_second)
        self._waiting: FairQueue[Request, Request] = FairQueue()

    def admit(self, request: Request, now: float) -> bool:
        """Whether a request may start now; if not, it is queued here."""
        if not self._waiting and self._rate.ready_at(now) <= now:
            self._rate.take()
            return True
        self._waiting.put((request.namespace,), request, request)
        return False

    def drop(self, request: Request) -> None:
        """Remove a request from the queue."""
        self._waiting.drop(request)

    def next_at(self, now: float) -> float | None:
        """When the next queued request may start; None if none is queued."""
        return self._rate.ready_at(now) if self._waiting else None

    def take(self, now: float) -> Request | None:
        """The next request, if one may start now."""
        if not self._waiting or self._rate.ready_at(now) > now:
            return None
        taken = self._waiting.take()
        if taken is None:
            return None
        self._rate.take()
        return taken.value
