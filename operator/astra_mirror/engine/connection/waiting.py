"""The requests of one connection that wait for a slot: round robin over namespaces, then over accounts.

Until a connection's token is proven, requests for previously observed objects start first: they are likelier to succeed
than a new spec.
"""

from collections.abc import Container, Iterator
from itertools import chain

from astra_mirror.core.fair import FairQueue, Path
from astra_mirror.engine.requests import Request


class Waiting:
    """The queued requests.

    While a namespace has a request waiting for the global rate limit, no other of its requests is taken.
    """

    def __init__(self) -> None:
        self._front: FairQueue[Request, Request] = FairQueue()
        self._queue: FairQueue[Request, Request] = FairQueue()
        self._observed: FairQueue[Request, Request] | None = FairQueue()
        self._outside: dict[str, list[Request]] = {}

    def __len__(self) -> int:
        return len(self._front) + len(self._queue)

    def __iter__(self) -> Iterator[Request]:
        return chain(list(self._front), list(self._queue), self.outside())

    def outside(self) -> list[Request]:
        """The requests that wait for the global rate limit."""
        return list(chain.from_iterable(self._outside.values()))

    def put(self, request: Request, *, first: bool = False) -> None:
        """Queue a request; `first`: ahead of all others."""
        if first:
            self._front.put((request.namespace,), request, request)
            return
        rank = request.due + request.urgency
        self._queue.put(request.path, request, request, rank)
        if self._observed is not None and request.is_observed:
            self._observed.put(request.path, request, request, rank)

    def take(self, admitted: Container[Path]) -> Request | None:
        """The next request, or None.

        Args:
            admitted: the paths, (namespace,) or (namespace, account), that have a free slot.
        """
        ahead = self._front.take()
        if ahead is not None:
            return ahead.item
        admitted = _Inside(self._outside, admitted)
        if self._observed is not None:
            taken = self._observed.take(admitted)
            if taken is not None:
                self._queue.drop(taken.item)
                return taken.item
        taken = self._queue.take(admitted)
        return taken.item if taken is not None else None

    def take_first(self, only: Container[Request]) -> Request | None:
        """The first request ahead of all others that is among `only`; it must not wait behind one that is not."""
        first = next((each for each in self._front if each in only), None)
        if first is not None:
            self._front.drop(first)
        return first

    def forget_order_of_start(self) -> None:
        """A token is proven: from now on, previously observed objects have no precedence."""
        self._observed = None

    def wait_outside(self, request: Request) -> None:
        """The request was taken here, and now waits for the global rate limit."""
        self._outside.setdefault(request.namespace, []).append(request)

    def back_inside(self, request: Request) -> None:
        """The request no longer waits for the global rate limit."""
        waiting = self._outside[request.namespace]
        waiting.remove(request)
        if not waiting:
            del self._outside[request.namespace]

    def clear(self) -> None:
        """Drop all requests."""
        self._outside.clear()
        self._front, self._queue, self._observed = FairQueue(), FairQueue(), None


class _Inside(Container[Path]):
    """The admitted paths whose namespace has no request waiting for the global rate limit."""

    def __init__(self, outside: Container[str], admitted: Container[Path]) -> None:
        self._outside = outside
        self._admitted = admitted

    def __contains__(self, path: object) -> bool:
        return isinstance(path, tuple) and path[0] not in self._outside and path in self._admitted
