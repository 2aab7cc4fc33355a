"""Who waits for memory: how many may, what they hold, and who gives way."""

from astra_mirror.core.body import MIB, SMALL, Kind, Stage
from astra_mirror.core.body_memory import GrowthResult, MemoryBudget
from astra_mirror.core.body_pools import (
    LIST_BYTES,
    SINGLE_BYTES,
    SMALL_BYTES,
    WAITING_BYTES,
)
from astra_mirror.core.body_waiting import MAX_WAITING, MAX_WAITING_FOR_NAMESPACE
from astra_mirror.core.fair import Path
from tests.core.memory import MINE, THEIRS, YOURS, Memory


def test_lists_that_wait_for_admission_take_nothing_from_small_bodies(memory: Memory) -> None:
    """A hundred lists of unknown size wait, and none is evicted: not for a small body, and not for another list."""
    for each in range(16):
        memory.body((f"n{each}", "c"), MIB)
    waiting = list[int]()
    for each in range(114):
        memory.now += 0.001
        waiting.append(memory.body((f"n{each}", "d"), MIB))
        allocation = memory.allocate()
        assert (allocation.evicted, allocation.refused) == ([], [])
    assert set(waiting) <= set(memory.requested)
    for each in range(SMALL_BYTES // SMALL):
        assert memory.grow_to(memory.enter((f"v{each % 4}", "c"), Kind.SINGLE), SMALL) is GrowthResult.GRANTED
        assert memory.allocate().evicted == []


def test_what_waits_for_admission_has_little_memory_and_those_with_most_give_way(memory: Memory) -> None:
    """Large single backups of one namespace wait with 64 KiB each; those of another are not refused for that."""
    held = [memory.body(THEIRS, MIB, Kind.SINGLE) for _ in range(2)]
    mine = [memory.body(MINE, MIB, Kind.SINGLE) for _ in range(WAITING_BYTES // SMALL)]
    assert set(memory.requested) == set(mine)
    yours = memory.body(YOURS, MIB, Kind.SINGLE)
    allocation = memory.allocate()
    assert (allocation.granted, allocation.refused) == ([], [mine[-1]])
    memory.leave(mine[-1])
    assert memory.budget.held <= SINGLE_BYTES
    assert memory.grow_to(memory.enter(MINE, Kind.SINGLE), 2 * SMALL) is GrowthResult.REFUSED
    memory.leave(held[0])
    assert memory.allocate().granted == [mine[0]]
    memory.leave(mine[0])
    assert memory.allocate().granted == [yours]


def test_few_may_wait_for_one_namespace(memory: Memory) -> None:
    """Beyond the limit of waiting bodies of a namespace the next is refused; others may wait."""
    memory.body(THEIRS, LIST_BYTES, expected=LIST_BYTES)
    answers = [memory.grow_to(memory.enter(MINE), 2 * SMALL) for _ in range(MAX_WAITING_FOR_NAMESPACE + 1)]
    assert answers == [GrowthResult.WAITS] * MAX_WAITING_FOR_NAMESPACE + [GrowthResult.REFUSED]
    assert memory.grow_to(memory.enter(YOURS), 2 * SMALL) is GrowthResult.WAITS


def test_as_many_give_way_as_have_too_much_memory(memory: Memory) -> None:
    """The newest of them may have less than the one that they give way to."""
    memory.body(THEIRS, LIST_BYTES, expected=LIST_BYTES)
    for _ in range(2):
        memory.body(THEIRS, MIB, Kind.SINGLE)
    for each in range(19):
        memory.body((f"n{each // 2}", "c"), 2 * SMALL, Kind.SINGLE)
    for _ in range(12):
        memory.body(MINE, 2 * SMALL, Kind.SINGLE)
    mine = [memory.body(MINE, 4 * 1024) for _ in range(8)]
    for each in mine:
        memory.grow(each, SMALL)
    assert memory.allocate()[:3] == ([], [], [])
    memory.body(YOURS, 2 * SMALL, Kind.SINGLE)
    assert memory.allocate().refused == mine[::-1]


def test_those_who_came_first_do_not_keep_others_out_of_the_queue(memory: Memory) -> None:
    """Where too many wait, the newest of the namespace that has most gives way."""
    memory.body(THEIRS, LIST_BYTES, expected=LIST_BYTES)
    for each in range(MAX_WAITING):
        # With nothing in memory yet.
        memory.grow(memory.enter((f"n{each % 4}", "c")), 2 * SMALL)
    waiting = list(memory.requested)
    yours = [memory.enter(YOURS) for _ in range(3)]
    for each in yours:
        assert memory.grow(each, 2 * SMALL) is GrowthResult.WAITS
    allocation = memory.allocate()
    assert allocation.refused == waiting[:-4:-1]
    for each in allocation.refused:
        memory.leave(each)
    # That of a namespace which has as many as any other is the newest itself.
    assert memory.grow(memory.enter(("n3", "d")), 2 * SMALL) is GrowthResult.REFUSED
    assert memory.allocate().refused == []


class _CountingBudget(MemoryBudget):
    """Counts how many owners are looked at."""

    looked_at = 0

    def is_within_share(self, path: Path, stage: Stage, now: float) -> bool:
        """As of any budget."""
        self.looked_at += 1
        return super().is_within_share(path, stage, now)


def test_nobody_is_looked_at_where_nobody_can_have_memory(memory: Memory) -> None:
    """With full queues, that would take milliseconds each time that any body ends."""
    memory.budget = budget = _CountingBudget()
    memory.body(THEIRS, LIST_BYTES, expected=LIST_BYTES)
    for each in range(100):
        memory.body((f"n{each}", "c"), 2 * SMALL)
        memory.body((f"n{each}", "d"), SMALL, Kind.SINGLE)
    assert len(memory.requested) > 100
    budget.looked_at = 0
    assert memory.allocate()[:3] == ([], [], [])
    assert budget.looked_at == 0
