"""One response body in the memory budget: the pool that its bytes count in, and what it waits for before it grows."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from astra_mirror.core.fair import Path

MIB: Final = 1024 * 1024
SMALL: Final = 64 * 1024
"""Up to this many bytes a body is small, whether of a list or not, if its size is known: it never waits for a larger
body."""
FIRST_PIECE: Final = 16 * 1024
"""Up to this many bytes any other list is small: what it has while it waits to be admitted is little, so that many
can wait."""
DEFAULT_EXPECTED: Final = 4 * MIB
"""The expected size of a list whose size is not known."""
LARGEST_SINGLE: Final = MIB
"""The largest body that is not of a list. As much must be free before a large one is admitted, whatever its size, so
that all wait for the same, and none is passed over."""
MEDIUM: Final = MIB
"""Up to this expected size a list is admitted before larger ones, which need more free memory."""
MAX_HOLD_SECONDS: Final = 10.0
"""How long a body may hold memory while others wait for some."""
MAX_WAIT_SECONDS: Final = 120.0
"""How long a body may wait for memory, all its waits together: its request's time-out is suspended meanwhile."""


class Kind(StrEnum):
    """The kind of request that a body belongs to. The body of an error response is a SINGLE in any case."""

    SINGLE = "single"
    LIST = "list"


class Pool(StrEnum):
    """The pool in which a body counts. Those that wait to be admitted as large bodies have one of their own."""

    SMALL = "small"
    WAITING = "waiting"
    SINGLE = "single"
    LIST = "list"


class Stage(StrEnum):
    """What a body waits for, in the order in which requests are granted."""

    SMALL = "small"
    SINGLE = "growth of a large single"
    ADMIT_SINGLE = "admission of a large single"
    GROWTH = "growth"
    ADMIT_MEDIUM = "admission of a medium list"
    ADMIT_LARGE = "admission of a large list"


LIST_ADMISSIONS: Final = (Stage.ADMIT_MEDIUM, Stage.ADMIT_LARGE)
ADMISSIONS: Final = (Stage.ADMIT_SINGLE, *LIST_ADMISSIONS)
STAGES: Final = {
    Pool.SMALL: (Stage.SMALL,),
    Pool.SINGLE: (Stage.SINGLE, Stage.ADMIT_SINGLE),
    Pool.LIST: (Stage.GROWTH, *LIST_ADMISSIONS),
}
"""The stages in which bodies wait for memory of each pool, the growth of those that are in it first."""


@dataclass(slots=True, eq=False)
class Body:
    """A body that is being received or read. Sizes are in bytes, times in monotonic seconds.

    Attributes:
        number: identifies the body.
        path: the namespace and the connection that the memory counts against.
        kind: the kind of request.
        expected: its size when complete, as far as that is known.
        since: when it entered the pool in which it counts now.
        held: the memory that it has.
        counts_in: the pool in which that counts.
        requested: the memory that it waits for.
        waits_since: when its last wait began.
        may_wait: for how long it may wait, from then on.
        reserved_until: until when its expected size is kept free.
        had_turn: whether it was admitted after a long wait (core/body_turns.py).
        is_complete: whether all of it has been received.
    """

    number: int
    path: Path
    kind: Kind
    expected: int
    since: float
    held: int = 0
    counts_in: Pool = Pool.SMALL
    requested: int = 0
    waits_since: float = float("-inf")
    may_wait: float = MAX_WAIT_SECONDS
    reserved_until: float = float("-inf")
    had_turn: bool = False
    is_complete: bool = False

    def pool(self, size: int) -> Pool:
        """The pool in which it counts when it has `size` bytes."""
        if size <= (FIRST_PIECE if self.kind is Kind.LIST and self.expected > SMALL else SMALL):
            return Pool.SMALL
        return Pool.LIST if self.kind is Kind.LIST else Pool.SINGLE

    def stage(self) -> Stage:
        """What it waits for when its request cannot be granted at once."""
        pool = self.pool(self.held + self.requested)
        if pool in {Pool.SMALL, self.counts_in}:
            return STAGES[pool][0]
        if pool is Pool.SINGLE:
            return Stage.ADMIT_SINGLE
        return Stage.ADMIT_MEDIUM if self.expected <= MEDIUM else Stage.ADMIT_LARGE

    def accounted(self, now: float) -> int:
        """The bytes that it holds, or that are reserved for it while the reservation lasts."""
        return max(self.held, self.expected) if now < self.reserved_until else self.held

    @property
    def waits_until(self) -> float:
        """When it has waited for as long as it may."""
        return self.waits_since + self.may_wait

    @property
    def needs_to_be_admitted(self) -> int:
        """The free memory that a large body waits for before it is admitted: a list for its expected size."""
        if self.kind is Kind.SINGLE:
            return LARGEST_SINGLE
        return max(self.expected, self.held + self.requested)

    @property
    def paths(self) -> list[Path]:
        """The owners whose shares it counts against: the namespace, and the connection within it."""
        return [self.path[:length] for length in range(1, len(self.path) + 1)]
