"""The timers of all refs on one heap.

A task or a loop timer for each of 10,000 refs costs more memory and CPU than the refs themselves.
"""

import heapq
from collections.abc import Hashable, Iterator
from itertools import count
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Timers(Generic[Key]):
    """At most one due time a key; setting it again replaces it. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Key]] = []
        self._current: dict[Key, tuple[float, int]] = {}
        self._order = count()

    def __contains__(self, key: Key) -> bool:
        return key in self._current

    def __len__(self) -> int:
        return len(self._current)

    def set(self, key: Key, due: float) -> None:
        """Set the due time of `key`."""
        entry = (due, next(self._order))
        self._current[key] = entry
        heapq.heappush(self._heap, (*entry, key))
        # Replaced entries stay in the heap until they are due; without a limit, many early polls would make it grow.
        if len(self._heap) > 2 * len(self._current) + 64:
            self._heap = [(*entry, key) for key, entry in self._current.items()]
            heapq.heapify(self._heap)

    def drop(self, key: Key) -> None:
        """Forget `key`."""
        self._current.pop(key, None)

    def next_due(self) -> float | None:
        """When the earliest key is due; None without one."""
        while self._heap and not self._is_current(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: float) -> Iterator[tuple[Key, float]]:
        """The keys due at `now`, earliest first, each with its time; they have no timer afterwards."""
        while (due := self.next_due()) is not None and due <= now:
            key = heapq.heappop(self._heap)[2]
            del self._current[key]
            yield key, due

    def _is_current(self, entry: tuple[float, int, Key]) -> bool:
        return self._current.get(entry[2]) == entry[:2]
