"""Bodies that arrive over time, in virtual time, within one memory budget."""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count

from astra_mirror.core.body import DEFAULT_EXPECTED, Kind
from astra_mirror.core.body_memory import GrowthResult, MemoryBudget
from astra_mirror.core.fair import Path


@dataclass(eq=False)
class Transfer:
    """A body that a server sends in chunks.

    Attributes:
        path: the namespace and the connection.
        size: its bytes.
        chunk: the bytes that arrive at once.
        pause: the seconds between two chunks.
        starts: when it starts, or how long after the one before it in its lane has ended.
        expected: the size that the server announces.
        end: how it ended: `complete`, `evicted`, `refused` or `timed out`.
        took: the seconds from its first chunk to its end.
        waited: how long it has waited for memory in all.
    """

    path: Path
    size: int
    chunk: int
    pause: float
    starts: float = 0.0
    expected: int = DEFAULT_EXPECTED
    kind: Kind = Kind.LIST
    end: str = ""
    took: float = 0.0
    waited: float = 0.0
    received: int = 0
    began: float = 0.0
    deadline: float = 0.0
    waits_since: float | None = None
    after: "Iterator[Transfer]" = field(default_factory=lambda: iter(()))


class Traffic:
    """Runs transfers until all have ended.

    Args:
        timeout: the time-out of a request, which is suspended while its body waits for memory.
    """

    def __init__(self, timeout: float = 10.0) -> None:
        self.budget = MemoryBudget()
        self.now = 0.0
        self.most = 0
        self._timeout = timeout
        self._events: list[tuple[float, int, Transfer | None]] = []
        self._order = count()
        self._check_at: float | None = None
        self._running: dict[int, Transfer] = {}
        self._numbers: dict[Transfer, int] = {}

    def run(self, *lanes: Iterable[Transfer]) -> None:
        """Run lanes side by side; within a lane, a transfer starts after the one before it has ended."""
        for lane in lanes:
            self._start_next(iter(lane))
        while self._events:
            self.now, _, transfer = heapq.heappop(self._events)
            if transfer is None:
                if self.now == self._check_at:
                    self._allocate()
            elif not transfer.end:
                self._arrives(transfer)
            self.most = max(self.most, self.budget.held)
        assert [each.end for each in self._running.values()] == []

    def _start_next(self, lane: Iterator[Transfer]) -> None:
        transfer = next(lane, None)
        if transfer is not None:
            transfer.after = lane
            self._push(self.now + transfer.starts, transfer)

    def _push(self, at: float, transfer: Transfer | None) -> None:
        heapq.heappush(self._events, (at, next(self._order), transfer))

    def _arrives(self, transfer: Transfer) -> None:
        if transfer not in self._numbers:
            number = self.budget.enter(transfer.kind, transfer.path, self.now, transfer.expected)
            self._numbers[transfer], self._running[number] = number, transfer
            transfer.began, transfer.deadline = self.now, self.now + self._timeout
        elif self.now >= transfer.deadline:
            self._finish(transfer, "timed out")
            return
        match self.budget.grow(self._numbers[transfer], transfer.chunk, self.now):
            case GrowthResult.GRANTED:
                self._goes_on(transfer)
            case GrowthResult.WAITS:
                transfer.waits_since = self.now
                self._allocate()
            case GrowthResult.REFUSED:
                self._finish(transfer, "refused")

    def _goes_on(self, transfer: Transfer) -> None:
        if transfer.waits_since is not None:
            transfer.deadline += self.now - transfer.waits_since
        self._end_wait(transfer)
        transfer.received += transfer.chunk
        if transfer.received >= transfer.size:
            self.budget.complete(self._numbers[transfer])
            self._finish(transfer, "complete")
        else:
            self._push(min(self.now + transfer.pause, transfer.deadline), transfer)

    def _end_wait(self, transfer: Transfer) -> None:
        if transfer.waits_since is not None:
            transfer.waited += self.now - transfer.waits_since
            transfer.waits_since = None

    def _finish(self, transfer: Transfer, end: str) -> None:
        self._end_wait(transfer)
        transfer.end, transfer.took = end, self.now - transfer.began
        number = self._numbers[transfer]
        del self._running[number]
        self.budget.leave(number)
        self._start_next(transfer.after)
        self._allocate()

    def _allocate(self) -> None:
        allocation = self.budget.allocate(self.now)
        self._check_at = allocation.next_check_at
        if self._check_at is not None:
            self._push(self._check_at, None)
        ends = [("", each) for each in allocation.granted]
        ends += [("evicted", each) for each in allocation.evicted] + [("refused", each) for each in allocation.refused]
        for end, number in ends:
            # The end of one before it may have been the end of this one.
            transfer = self._running.get(number)
            if transfer is not None and end:
                self._finish(transfer, end)
            elif transfer is not None:
                self._goes_on(transfer)
