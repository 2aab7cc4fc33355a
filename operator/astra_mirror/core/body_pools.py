"""The pools of the memory budget for response bodies: what each body holds, and how much is free for whom."""

from collections import Counter
from collections.abc import Container, Hashable, Iterator
from dataclasses import dataclass
from typing import Final

from astra_mirror.core.body import ADMISSIONS, MAX_HOLD_SECONDS, MIB, SINGLE_POOLS, Body, Pool, Stage
from astra_mirror.core.fair import Path

LIST_BYTES: Final = 64 * MIB
SINGLE_BYTES: Final = 8 * MIB
"""A budget in addition to `LIST_BYTES`, for single backups, errors and small lists."""
LARGE_SINGLE_BYTES: Final = 6 * MIB
"""The part of `SINGLE_BYTES` that is open to bodies that are not small."""
SMALL_BYTES: Final = 6 * MIB
"""The part of `SINGLE_BYTES` that is open to small bodies, so that any number of them leaves some for the others."""
RESERVE_SECONDS: Final = 1.0
"""How long the expected size of an admitted list is kept free."""


class Pools:
    """The bodies, and the memory that each has. Each limit may be exceeded by one step of growth at most."""

    def __init__(self) -> None:
        self.bodies: dict[int, Body] = {}
        self._held: Counter[tuple[Pool, Hashable]] = Counter()
        """The bytes in each pool: in all (None), of each namespace, of each connection."""

    def held(self, *pools: Pool, path: Path | None = None) -> int:
        """The bytes in these pools: in all, or of one namespace or connection."""
        return sum(self._held[pool, path] for pool in pools)

    def within(self, *pools: Pool) -> Iterator[Body]:
        """The bodies that hold memory in these pools."""
        return (each for each in self.bodies.values() if each.held and each.pool(each.held) in pools)

    def grant(self, body: Body, now: float) -> None:
        """Give a body what it has requested."""
        before, after = body.pool(body.held), body.pool(body.held + body.requested)
        if before is not after:
            self._count(body, before, -body.held)
            self._count(body, after, body.held)
            body.since = now
            body.reserved_until = now + RESERVE_SECONDS if after is Pool.LIST else now
        self._count(body, after, body.requested)
        body.held += body.requested
        body.requested = 0
        if body.had_turn:
            # What it waited for is kept free as long as it arrives fast enough to be complete before it may be evicted.
            received = min(body.held / body.needs_to_be_admitted, 1.0)
            body.reserved_until = body.since + RESERVE_SECONDS + received * MAX_HOLD_SECONDS

    def release(self, number: int) -> None:
        """Forget a body, and release its memory."""
        body = self.bodies.pop(number)
        self._count(body, body.pool(body.held), -body.held)

    def free(self, stage: Stage, now: float) -> float:
        """The memory that is free for what waits in a stage: a list that is alone is admitted whatever its size."""
        match stage:
            case Stage.SMALL:
                return min(self._free_for_singles(), SMALL_BYTES - self.held(Pool.SMALL))
            case Stage.SINGLE:
                return min(self._free_for_singles(), LARGE_SINGLE_BYTES - self.held(Pool.SINGLE))
            case Stage.GROWTH:
                return LIST_BYTES - self.held(Pool.LIST)
            case Stage.ADMIT_MEDIUM | Stage.ADMIT_LARGE:
                others = [each.accounted(now) for each in self.within(Pool.LIST)]
                return LIST_BYTES - sum(others) if others else float("inf")

    def sharing_with(self, pool: Pool) -> list[Body]:
        """The bodies that hold what bodies that wait for `pool` could use."""
        pools = SINGLE_POOLS if pool is not Pool.LIST and self._free_for_singles() <= 0 else (pool,)
        return list(self.within(*pools))

    def _free_for_singles(self) -> int:
        return SINGLE_BYTES - self.held(*SINGLE_POOLS)

    def _count(self, body: Body, pool: Pool, size: int) -> None:
        for key in (None, *body.paths):
            self._held[pool, key] += size
            if not self._held[pool, key]:
                del self._held[pool, key]


@dataclass(frozen=True, slots=True)
class Fitting(Container[Body]):
    """The bodies that wait in a stage, and need no more than what is free."""

    stage: Stage
    free: float

    def __contains__(self, body: object) -> bool:
        needs = body.needs_to_be_admitted if isinstance(body, Body) and self.stage in ADMISSIONS else 1
        return needs <= self.free
