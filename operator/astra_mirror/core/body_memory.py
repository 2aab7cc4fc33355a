"""The memory budget for response bodies: one limit for all of them, which no tenant can use up alone.

A body counts as it grows. Bodies that grow side by side could use up the budget before any of them is complete, and
then none could go on. Three rules prevent that. A list is admitted only when its expected size is free. Within a
connection the oldest body goes first. And when no body can grow, or one has held memory for long while others wait, the
body that has held its memory longest is evicted.
"""

from collections import Counter
from collections.abc import Container, Hashable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import count
from typing import Final, NamedTuple

from astra_mirror.core.body import ADMISSIONS, DEFAULT_EXPECTED, MIB, SINGLE_POOLS, STAGES, Body, Kind, Pool, Stage
from astra_mirror.core.fair import FairQueue, Path

LIST_BYTES: Final = 64 * MIB
SINGLE_BYTES: Final = 8 * MIB
"""A budget in addition to `LIST_BYTES`, for single backups, errors and small lists."""
LARGE_SINGLE_BYTES: Final = 6 * MIB
"""The part of `SINGLE_BYTES` that is open to bodies that are not small."""
RESERVE_SECONDS: Final = 1.0
"""How long the expected size of an admitted list is kept free."""
RECENT_SECONDS: Final = 1.0
"""How long after a wait a connection still counts as waiting: between two chunks it does not wait for memory."""
MAX_HOLD_SECONDS: Final = 10.0
"""How long a body may hold memory while others wait for some."""
MAX_WAITING: Final = 256
MAX_WAITING_FOR_NAMESPACE: Final = 64
"""A limit, because each body that waits has a small buffer that does not count."""


class GrowthResult(Enum):
    """The result of a request for memory."""

    GRANTED = "granted"
    WAITS = "waits"
    REFUSED = "refused"


class Allocation(NamedTuple):
    """The bodies that may grow, the bodies to evict, and when to call `allocate` again, in monotonic seconds."""

    granted: list[int]
    evicted: list[int]
    next_check_at: float | None


class MemoryBudget:
    """The bodies that are being received or read. Each limit may be exceeded by one step of growth at most."""

    def __init__(self) -> None:
        self._bodies: dict[int, Body] = {}
        self._numbers = count()
        self._held: Counter[tuple[Pool, Hashable]] = Counter()
        """The bytes in each pool: in all (None), of each namespace, of each connection."""
        self._waiting: dict[Stage, FairQueue[int, Body]] = {
            stage: FairQueue(cap=MAX_WAITING, cap_for_key=MAX_WAITING_FOR_NAMESPACE) for stage in Stage
        }
        self._last_waited: dict[Stage, dict[Path, float]] = {stage: {} for stage in Stage}
        """When each connection last waited."""

    @property
    def held(self) -> int:
        """The bytes of all bodies."""
        return sum(self._held[pool, None] for pool in Pool)

    def enter(self, kind: Kind, path: Path, now: float, expected: int = DEFAULT_EXPECTED) -> int:
        """Register a body, which holds no memory yet; return its number.

        Args:
            kind: the kind of request.
            path: the namespace that the request is made for, and the connection.
            now: the time.
            expected: its size when complete, as far as that is known.
        """
        body = Body(next(self._numbers), path, kind, min(expected, LIST_BYTES), now)
        self._bodies[body.number] = body
        return body.number

    def grow(self, number: int, size: int, now: float) -> GrowthResult:
        """Request `size` more bytes for a body. If it has to wait, a later `allocate` grants the request."""
        body = self._bodies[number]
        body.requested = size
        stage = body.stage()
        may_grow = all(self.is_within_share(path, stage, now) for path in body.paths)
        if not self._waiting[stage] and may_grow and self._fits(body, stage, now):
            self._grant(body, now)
            return GrowthResult.GRANTED
        self._last_waited[stage][body.path] = now
        return GrowthResult.WAITS if self._waiting[stage].put(body.path, number, body, number) else GrowthResult.REFUSED

    def complete(self, number: int) -> None:
        """Record that a body has been received to its end, so that it is never evicted."""
        self._bodies[number].is_complete = True

    def leave(self, number: int) -> None:
        """Release the memory of a body, and its place in the queue."""
        body = self._bodies.pop(number)
        for queue in self._waiting.values():
            queue.drop(number)
        self._count(body, body.pool(body.held), -body.held)

    def allocate(self, now: float) -> Allocation:
        """Grant the requests that can be granted, owner by owner in turn, and choose the bodies to evict.

        An evicted body holds its memory until the caller calls `leave`.
        """
        if not any(self._waiting.values()):
            return Allocation([], [], None)
        self._record_waiters(now)
        granted = [body.number for stage in Stage for body in self._granted(stage, now)]
        evicted, again = set[int](), list[float]()
        for pool in Pool:
            if not any(self._waiting[stage] for stage in STAGES[pool]):
                continue
            holder = self._longest_holder(pool)
            if holder is not None and self._must_be_evicted(holder, pool, now):
                evicted.add(holder.number)
            elif holder is not None:
                again.append(holder.since + MAX_HOLD_SECONDS)
            again += [each.reserved_until for each in self._in(pool) if each.reserved_until > now]
            again += [last + RECENT_SECONDS for each in STAGES[pool] for last in self._last_waited[each].values()]
        return Allocation(granted, sorted(evicted), min(again, default=None))

    def _record_waiters(self, now: float) -> None:
        for stage, queue in self._waiting.items():
            waited = {path: last for path, last in self._last_waited[stage].items() if now < last + RECENT_SECONDS}
            self._last_waited[stage] = waited | {body.path: now for body in queue}

    def _granted(self, stage: Stage, now: float) -> Iterator[Body]:
        queue = self._waiting[stage]
        while taken := queue.take(_WithinShare(self, stage, now)):
            body = taken.value
            if not self._fits(body, stage, now):
                queue.put(body.path, body.number, body, body.number)
                return
            if stage in ADMISSIONS:
                # Count the connection as waiting, so that no body of a large owner grows before this one for a moment.
                self._last_waited[Stage.GROWTH][body.path] = now
            self._grant(body, now)
            yield body

    def _grant(self, body: Body, now: float) -> None:
        before, after = body.pool(body.held), body.pool(body.held + body.requested)
        if before is not after:
            self._count(body, before, -body.held)
            self._count(body, after, body.held)
            body.since = now
            body.reserved_until = now + RESERVE_SECONDS if after is Pool.LIST else now
        self._count(body, after, body.requested)
        body.held += body.requested
        body.requested = 0

    def _count(self, body: Body, pool: Pool, size: int) -> None:
        for key in (None, *body.paths):
            self._held[pool, key] += size
            if not self._held[pool, key]:
                del self._held[pool, key]

    def _fits(self, body: Body, stage: Stage, now: float) -> bool:
        match stage:
            case Stage.SMALL:
                return self._free_for_singles() > 0
            case Stage.SINGLE:
                return min(self._free_for_singles(), LARGE_SINGLE_BYTES - self._held[Pool.SINGLE, None]) > 0
            case Stage.GROWTH:
                return self._held[Pool.LIST, None] < LIST_BYTES
            case Stage.ADMIT_MEDIUM | Stage.ADMIT_LARGE:
                others = [each.accounted(now) for each in self._in(Pool.LIST)]
                return not others or sum(others) + max(body.expected, body.held + body.requested) <= LIST_BYTES

    def _free_for_singles(self) -> int:
        return SINGLE_BYTES - sum(self._held[pool, None] for pool in SINGLE_POOLS)

    def is_within_share(self, path: Path, stage: Stage, now: float) -> bool:
        """Whether a namespace or a connection may have more memory: at most half of a budget while others wait.

        Lists that wait for admission do not count: if their expected size is free they are admitted, and if it is not,
        the rest is of no use to them.
        """
        if stage in ADMISSIONS:
            return True
        others = (last for each, last in self._last_waited[stage].items() if each[: len(path)] != path)
        if not any(now < last + RECENT_SECONDS for last in others):
            return True
        pools, limit = ((Pool.LIST,), LIST_BYTES) if stage is Stage.GROWTH else (SINGLE_POOLS, SINGLE_BYTES)
        return sum(self._held[pool, path] for pool in pools) < limit // 2

    def _in(self, *pools: Pool) -> Iterator[Body]:
        return (each for each in self._bodies.values() if each.held and each.pool(each.held) in pools)

    def _longest_holder(self, pool: Pool) -> Body | None:
        """The incomplete body that has held memory longest which bodies that wait for `pool` could use."""
        pools = SINGLE_POOLS if pool is not Pool.LIST and self._free_for_singles() <= 0 else (pool,)
        holders = (body for body in self._in(*pools) if not body.is_complete)
        return min(holders, key=lambda body: (body.since, body.number), default=None)

    def _must_be_evicted(self, holder: Body, pool: Pool, now: float) -> bool:
        if now >= holder.since + MAX_HOLD_SECONDS:
            return True
        # If all bodies that hold memory wait for more, none can go on until one of them is evicted.
        pools = (pool,) if pool is Pool.LIST else SINGLE_POOLS
        return all(body.requested and not body.is_complete for body in self._in(*pools))


@dataclass(frozen=True, slots=True)
class _WithinShare(Container[Path]):
    """The paths that may have more memory now, at one stage."""

    budget: "MemoryBudget"
    stage: Stage
    now: float

    def __contains__(self, path: object) -> bool:
        return isinstance(path, tuple) and self.budget.is_within_share(path, self.stage, self.now)
