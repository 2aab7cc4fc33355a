"""One mechanism by which many wait for few places: by turns, so that what one tenant has plenty of delays nobody else.

Requests, probes, writes, Events, name look-ups and log lines wait in such queues. Who is first is a value's rank within
its own key and nothing else: a key that has one value waiting gets the next turn, whatever number the others have.
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
"""Whose turn it is, from the outside in: `(namespace,)`, or `(namespace, account)` for turns within turns."""


class Taken(NamedTuple, Generic[Item, Value]):
    """An entry whose turn has come."""

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
    """A key: those below it in the order of their turns, what waits directly in it, and how many wait in all."""

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
    """Values that wait for their turn: round robin over the keys of a path, lowest rank first within a key.

    An item waits once: put again, its last value counts, and it keeps its place unless its rank is lower now.

    Args:
        cap: how many may wait in all; None for any number.
        cap_for_key: how many may wait for one outermost key; None for any number.
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
        """The values that wait, in no particular order."""
        return (each.value for each in self._entries.values())

    def keys(self) -> list[Hashable]:
        """The outermost keys for which something waits, in the order of their turns."""
        return list(self._root.below)

    def waiting_for(self, *path: Hashable) -> int:
        """How many wait below that path."""
        node = self._root
        for key in path:
            below = node.below.get(key)
            if below is None:
                return 0
            node = below
        return node.waiting

    def put(self, path: Path, item: Item, value: Value, rank: float = 0.0) -> bool:
        """Let `value` wait; false when a cap is reached, and then nothing of it is kept.

        Args:
            path: whose turn it needs, one key at least.
            item: what the value is about; what waits for it already is replaced.
            value: what `take` gives back.
            rank: the lowest goes first among those of the same path.
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
        """Let `item` wait no longer; does nothing to one that is not here."""
        entry = self._entries.pop(item, None)
        if entry is not None:
            self._leave(entry.path)

    def take(self, admits: Container[Path] = _EVERYBODY) -> Taken[Item, Value] | None:
        """The value whose turn it is; its keys go to the end of their rows. None when nobody is admitted.

        Args:
            admits: the paths, and the first parts of paths, that may have a turn now.
        """
        return self._take(self._root, (), admits)

    def _take(self, node: _Node[Item], path: Path, admits: Container[Path]) -> Taken[Item, Value] | None:
        taken = self._take_here(node, path)
        if taken is not None:
            return taken
        for key, below in node.below.items():
            inner = (*path, key)
            taken = self._take(below, inner, admits) if inner in admits else None
            if taken is not None:
                # `_leave` has taken the key out when this was its last one.
                if key in node.below:
                    node.below.move_to_end(key)
                return taken
        return None

    def _take_here(self, node: _Node[Item], path: Path) -> Taken[Item, Value] | None:
        while node.heap:
            _, order, item = heapq.heappop(node.heap)
            entry = self._entries.get(item)
            # What was dropped or has a new rank has left an entry of its own behind.
            if entry is not None and entry.order == order:
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
