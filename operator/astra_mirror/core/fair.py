"""A fair queue: round robin over keys, so that one tenant with many entries does not delay the others.

Requests, probes, writes, Events, name look-ups and log lines wait in such queues. An entry's rank orders it within its
own key only: a key with one entry is served as often as a key with thousands.
"""

import heapq
from collections import OrderedDict
from collections.abc import Container, Hashable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Final, Generic, NamedTuple, TypeVar

Item = TypeVar("Item", bound=Hashable)
Value = TypeVar("Value")
Path = tuple[Hashable, ...]
"""The keys of an entry from the outside in: `(namespace,)`, or `(namespace, account)` for nested round robin."""


class Taken(NamedTuple, Generic[Item, Value]):
    """An entry that was taken from the queue."""

    path: Path
    item: Item
    value: Value


@dataclass(slots=True)
class _Entry(Generic[Value]):
    path: Path
    value: Value
    rank: float
    order: int


@dataclass(slots=True)
class _Node(Generic[Item]):
    """A key: the keys below it in round-robin order, its own entries by rank, and the number of entries in all."""

    below: "OrderedDict[Hashable, _Node[Item]]" = field(default_factory=OrderedDict)
    heap: list[tuple[float, int, Item]] = field(default_factory=list)
    waiting: int = 0


class Others(Container[Path]):
    """All paths but those whose outermost key is one of these.

    Args:
        keys: the outermost keys, as they are when a path is looked at.
    """

    def __init__(self, keys: Container[Hashable] = ()) -> None:
        self._keys = keys

    def __contains__(self, path: object) -> bool:
        return not isinstance(path, tuple) or path[0] not in self._keys


_EVERYBODY: Final = Others()


class FairQueue(Generic[Item, Value]):
    """A queue of values: round robin over the keys of a path, lowest rank first within a key.

    An item is in the queue once. Put again, it has its last value, and keeps its place unless its rank is now lower.

    Args:
        cap: the limit of entries in all; None for no limit.
        cap_for_key: the limit of entries for one outermost key; None for no limit.
    """

    def __init__(self, *, cap: int | None = None, cap_for_key: int | None = None) -> None:
        self._cap = cap
        self._cap_for_key = cap_for_key
        self._root: _Node[Item] = _Node()
        self._entries: dict[Item, _Entry[Value]] = {}
        self._order = count()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, item: Item) -> bool:
        return item in self._entries

    def __iter__(self) -> Iterator[Value]:
        """The values in the queue, in no particular order."""
        return (each.value for each in self._entries.values())

    def keys(self) -> list[Hashable]:
        """The outermost keys that have entries, in round-robin order."""
        return list(self._root.below)

    def waiting_for(self, *path: Hashable) -> int:
        """The number of entries below that path."""
        node = self._root
        for key in path:
            below = node.below.get(key)
            if below is None:
                return 0
            node = below
        return node.waiting

    def put(self, path: Path, item: Item, value: Value, rank: float = 0.0) -> bool:
        """Add an entry, or replace the value of the one for `item`; return False if a cap refuses it.

        Args:
            path: the keys of the entry, at least one.
            item: identifies the entry.
            value: the value that `take` returns.
            rank: the lowest rank goes first among the entries with the same path.
        """
        entry = self._entries.get(item)
        if entry is not None and entry.path == path:
            entry.value = value
            if rank < entry.rank:
                entry.rank, entry.order = rank, next(self._order)
                self._push(path, item, entry)
            return True
        self.drop(item)
        if self._is_full(path[0]):
            return False
        entry = self._entries[item] = _Entry(path, value, rank, next(self._order))
        for node in self._nodes(path):
            node.waiting += 1
        self._push(path, item, entry)
        return True

    def drop(self, item: Item) -> None:
        """Remove the entry of `item`; does nothing if there is none."""
        entry = self._entries.pop(item, None)
        if entry is not None:
            self._leave(entry.path)

    def take(
        self, admits: Container[Path] = _EVERYBODY, fitting: Container[Value] | None = None
    ) -> Taken[Item, Value] | None:
        """Remove and return the next entry, and move its keys to the end of the round robin; None if none is admitted.

        Args:
            admits: the paths, and the first parts of paths, below which entries may be taken now.
            fitting: the values that may be taken now; None for all. A path whose first entry may not be taken is passed
                over, and keeps its place.
        """
        return self._take(self._root, (), admits, fitting)

    def _take(
        self, node: _Node[Item], path: Path, admits: Container[Path], fitting: Container[Value] | None
    ) -> Taken[Item, Value] | None:
        taken = self._take_here(node, path, fitting)
        if taken is not None:
            return taken
        for key, below in node.below.items():
            inner = (*path, key)
            taken = self._take(below, inner, admits, fitting) if inner in admits else None
            if taken is not None:
                # `_leave` has removed the key if this was its last entry.
                if key in node.below:
                    node.below.move_to_end(key)
                return taken
        return None

    def _take_here(self, node: _Node[Item], path: Path, fitting: Container[Value] | None) -> Taken[Item, Value] | None:
        while node.heap:
            _, order, item = node.heap[0]
            entry = self._entries.get(item)
            # The heap still has tuples of entries that were dropped or have a new rank.
            if entry is None or entry.order != order:
                heapq.heappop(node.heap)
                continue
            if fitting is not None and entry.value not in fitting:
                return None
            heapq.heappop(node.heap)
            del self._entries[item]
            self._leave(path)
            return Taken(path, item, entry.value)
        return None

    def _is_full(self, key: Hashable) -> bool:
        if self._cap is not None and len(self._entries) >= self._cap:
            return True
        return self._cap_for_key is not None and self.waiting_for(key) >= self._cap_for_key

    def _nodes(self, path: Path) -> Iterator[_Node[Item]]:
        node = self._root
        for key in path:
            node = node.below.setdefault(key, _Node())
            yield node

    def _push(self, path: Path, item: Item, entry: _Entry[Value]) -> None:
        *_, node = self._nodes(path)
        heapq.heappush(node.heap, (entry.rank, entry.order, item))
        if len(node.heap) > 2 * node.waiting + 64:
            live = [each for each in node.heap if (one := self._entries.get(each[2])) and one.order == each[1]]
            heapq.heapify(live)
            node.heap = live

    def _leave(self, path: Path) -> None:
        node = self._root
        for key in path:
            below = node.below[key]
            below.waiting -= 1
            if not below.waiting:
                del node.below[key]
                return
            node = below
