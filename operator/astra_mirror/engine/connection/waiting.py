"""The requests of one connection that wait for a slot: by turns over namespaces, then over accounts.

As long as nothing is proven of a connection, those go first whose refs have been observed before: what was good once
is more likely to be good now than what somebody has just written.
"""

from collections import deque
from collections.abc import Callable, Container, Iterator
from itertools import chain

from astra_mirror.core.fair import FairQueue, Path
from astra_mirror.engine.ports import Read


class ConnectionQueue:
    """What waits. A namespace whose request waits for the rate of all connections has no other one taken meanwhile."""

    def __init__(self) -> None:
        self._front: deque[Read] = deque()
        self._queue: FairQueue[Read, Read] = FairQueue()
        self._observed: FairQueue[Read, Read] | None = FairQueue()
        self._outside: dict[str, list[Read]] = {}

    def __len__(self) -> int:
        return len(self._front) + len(self._queue)

    def __iter__(self) -> Iterator[Read]:
        return chain(list(self._front), list(self._queue), self.outside())

    def outside(self) -> list[Read]:
        """Those that wait for the rate of all connections."""
        return list(chain.from_iterable(self._outside.values()))

    def put(self, read: Read, *, first: bool = False) -> None:
        """Let `read` wait."""
        if first:
            self._front.append(read)
            return
        path, rank = (read.namespace, read.account), read.due + read.urgency
        self._queue.put(path, read, read, rank)
        if self._observed is not None and read.is_observed:
            self._observed.put(path, read, read, rank)

    def take(self, admits: Callable[[Path], bool], only: Container[Read] | None = None) -> Read | None:
        """The request whose turn it is, or None.

        Args:
            admits: whether a path, (namespace,) or (namespace, account), may have a turn.
            only: what may be taken of those that go first, and nothing of the others; None for all.
        """
        # Whoever may go must not wait behind one that waits for its answer.
        first = next((each for each in self._front if only is None or each in only), None)
        if first is not None:
            self._front.remove(first)
            return first
        if only is not None:
            return None

        def admits_here(path: Path) -> bool:
            return path[0] not in self._outside and admits(path)

        if self._observed is not None:
            taken = self._observed.take(admits_here)
            if taken is not None:
                self._queue.drop(taken.item)
                return taken.item
        taken = self._queue.take(admits_here)
        return taken.item if taken is not None else None

    def forget_order_of_start(self) -> None:
        """A token is proven: from now on there is one order for all."""
        self._observed = None

    def wait_outside(self, read: Read) -> None:
        """`read` has had its turn here, and waits for that of its namespace among all connections."""
        self._outside.setdefault(read.namespace, []).append(read)

    def back_inside(self, read: Read) -> None:
        """`read` does not wait there any more."""
        waiting = self._outside[read.namespace]
        waiting.remove(read)
        if not waiting:
            del self._outside[read.namespace]

    def clear(self) -> None:
        """Forget all."""
        self._front.clear()
        self._outside.clear()
        self._queue, self._observed = FairQueue(), None
