"""Who may hold how many bytes of answers in memory: one bound for all bodies, which no tenant can fill alone.

A body is counted as it grows. Bodies that grow side by side could fill the memory before any of them is complete, and
then none would go on. Three rules keep them from that: a list comes in only where the room that it is expected to need
is free; within a connection the body that came first goes first; and where nothing moves any more, or somebody has
waited for long, the body that has held its room longest is ended.
"""

from collections import Counter
from collections.abc import Container, Hashable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import count
from typing import Final, NamedTuple

from astra_mirror.core.body import BESIDE, ENTRIES, EXPECTED, MIB, STAGES, Body, Kind, Pool, Stage
from astra_mirror.core.fair import FairQueue, Path

LISTS: Final = 64 * MIB
SINGLES: Final = 8 * MIB
"""Beside it, for answers about single backups, for errors and for small lists."""
NOT_SMALL: Final = 6 * MIB
"""The part of `SINGLES` that bodies may take that are not small."""
PROMISE_SECONDS: Final = 1.0
"""For how long room is kept for a list that has come in and has not filled it yet."""
RECENT_SECONDS: Final = 1.0
"""For how long after a wait a connection counts as one that waits: between two chunks nobody waits for room."""
PATIENCE_SECONDS: Final = 10.0
"""For how long a body may hold room while others wait for some."""
MAX_WAITING: Final = 256
MAX_WAITING_FOR_NAMESPACE: Final = 64
"""Those that wait hold what the socket delivered before it was told to stop, which is little, but not nothing."""


class Grown(Enum):
    """What became of a wish for room."""

    GRANTED = "granted"
    WAITS = "waits"
    REFUSED = "refused"


class Settled(NamedTuple):
    """Whose wishes are granted, who has to leave for the others' sake, and when to ask again (monotonic seconds)."""

    granted: list[int]
    ended: list[int]
    again_at: float | None


class Room:
    """The bodies that are being received or read. A limit may be passed by one step of growth, and by no more."""

    def __init__(self) -> None:
        self._bodies: dict[int, Body] = {}
        self._numbers = count()
        self._held: Counter[tuple[Pool, Hashable]] = Counter()
        """The bytes in each pool: of all (None), of each namespace, of each connection."""
        self._waiting: dict[Stage, FairQueue[int, Body]] = {
            stage: FairQueue(cap=MAX_WAITING, cap_for_key=MAX_WAITING_FOR_NAMESPACE) for stage in Stage
        }
        self._waited: dict[Stage, dict[Path, float]] = {stage: {} for stage in Stage}
        """When a connection waited last."""

    @property
    def held(self) -> int:
        """The bytes of all bodies."""
        return sum(self._held[pool, None] for pool in Pool)

    def enter(self, kind: Kind, path: Path, now: float, expected: int = EXPECTED) -> int:
        """The number of a new body, which holds nothing yet.

        Args:
            kind: of which it is.
            path: the namespace that it is for, and the connection.
            now: monotonic seconds.
            expected: the bytes that it will have, as far as that is known.
        """
        body = Body(next(self._numbers), path, kind, min(expected, LISTS), now)
        self._bodies[body.number] = body
        return body.number

    def grow(self, number: int, size: int, now: float) -> Grown:
        """Ask for room for `size` more bytes; where it waits, `settle` says when it is granted."""
        body = self._bodies[number]
        body.wants = size
        stage = body.stage()
        may_grow = all(self.is_within_half(path, stage, now) for path in body.paths)
        if not self._waiting[stage] and may_grow and self._fits(body, stage, now):
            self._grant(body, now)
            return Grown.GRANTED
        self._waited[stage][body.path] = now
        return Grown.WAITS if self._waiting[stage].put(body.path, number, body, number) else Grown.REFUSED

    def complete(self, number: int) -> None:
        """Take note that all of a body has come: from now on it is ended for nobody's sake."""
        self._bodies[number].is_complete = True

    def leave(self, number: int) -> None:
        """Give back a body's room, and its place where it waits."""
        body = self._bodies.pop(number)
        for queue in self._waiting.values():
            queue.drop(number)
        self._count(body, body.pool(body.held), -body.held)

    def settle(self, now: float) -> Settled:
        """Grant what can be granted, by turns, and find out who stands in the others' way.

        Whoever is to be ended still holds its room, until it leaves.
        """
        if not any(self._waiting.values()):
            return Settled([], [], None)
        self._take_note_of_who_waits(now)
        granted = [body.number for stage in Stage for body in self._granted(stage, now)]
        ended, again = set[int](), list[float]()
        for pool in Pool:
            if not any(self._waiting[stage] for stage in STAGES[pool]):
                continue
            holder = self._longest_in(pool)
            if holder is not None and self._is_in_the_way(holder, pool, now):
                ended.add(holder.number)
            elif holder is not None:
                again.append(holder.since + PATIENCE_SECONDS)
            again += [each.promised_until for each in self._in(pool) if each.promised_until > now]
            again += [last + RECENT_SECONDS for each in STAGES[pool] for last in self._waited[each].values()]
        return Settled(granted, sorted(ended), min(again, default=None))

    def _take_note_of_who_waits(self, now: float) -> None:
        for stage, queue in self._waiting.items():
            waited = {path: last for path, last in self._waited[stage].items() if now < last + RECENT_SECONDS}
            self._waited[stage] = waited | {body.path: now for body in queue}

    def _granted(self, stage: Stage, now: float) -> Iterator[Body]:
        queue = self._waiting[stage]
        while taken := queue.take(_WithinHalf(self, stage, now)):
            body = taken.value
            if not self._fits(body, stage, now):
                queue.put(body.path, body.number, body, body.number)
                return
            if stage in ENTRIES:
                # It has waited, and is to grow now: for a moment nobody passes it who has much already.
                self._waited[Stage.GROWTH][body.path] = now
            self._grant(body, now)
            yield body

    def _grant(self, body: Body, now: float) -> None:
        before, after = body.pool(body.held), body.pool(body.held + body.wants)
        if before is not after:
            self._count(body, before, -body.held)
            self._count(body, after, body.held)
            body.since = now
            body.promised_until = now + PROMISE_SECONDS if after is Pool.LIST else now
        self._count(body, after, body.wants)
        body.held += body.wants
        body.wants = 0

    def _count(self, body: Body, pool: Pool, size: int) -> None:
        for key in (None, *body.paths):
            self._held[pool, key] += size
            if not self._held[pool, key]:
                del self._held[pool, key]

    def _fits(self, body: Body, stage: Stage, now: float) -> bool:
        match stage:
            case Stage.SMALL:
                return self._free_beside() > 0
            case Stage.SINGLE:
                return min(self._free_beside(), NOT_SMALL - self._held[Pool.SINGLE, None]) > 0
            case Stage.GROWTH:
                return self._held[Pool.LIST, None] < LISTS
            case Stage.ENTRY_MIDDLING | Stage.ENTRY_LARGE:
                others = [each.counts(now) for each in self._in(Pool.LIST)]
                return not others or sum(others) + max(body.expected, body.held + body.wants) <= LISTS

    def _free_beside(self) -> int:
        return SINGLES - sum(self._held[pool, None] for pool in BESIDE)

    def is_within_half(self, path: Path, stage: Stage, now: float) -> bool:
        """Whether a namespace or a connection may have more: at most half of all while others wait.

        Those who wait to come in do not count: where there is room for them they come in, and where there is none they
        have no use for what is left.
        """
        if stage in ENTRIES:
            return True
        others = (last for each, last in self._waited[stage].items() if each[: len(path)] != path)
        if not any(now < last + RECENT_SECONDS for last in others):
            return True
        pools, limit = ((Pool.LIST,), LISTS) if stage is Stage.GROWTH else (BESIDE, SINGLES)
        return sum(self._held[pool, path] for pool in pools) < limit // 2

    def _in(self, *pools: Pool) -> Iterator[Body]:
        return (each for each in self._bodies.values() if each.held and each.pool(each.held) in pools)

    def _longest_in(self, pool: Pool) -> Body | None:
        """Who holds longest, of those whose end has not come, what those who wait for `pool` could have."""
        pools = BESIDE if pool is not Pool.LIST and self._free_beside() <= 0 else (pool,)
        holders = (body for body in self._in(*pools) if not body.is_complete)
        return min(holders, key=lambda body: (body.since, body.number), default=None)

    def _is_in_the_way(self, holder: Body, pool: Pool, now: float) -> bool:
        if now >= holder.since + PATIENCE_SECONDS:
            return True
        # Where all who hold room wait for more, nobody goes on before one of them is ended.
        pools = (pool,) if pool is Pool.LIST else BESIDE
        return all(body.wants and not body.is_complete for body in self._in(*pools))


@dataclass(frozen=True, slots=True)
class _WithinHalf(Container[Path]):
    """The paths that may have more now at this stage."""

    memory: "Room"
    stage: Stage
    now: float

    def __contains__(self, path: object) -> bool:
        return isinstance(path, tuple) and self.memory.is_within_half(path, self.stage, self.now)
