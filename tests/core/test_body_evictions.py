"""Evictions: who is ended so that others get memory, and who never is."""

from astra_mirror.core.body import MAX_HOLD_SECONDS, MIB, SMALL, Kind
from astra_mirror.core.body_memory import GrowthResult
from astra_mirror.core.body_pools import LIST_BYTES, RESERVE_SECONDS
from astra_mirror.core.body_waiting import RECENT_SECONDS
from tests.core.memory import MINE, STEP, THEIRS, YOURS, Memory


def test_who_holds_longest_is_ended_when_others_have_waited(memory: Memory) -> None:
    """The longest holder is evicted after its time, unless it is complete."""
    memory.budget.complete(memory.body(THEIRS, 10 * MIB, expected=0))
    first = memory.body(MINE, 28 * MIB, expected=0)
    second = memory.body(("second", "c"), 26 * MIB, expected=0)
    memory.now = 2.0
    waits = memory.body(YOURS, 2 * SMALL, expected=0)
    while not (allocation := memory.allocate()).evicted:
        assert allocation.next_check_at is not None
        memory.now = allocation.next_check_at
    assert memory.now == MAX_HOLD_SECONDS
    assert allocation.evicted == [first]
    memory.leave(first)
    allocation = memory.allocate()
    assert (allocation.granted, allocation.evicted) == ([waits], [])
    assert second in memory.has


def test_where_all_who_hold_room_wait_one_is_ended_at_once(memory: Memory) -> None:
    """When all bodies that hold memory wait, one is evicted at once."""
    numbers = [memory.body((f"n{each}", each), 2 * SMALL, expected=0) for each in range(4)]
    allocation = memory.settle_all(*((number, LIST_BYTES) for number in numbers))
    assert allocation.evicted == [numbers[0]]
    memory.leave(numbers[0])
    memory.settle_all(*((number, LIST_BYTES) for number in numbers[1:]))
    assert min(memory.has[number] for number in numbers[1:]) > LIST_BYTES // 4


def test_a_lone_list_is_not_ended_for_one_that_has_waited(memory: Memory) -> None:
    """A list that has more than half waits for the share of one that has just ended, and goes on: memory is free."""
    mine = memory.body(MINE, 36 * MIB, expected=0)
    theirs = memory.body(THEIRS, LIST_BYTES, expected=0)
    yours = memory.body(YOURS, 2 * SMALL, expected=0)
    memory.budget.complete(theirs)
    memory.leave(theirs)
    assert memory.allocate().granted == [yours]
    memory.budget.complete(yours)
    memory.leave(yours)
    memory.now = 0.3
    assert memory.grow(mine, STEP) is GrowthResult.WAITS
    assert memory.allocate() == ([], [], [], RECENT_SECONDS)
    memory.now = RECENT_SECONDS
    assert memory.allocate().granted == [mine]


def test_who_has_held_for_long_is_not_ended_for_itself(memory: Memory) -> None:
    """Nobody else would have its memory."""
    mine = memory.body(MINE, 36 * MIB, expected=0)
    theirs = memory.body(THEIRS, LIST_BYTES, expected=0)
    memory.allocate()
    memory.now = MAX_HOLD_SECONDS - 0.1
    memory.allocate()
    memory.budget.complete(theirs)
    memory.leave(theirs)
    memory.now = MAX_HOLD_SECONDS + 0.1
    memory.grow(mine, STEP)
    assert memory.allocate().evicted == []


def test_who_waits_for_its_expected_size_holds_nobody_back(memory: Memory) -> None:
    """While memory is free, a list that has more than half goes on beside those that wait for admission."""
    mine = memory.body(MINE, 36 * MIB, expected=LIST_BYTES)
    memory.now = 0.5
    yours = memory.body(YOURS, 2 * SMALL)
    memory.now = RESERVE_SECONDS
    assert memory.allocate().granted == [yours]
    assert memory.grow(mine, STEP) is GrowthResult.GRANTED


def test_who_only_drips_holds_nobody_back_for_long(memory: Memory) -> None:
    """A connection counts as waiting only if it lacked memory, not because another one waits for its share."""
    mine = memory.body(MINE, 36 * MIB, expected=0)
    theirs = memory.body(THEIRS, LIST_BYTES, expected=0)
    yours = memory.body(YOURS, 2 * SMALL, expected=0)
    memory.budget.complete(theirs)
    memory.leave(theirs)
    memory.allocate()
    assert memory.grow(mine, STEP) is GrowthResult.WAITS
    for memory.now in (0.6, 1.2):
        assert memory.grow(yours, STEP) is GrowthResult.GRANTED
        granted = memory.allocate().granted
    assert granted == [mine]


def test_single_backups_are_not_ended_for_one_that_has_waited(memory: Memory) -> None:
    """As for lists: those of a namespace that has its half wait, and memory is free."""
    mine = [memory.body(MINE, MIB, Kind.SINGLE)]
    memory.now = MAX_HOLD_SECONDS - 0.5
    theirs = memory.body(THEIRS, MIB, Kind.SINGLE)
    mine.append(memory.body(MINE, MIB, Kind.SINGLE))
    yours = memory.body(YOURS, 2 * SMALL, Kind.SINGLE)
    memory.leave(theirs)
    assert memory.allocate().granted == [yours]
    memory.leave(yours)
    memory.now = MAX_HOLD_SECONDS + 0.1
    assert memory.allocate()[:3] == ([], [], [])
    memory.now = MAX_HOLD_SECONDS + RECENT_SECONDS
    assert memory.allocate().granted == [mine[1]]
