"""The pools of the memory budget for response bodies: what each body holds, and how much is free for whom."""

from collections import Counter
from collections.abc import Container, Hashable, Iterator
from dataclasses import dataclass
from typing import Final

from astra_mirror.core.body import ADMISSIONS, LARGEST_SINGLE, MAX_HOLD_SECONDS, MIB, Body, Pool, Stage
from astra_mirror.core.fair import Path

LIST_BYTES: Final = 64 * MIB
SMALL_BYTES: Final = 4 * MIB
"""The budget of small bodies, which is their own, so that they never wait for large ones: more than the 60 bodies that
one namespace may have on one connection."""
LARGE_SINGLE_BYTES: Final = 2 * MIB
"""The budget of bodies that are neither small nor of a list."""
WAITING_BYTES: Final = 2 * MIB
"""The budget of bodies that wait to be admitted: 128 lists, as long as nothing is known of their size."""
SINGLE_BYTES: Final = SMALL_BYTES + LARGE_SINGLE_BYTES + WAITING_BYTES
"""All that there is in addition to `LIST_BYTES`."""
RESERVE_SECONDS: Final = 1.0
"""How long the expected size of an admitted list is kept free."""


class Pools:
    """The bodies, and the memory that each has. Each limit may be exceeded by one step of growth at most."""

    def __init__(self) -> None:
        self.bodies: dict[int, Body] = {}
        self._members: dict[Pool, dict[int, Body]] = {pool: {} for pool in Pool}
        """The bodies in each pool, apart from those that have never had memory."""
        self._held: Counter[tuple[Pool, Hashable]] = Counter()
        """The bytes in each pool: in all (None), of each namespace, of each connection."""

    def held(self, *pools: Pool, path: Path | None = None) -> int:
        """The bytes in these pools: in all, or of one namespace or connection."""
        return sum(self._held[pool, path] for pool in pools)

    def within(self, *pools: Pool) -> Iterator[Body]:
        """The bodies that hold memory in these pools."""
        return (each for pool in pools for each in self._members[pool].values() if each.held)

    def grant(self, body: Body, now: float) -> None:
        """Give a body what it has requested."""
        after = body.pool(body.held + body.requested)
        if body.counts_in is not after:
            self._move(body, after)
            body.since = now
            body.reserved_until = _reserved_until(after, now)
        self._members[after][body.number] = body
        self._count(body, after, body.requested)
        body.held += body.requested
        body.requested = 0
        if body.had_turn:
            # What it waited for is kept free as long as it arrives fast enough to be complete before it may be evicted.
            received = min(body.held / body.needs_to_be_admitted, 1.0)
            body.reserved_until = body.since + RESERVE_SECONDS + received * MAX_HOLD_SECONDS

    def wait(self, body: Body) -> None:
        """Count a body among those that wait to be admitted: what it has is not missing to those that are small."""
        self._move(body, Pool.WAITING)

    def release(self, number: int) -> None:
        """Forget a body, and release its memory."""
        body = self.bodies.pop(number)
        self._members[body.counts_in].pop(number, None)
        self._count(body, body.counts_in, -body.held)

    def free(self, stage: Stage, now: float) -> float:
        """The memory that is free for what waits in a stage: a list that is alone is admitted whatever its size."""
        match stage:
            case Stage.SMALL:
                return SMALL_BYTES - self.held(Pool.SMALL)
            case Stage.SINGLE:
                return LARGE_SINGLE_BYTES - self.held(Pool.SINGLE)
            case Stage.ADMIT_SINGLE:
                return LARGE_SINGLE_BYTES - sum(each.accounted(now) for each in self.within(Pool.SINGLE))
            case Stage.GROWTH:
                return LIST_BYTES - self.held(Pool.LIST)
            case Stage.ADMIT_MEDIUM | Stage.ADMIT_LARGE:
                others = [each.accounted(now) for each in self.within(Pool.LIST)]
                return LIST_BYTES - sum(others) if others else float("inf")

    def is_used_up(self, stage: Stage, now: float) -> bool:
        """Whether no body that waits in a stage can have memory, unless it is a list that waits for its size."""
        return self.free(stage, now) < (LARGEST_SINGLE if stage is Stage.ADMIT_SINGLE else 1)

    def _move(self, body: Body, pool: Pool) -> None:
        self._count(body, body.counts_in, -body.held)
        self._count(body, pool, body.held)
        self._members[body.counts_in].pop(body.number, None)
        self._members[pool][body.number] = body
        body.counts_in = pool

    def _count(self, body: Body, pool: Pool, size: int) -> None:
        for key in (None, *body.paths):
            self._held[pool, key] += size
            if not self._held[pool, key]:
                del self._held[pool, key]


def _reserved_until(pool: Pool, now: float) -> float:
    """Until when the expected size of a body that enters a pool is kept free."""
    match pool:
        case Pool.LIST:
            return now + RESERVE_SECONDS
        case Pool.SINGLE:
            # Large singles are few: none waits for another in the middle, which could wait for the first.
            return float("inf")
        case Pool.SMALL | Pool.WAITING:
            return now


@dataclass(frozen=True, slots=True)
class Fitting(Container[Body]):
    """The bodies that wait in a stage, and need no more than what is free."""

    stage: Stage
    free: float

    def __contains__(self, body: object) -> bool:
        needs = body.needs_to_be_admitted if isinstance(body, Body) and self.stage in ADMISSIONS else 1
        return needs <= self.free
