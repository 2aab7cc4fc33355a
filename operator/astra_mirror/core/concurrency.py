"""The concurrency slots of one connection: how many requests are under way, and whose.

A request that has no answer after a while counts among the slow ones, of which there may be many more: answers that
hang must not hold up the others. One account, or one namespace, that hangs leaves the others a quarter of either.
"""

from collections import Counter
from collections.abc import Container, Hashable
from typing import Final

from astra_mirror.core.fair import Path

MAX_IN_FLIGHT: Final = 16
MAX_SLOW: Final = 64
SHARE: Final = 0.75
"""The part of these limits that one account, or one namespace, may take."""


class RequestSlots(Container[Path]):
    """The requests under way, by the parts of their paths: (namespace, account)."""

    def __init__(self) -> None:
        self._quick: Counter[Hashable] = Counter()
        self._all: Counter[Hashable] = Counter()

    def enter(self, path: Path) -> None:
        """A request starts."""
        for part in _parts(path):
            self._quick[part] += 1
            self._all[part] += 1

    def slow(self, path: Path) -> None:
        """A request that is under way counts among the slow ones from now on."""
        for part in _parts(path):
            _decrement(self._quick, part)

    def leave(self, path: Path, *, is_slow: bool) -> None:
        """A request has been answered."""
        for part in _parts(path):
            _decrement(self._all, part)
            if not is_slow:
                _decrement(self._quick, part)

    def is_full(self) -> bool:
        """Whether nobody may start."""
        return not self._has_room(None, 1.0)

    def __contains__(self, path: object) -> bool:
        """Whether the share of a path, (namespace,) or (namespace, account), has room for one more."""
        return isinstance(path, tuple) and self._has_room((len(path), path[-1]), SHARE)

    def _has_room(self, part: Hashable, share: float) -> bool:
        total = MAX_IN_FLIGHT + MAX_SLOW
        return self._quick[part] < share * MAX_IN_FLIGHT and self._all[part] < share * total


def _parts(path: Path) -> tuple[Hashable, ...]:
    """Whose limits count: everybody's, the namespace's, and the account's in whatever namespace."""
    return (None, *((number, key) for number, key in enumerate(path, 1)))


def _decrement(counter: Counter[Hashable], part: Hashable) -> None:
    counter[part] -= 1
    if not counter[part]:
        del counter[part]
