"""The memory budget for response bodies: one limit for all of them, which no tenant can use up alone.

A body counts as it grows. Bodies that grow side by side could use up the budget before any of them is complete, and
then none could go on. Three rules prevent that. A large body is admitted only when there is memory for it. Within a
connection the oldest body goes first. And when no body can grow, or one has held memory for long while others wait, the
body that has held its memory longest is evicted.

Nobody waits for ever: a list that has waited for long has its turn (core/body_turns.py), and the wait of each body is
limited.
"""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import count
from typing import Final, NamedTuple

from astra_mirror.core.body import (
    ADMISSIONS,
    DEFAULT_EXPECTED,
    LARGEST_SINGLE,
    LIST_ADMISSIONS,
    MAX_HOLD_SECONDS,
    STAGES,
    Body,
    Kind,
    Pool,
    Stage,
)
from astra_mirror.core.body_pools import LARGE_SINGLE_BYTES, LIST_BYTES, SMALL_BYTES, Fitting, Pools
from astra_mirror.core.body_turns import Turns
from astra_mirror.core.body_waiting import Waiting
from astra_mirror.core.fair import Path

_SHARED: Final = {
    Stage.SMALL: (Pool.SMALL, SMALL_BYTES),
    Stage.SINGLE: (Pool.SINGLE, LARGE_SINGLE_BYTES),
    Stage.ADMIT_SINGLE: (Pool.SINGLE, LARGE_SINGLE_BYTES),
    Stage.GROWTH: (Pool.LIST, LIST_BYTES),
}
"""The budgets of which nobody has more than half while others wait in these stages."""


class GrowthResult(Enum):
    """The result of a request for memory."""

    GRANTED = "granted"
    WAITS = "waits"
    REFUSED = "refused"


class Allocation(NamedTuple):
    """The bodies that may grow, those to evict, those that have waited for too long, and when to allocate again."""

    granted: list[int]
    evicted: list[int]
    refused: list[int]
    next_check_at: float | None


class MemoryBudget:
    """The bodies that are being received or read, and who of them may grow."""

    def __init__(self) -> None:
        self._pools = Pools()
        self._numbers = count()
        self._waiting = Waiting(self._pools)
        self._turns = Turns()

    @property
    def held(self) -> int:
        """The bytes of all bodies."""
        return self._pools.held(*Pool)

    def enter(self, kind: Kind, path: Path, now: float, expected: int = DEFAULT_EXPECTED) -> int:
        """Register a body, which holds no memory yet; return its number.

        Args:
            kind: the kind of request.
            path: the namespace that the request is made for, and the connection.
            now: the time.
            expected: its size when complete, as far as that is known.
        """
        largest = LIST_BYTES if kind is Kind.LIST else LARGEST_SINGLE
        body = Body(next(self._numbers), path, kind, min(expected, largest), now)
        self._pools.bodies[body.number] = body
        return body.number

    def grow(self, number: int, size: int, now: float) -> GrowthResult:
        """Request `size` more bytes for a body. If it has to wait, a later `allocate` grants the request."""
        body = self._pools.bodies[number]
        body.requested = size
        stage = body.stage()
        queue = self._waiting.at(stage)
        # Those of other connections that wait for growth while memory is free may not have it.
        is_next = not queue if stage in ADMISSIONS else not queue.waiting_for(*body.path)
        may_grow = is_next and all(self.is_within_share(path, stage, now) for path in body.paths)
        if may_grow and self._fits(body, stage, now):
            self._pools.grant(body, now)
            return GrowthResult.GRANTED
        return GrowthResult.WAITS if self._waiting.put(body, stage, now) else GrowthResult.REFUSED

    def complete(self, number: int) -> None:
        """Record that a body has been received to its end, so that it is never evicted."""
        self._pools.bodies[number].is_complete = True

    def leave(self, number: int) -> None:
        """Release the memory of a body, and its place in the queue."""
        body = self._pools.bodies[number]
        self._turns.end(body)
        self._waiting.drop(body)
        self._pools.release(number)

    def allocate(self, now: float) -> Allocation:
        """Grant the requests that can be granted, owner by owner in turn, and choose the bodies to evict or to refuse.

        Each of those holds its memory until the caller calls `leave`.
        """
        if not self._waiting:
            return Allocation([], [], [], None)
        gave_way = self._waiting.gave_way()
        for body in gave_way:
            self._turns.end(body)
        self._waiting.record(now, is_list_budget_used_up=self._pools.is_used_up(Stage.GROWTH, now))
        granted = [body.number for body in self._granted(now)]
        evicted, again = set[int](), list[float]()
        for pool, stages in STAGES.items():
            if not any(self._waiting.at(stage) for stage in stages):
                continue
            holder = self._longest_holder(pool)
            if holder is not None and self._must_be_evicted(holder, pool, now):
                evicted.add(holder.number)
            elif holder is not None:
                again.append(holder.since + MAX_HOLD_SECONDS)
            again += self._waiting.recent_until(stages)
        refused = self._refused(evicted, now) + [body.number for body in gave_way if body.number not in evicted]
        again += [body.waits_until for body in self._waiting]
        again += [body.reserved_until for body in self._pools.within(Pool.LIST)]
        again += [max(body.waits_since + MAX_HOLD_SECONDS, self._turns.next_at) for body in self._waiting.lists()]
        return Allocation(granted, sorted(evicted), refused, min((at for at in again if at > now), default=None))

    def _granted(self, now: float) -> Iterator[Body]:
        for stage in (Stage.SMALL, Stage.SINGLE, Stage.ADMIT_SINGLE, Stage.GROWTH):
            yield from self._taken(stage, now)
        yield from self._taken_in_turn(now)
        if self._turns.body is None:
            for stage in LIST_ADMISSIONS:
                yield from self._taken(stage, now)
            self._turns.begin(self._waiting.lists(), now)
            yield from self._taken_in_turn(now)

    def _taken(self, stage: Stage, now: float) -> Iterator[Body]:
        queue, shares = self._waiting.at(stage), _WithinShare(self, stage, now)
        # Nobody has to be looked at who could have nothing in any case.
        while queue and not self._pools.is_used_up(stage, now):
            taken = queue.take(shares, Fitting(stage, self._pools.free(stage, now)))
            if taken is None:
                break
            self._end_wait(taken.value, now)
            yield taken.value

    def _taken_in_turn(self, now: float) -> Iterator[Body]:
        body = self._turns.body
        if body is not None and self._fits(body, body.stage(), now):
            self._turns.end(body)
            self._waiting.at(body.stage()).drop(body.number)
            body.had_turn = True
            self._end_wait(body, now)
            yield body

    def _end_wait(self, body: Body, now: float) -> None:
        body.may_wait -= now - body.waits_since
        self._pools.grant(body, now)

    def _refused(self, evicted: Container[int], now: float) -> list[int]:
        """Withdraw the requests that have waited for too long; those of evicted bodies end in any case."""
        refused = [body for body in self._waiting if now >= body.waits_until and body.number not in evicted]
        for body in refused:
            self._turns.end(body)
            self._waiting.drop(body)
        return [body.number for body in refused]

    def _fits(self, body: Body, stage: Stage, now: float) -> bool:
        if stage in LIST_ADMISSIONS and self._turns.body not in {None, body}:
            return False
        return body in Fitting(stage, self._pools.free(stage, now))

    def is_within_share(self, path: Path, stage: Stage, now: float) -> bool:
        """Whether a namespace or a connection may have more memory: at most half of a budget while others wait.

        Lists that wait for admission count only while the budget is used up: if their expected size is free they are
        admitted, and if it is not, the rest is of no use to them.
        """
        if stage not in _SHARED or not self._waiting.others(path, stage, now):
            return True
        pool, limit = _SHARED[stage]
        return self._pools.held(pool, path=path) < limit // 2

    def _longest_holder(self, pool: Pool) -> Body | None:
        """The incomplete body that has held memory of this pool longest."""
        holders = (body for body in self._pools.within(pool) if not body.is_complete)
        return min(holders, key=lambda body: (body.since, body.number), default=None)

    def _must_be_evicted(self, holder: Body, pool: Pool, now: float) -> bool:
        # While memory is free, whoever waits for growth waits only until others have had theirs.
        stages = [stage for stage in STAGES[pool] if stage in LIST_ADMISSIONS or self._pools.is_used_up(stage, now)]
        others = any(body is not holder for stage in stages for body in self._waiting.at(stage))
        if others and now >= holder.since + MAX_HOLD_SECONDS:
            return True
        # If all bodies that hold memory wait for more, none can go on until one of them is evicted.
        is_full = self._pools.is_used_up(STAGES[pool][0], now)
        return is_full and all(body.requested and not body.is_complete for body in self._pools.within(pool))


@dataclass(frozen=True, slots=True)
class _WithinShare(Container[Path]):
    """The paths that may have more memory now, at one stage."""

    budget: "MemoryBudget"
    stage: Stage
    now: float

    def __contains__(self, path: object) -> bool:
        return isinstance(path, tuple) and self.budget.is_within_share(path, self.stage, self.now)
