"""Who may hold how many bytes of answers in memory: one bound for all bodies, which no tenant's fill for the others.

A body is counted as it grows. Bodies that grow side by side could fill the memory before any of them is complete, and
then none would go on. Three rules keep them from that: a list comes in only where the room that it is expected to need
is free; within a connection the body that came first goes first; and where nothing moves any more, or somebody has
waited for long, the body that has held its room longest is ended.
"""

from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import count
from typing import Final, NamedTuple

from astra_mirror.core.fair import FairQueue, Path

MIB: Final = 1024 * 1024
SMALL: Final = 64 * 1024
"""Bytes up to which a body, of a list as well, is small: it never waits for a larger one."""
LISTS: Final = 64 * MIB
SINGLES: Final = 8 * MIB
"""Beside it, for answers about single backups, for errors and for small lists."""
NOT_SMALL: Final = 6 * MIB
"""The part of `SINGLES` that bodies may take that are not small."""
EXPECTED: Final = 4 * MIB
"""Bytes that a list is expected to have when nothing is known of its size."""
MIDDLING: Final = MIB
"""Bytes up to which a list comes in before larger ones, for which more room has to become free."""
PROMISE_SECONDS: Final = 1.0
"""For how long room is kept for a list that has come in and has not filled it yet."""
PATIENCE_SECONDS: Final = 10.0
"""For how long a body may hold room while others wait for some."""
MAX_WAITING: Final = 256
MAX_WAITING_FOR_NAMESPACE: Final = 64
"""Those that wait hold what the socket delivered before it was told to stop, which is little, but not nothing."""


class Kind(Enum):
    """What a body answers to; an error's is a SINGLE, whatever was asked."""

    SINGLE = "single"
    LIST = "list"


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


class _Pool(Enum):
    """Where a body is counted."""

    SMALL = "small"
    SINGLE = "single"
    LIST = "list"


class _Stage(Enum):
    """What a body waits for, in the order in which wishes are granted."""

    SMALL = "small"
    SINGLE = "single"
    GROWTH = "growth"
    ENTRY_MIDDLING = "entry of a middling list"
    ENTRY_LARGE = "entry of a large list"


_LIST_STAGES: Final = (_Stage.GROWTH, _Stage.ENTRY_MIDDLING, _Stage.ENTRY_LARGE)
_STAGES: Final = {_Pool.SMALL: (_Stage.SMALL,), _Pool.SINGLE: (_Stage.SINGLE,), _Pool.LIST: _LIST_STAGES}
_BESIDE: Final = (_Pool.SMALL, _Pool.SINGLE)


@dataclass(slots=True, eq=False)
class _Body:
    number: int
    path: Path
    kind: Kind
    expected: int
    since: float
    held: int = 0
    wants: int = 0
    promised_until: float = float("-inf")
    is_complete: bool = False

    def pool(self, size: int) -> _Pool:
        if size <= SMALL:
            return _Pool.SMALL
        return _Pool.LIST if self.kind is Kind.LIST else _Pool.SINGLE

    def stage(self) -> _Stage:
        pool = self.pool(self.held + self.wants)
        if pool is not _Pool.LIST:
            return _STAGES[pool][0]
        if self.pool(self.held) is pool:
            return _Stage.GROWTH
        return _Stage.ENTRY_MIDDLING if self.expected <= MIDDLING else _Stage.ENTRY_LARGE

    def counts(self, now: float) -> int:
        """The bytes that it holds, or that are kept free for it."""
        return max(self.held, self.expected) if now < self.promised_until else self.held

    def keys(self) -> list[Hashable]:
        return [self.path[:length] for length in range(1, len(self.path) + 1)]


class Room:
    """The bodies that are being received or read. A limit may be passed by one step of growth, and by no more."""

    def __init__(self) -> None:
        self._bodies: dict[int, _Body] = {}
        self._numbers = count()
        self._held: Counter[tuple[_Pool, Hashable]] = Counter()
        """The bytes in each pool: of all (None), of each namespace, of each connection."""
        self._waiting: dict[_Stage, FairQueue[int, _Body]] = {
            stage: FairQueue(cap=MAX_WAITING, cap_for_key=MAX_WAITING_FOR_NAMESPACE) for stage in _Stage
        }

    @property
    def held(self) -> int:
        """The bytes of all bodies."""
        return sum(self._held[pool, None] for pool in _Pool)

    def enter(self, kind: Kind, path: Path, now: float, expected: int = EXPECTED) -> int:
        """The number of a new body, which holds nothing yet.

        Args:
            kind: of which it is.
            path: the namespace that it is for, and the connection.
            now: monotonic seconds.
            expected: the bytes that it will have, as far as that is known.
        """
        body = _Body(next(self._numbers), path, kind, min(expected, LISTS), now)
        self._bodies[body.number] = body
        return body.number

    def grow(self, number: int, size: int, now: float) -> Grown:
        """Ask for room for `size` more bytes; where it waits, `settle` says when it is granted."""
        body = self._bodies[number]
        body.wants = size
        pool, stage = body.pool(body.held + size), body.stage()
        if not any(self._waiting[each] for each in _STAGES[pool]) and self._fits(body, stage, now):
            self._grant(body, now)
            return Grown.GRANTED
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
        granted = [body.number for stage in _Stage for body in self._granted(stage, now)]
        # Whoever still waits has no use for the room that is left: it keeps nobody from going on.
        granted += [body.number for body in self._granted(_Stage.GROWTH, now, beyond_half=True)]
        ended, again = set[int](), list[float]()
        for pool in _Pool:
            if not any(self._waiting[stage] for stage in _STAGES[pool]):
                continue
            holder = self._longest_in(pool)
            if holder is not None and self._is_in_the_way(holder, pool, now):
                ended.add(holder.number)
            elif holder is not None:
                again.append(holder.since + PATIENCE_SECONDS)
            again.extend(each.promised_until for each in self._in(pool) if each.promised_until > now)
        return Settled(granted, sorted(ended), min(again, default=None))

    def _granted(self, stage: _Stage, now: float, *, beyond_half: bool = False) -> Iterator[_Body]:
        queue = self._waiting[stage]
        while taken := queue.take(lambda path: beyond_half or self._is_within_half(path, stage)):
            body = taken.value
            if not self._fits(body, stage, now):
                queue.put(body.path, body.number, body, body.number)
                return
            self._grant(body, now)
            yield body

    def _grant(self, body: _Body, now: float) -> None:
        before, after = body.pool(body.held), body.pool(body.held + body.wants)
        if before is not after:
            self._count(body, before, -body.held)
            self._count(body, after, body.held)
            body.since = now
            body.promised_until = now + PROMISE_SECONDS if after is _Pool.LIST else now
        self._count(body, after, body.wants)
        body.held += body.wants
        body.wants = 0

    def _count(self, body: _Body, pool: _Pool, size: int) -> None:
        for key in (None, *body.keys()):
            self._held[pool, key] += size
            if not self._held[pool, key]:
                del self._held[pool, key]

    def _fits(self, body: _Body, stage: _Stage, now: float) -> bool:
        match stage:
            case _Stage.SMALL:
                return self._free_beside() > 0
            case _Stage.SINGLE:
                return min(self._free_beside(), NOT_SMALL - self._held[_Pool.SINGLE, None]) > 0
            case _Stage.GROWTH:
                return self._held[_Pool.LIST, None] < LISTS
            case _Stage.ENTRY_MIDDLING | _Stage.ENTRY_LARGE:
                others = [each.counts(now) for each in self._in(_Pool.LIST)]
                return not others or sum(others) + body.expected <= LISTS

    def _free_beside(self) -> int:
        return SINGLES - sum(self._held[pool, None] for pool in _BESIDE)

    def _is_within_half(self, path: Path, stage: _Stage) -> bool:
        """Whether a namespace or a connection may have more: at most half of all while others wait."""
        stages = _LIST_STAGES if stage in _LIST_STAGES else (stage,)
        if all(len(self._waiting[each]) == self._waiting[each].waiting_for(*path) for each in stages):
            return True
        if stage in _LIST_STAGES:
            return self._held[_Pool.LIST, path] < LISTS // 2
        return sum(self._held[pool, path] for pool in _BESIDE) < SINGLES // 2

    def _in(self, *pools: _Pool) -> Iterator[_Body]:
        return (each for each in self._bodies.values() if each.held and each.pool(each.held) in pools)

    def _longest_in(self, pool: _Pool) -> _Body | None:
        """Who holds longest, of those whose end has not come, what those who wait for `pool` could have."""
        pools = _BESIDE if pool is not _Pool.LIST and self._free_beside() <= 0 else (pool,)
        holders = (body for body in self._in(*pools) if not body.is_complete)
        return min(holders, key=lambda body: (body.since, body.number), default=None)

    def _is_in_the_way(self, holder: _Body, pool: _Pool, now: float) -> bool:
        if now >= holder.since + PATIENCE_SECONDS:
            return True
        # Where all who hold room wait for more, nobody goes on before one of them is ended.
        pools = (pool,) if pool is _Pool.LIST else _BESIDE
        return all(body.wants and not body.is_complete for body in self._in(*pools))
