"""The concurrency slots of one connection: how many requests are under way, by namespace and account.

A request without a response after a while counts as slow. Slow requests have more slots of their own, so that responses
that hang do not block the others. One account, or one namespace, takes at most three quarters of either.
"""

from collections import Counter
from collections.abc import Container, Hashable
from typing import Final

from astra_mirror.core.fair import Path

MAX_IN_FLIGHT: Final = 16
MAX_SLOW: Final = 64
SHARE: Final = 0.75
"""The share of each limit that one account, or one namespace, may use."""


class RequestSlots(Container[Path]):
    """The requests under way, by the parts of their paths: (namespace, account)."""

    def __init__(self) -> None:
        self._quick: Counter[Hashable] = Counter()
        self._all: Counter[Hashable] = Counter()

    def enter(self, path: Path) -> None:
        """Record that a request starts."""
        for part in _parts(path):
            self._quick[part] += 1
            self._all[part] += 1

    def slow(self, path: Path) -> None:
        """Record that a request under way counts as slow from now on."""
        for part in _parts(path):
            _decrement(self._quick, part)

    def leave(self, path: Path, *, is_slow: bool) -> None:
        """Record that a request has ended."""
        for part in _parts(path):
            _decrement(self._all, part)
            if not is_slow:
                _decrement(self._quick, part)

    def is_full(self) -> bool:
        """Whether no request may start."""
        return not self._has_free_slot(None, 1.0)

    def __contains__(self, path: object) -> bool:
        """Whether one more request may start within the share of a path, (namespace,) or (namespace, account)."""
        return isinstance(path, tuple) and self._has_free_slot((len(path), path[-1]), SHARE)

    def _has_free_slot(self, part: Hashable, share: float) -> bool:
        total = MAX_IN_FLIGHT + MAX_SLOW
        return self._quick[part] < share * MAX_IN_FLIGHT and self._all[part] < share * total


def _parts(path: Path) -> tuple[Hashable, ...]:
    """The parts whose limits count: the connection, the namespace, and the account in whatever namespace."""
    return (None, *((number, key) for number, key in enumerate(path, 1)))


def _decrement(counter: Counter[Hashable], part: Hashable) -> None:
    counter[part] -= 1
    if not counter[part]:
        del counter[part]
