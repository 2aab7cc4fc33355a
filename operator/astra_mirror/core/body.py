"""One body of an answer, as core.room sees it: where its bytes are counted, and what it waits for to have more."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from astra_mirror.core.fair import Path

MIB: Final = 1024 * 1024
SMALL: Final = 64 * 1024
"""Bytes up to which a body, of a list as well, is small: it never waits for a larger one."""
EXPECTED: Final = 4 * MIB
"""Bytes that a list is expected to have when nothing is known of its size."""
MIDDLING: Final = MIB
"""Bytes up to which a list comes in before larger ones, for which more room has to become free."""


class Kind(Enum):
    """What a body answers to; an error's is a SINGLE, whatever was asked."""

    SINGLE = "single"
    LIST = "list"


class Pool(Enum):
    """Where a body is counted."""

    SMALL = "small"
    SINGLE = "single"
    LIST = "list"


class Stage(Enum):
    """What a body waits for, in the order in which wishes are granted."""

    SMALL = "small"
    SINGLE = "single"
    GROWTH = "growth"
    ENTRY_MIDDLING = "entry of a middling list"
    ENTRY_LARGE = "entry of a large list"


ENTRIES: Final = (Stage.ENTRY_MIDDLING, Stage.ENTRY_LARGE)
STAGES: Final = {Pool.SMALL: (Stage.SMALL,), Pool.SINGLE: (Stage.SINGLE,), Pool.LIST: (Stage.GROWTH, *ENTRIES)}
BESIDE: Final = (Pool.SMALL, Pool.SINGLE)


@dataclass(slots=True, eq=False)
class Body:
    """A body that is being received or read.

    `path` is whose room it takes, the namespace and the connection. Of its bytes `held` are there, `wants` asked for,
    and `expected` is how many it will have, as far as that is known; that much is kept free for it until
    `promised_until`. `since` is when it came where it is counted now. Times are monotonic seconds.
    """

    number: int
    path: Path
    kind: Kind
    expected: int
    since: float
    held: int = 0
    wants: int = 0
    promised_until: float = float("-inf")
    is_complete: bool = False

    def pool(self, size: int) -> Pool:
        """Where it is counted when it has that many bytes."""
        if size <= SMALL:
            return Pool.SMALL
        return Pool.LIST if self.kind is Kind.LIST else Pool.SINGLE

    def stage(self) -> Stage:
        """What it waits for when what it wants is not to be had."""
        pool = self.pool(self.held + self.wants)
        if pool is not Pool.LIST:
            return STAGES[pool][0]
        if self.pool(self.held) is pool:
            return Stage.GROWTH
        return Stage.ENTRY_MIDDLING if self.expected <= MIDDLING else Stage.ENTRY_LARGE

    def counts(self, now: float) -> int:
        """The bytes that it holds, or that are kept free for it."""
        return max(self.held, self.expected) if now < self.promised_until else self.held

    @property
    def paths(self) -> list[Path]:
        """Whose room it takes: the namespace's, and the connection's within it."""
        return [self.path[:length] for length in range(1, len(self.path) + 1)]
