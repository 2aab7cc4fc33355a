"""The memory budget: one limit for all bodies, and no tenant blocks the others."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astra_mirror.core.body import FIRST_PIECE, MAX_WAIT_SECONDS, MIB, SMALL, Kind
from astra_mirror.core.body_memory import GrowthResult
from astra_mirror.core.body_pools import (
    LARGE_SINGLE_BYTES,
    LIST_BYTES,
    RESERVE_SECONDS,
    SINGLE_BYTES,
    SMALL_BYTES,
)
from astra_mirror.core.concurrency import MAX_IN_FLIGHT, MAX_SLOW, SHARE
from astra_mirror.core.fair import Path
from tests.core.memory import MINE, STEP, THEIRS, YOURS, Memory


def test_one_list_may_have_all_the_room_for_lists(memory: Memory) -> None:
    """One list may use the whole budget for lists while no other waits."""
    assert memory.grow_to(memory.enter(MINE, expected=LIST_BYTES), LIST_BYTES) is GrowthResult.GRANTED
    assert memory.budget.held == LIST_BYTES


def test_small_bodies_never_wait_for_large_ones(memory: Memory) -> None:
    """A small body never waits, whatever the large bodies of both kinds hold."""
    memory.body(MINE, LIST_BYTES, expected=LIST_BYTES)
    for _ in range(20):
        memory.body(MINE, MIB, Kind.SINGLE)
    for kind in Kind:
        assert memory.grow_to(memory.enter(YOURS, kind, SMALL), SMALL) is GrowthResult.GRANTED


def test_the_first_piece_of_a_list_of_unknown_size_never_waits(memory: Memory) -> None:
    """Its first 16 KiB are granted at once; from there on it may be large, and waits as the large ones do."""
    memory.body(MINE, LIST_BYTES, expected=LIST_BYTES)
    unknown = memory.enter(YOURS)
    assert memory.grow_to(unknown, FIRST_PIECE) is GrowthResult.GRANTED
    assert memory.grow(unknown, 1) is GrowthResult.WAITS


def _grow_side_by_side(memory: Memory, size: int, limit: int) -> None:
    """Let all bodies grow by turns to their size, and leave; none is refused or evicted."""
    while memory.has:
        for number in [each for each in memory.has if each not in memory.requested]:
            if memory.has[number] == size:
                memory.budget.complete(number)
                memory.leave(number)
            else:
                assert memory.grow(number, STEP) is not GrowthResult.REFUSED
        assert not memory.allocate().evicted
        assert memory.budget.held <= limit


def test_lists_that_grow_side_by_side_do_not_stop_each_other(memory: Memory) -> None:
    """Of eighty lists of 4 MiB as many are admitted as fit, the others follow, and none is evicted."""
    size = 4 * MIB
    for each in range(80):
        memory.enter((f"n{each}", each))
    _grow_side_by_side(memory, size, LIST_BYTES + SINGLE_BYTES)


def test_room_is_kept_for_a_second_for_a_list_that_has_come_in(memory: Memory) -> None:
    """The expected size of an admitted list is reserved for a second; after that its actual size counts."""
    for each in range(16):
        memory.body((f"n{each}", each), 2 * SMALL)
    memory.now = 0.5
    late = memory.body(YOURS, 2 * SMALL)
    allocation = memory.allocate()
    assert (allocation.granted, allocation.next_check_at) == ([], RESERVE_SECONDS)
    memory.now = RESERVE_SECONDS
    assert memory.allocate().granted == [late]


def test_a_list_of_middling_size_comes_in_before_a_large_one(memory: Memory) -> None:
    """A medium list is admitted before a large one, which needs more free memory."""
    memory.body(MINE, LIST_BYTES // 2)
    memory.now = 2.0
    large = memory.body(YOURS, LIST_BYTES, expected=LIST_BYTES)
    middling = memory.body(THEIRS, 2 * SMALL, expected=MIB)
    assert memory.has[middling] == 2 * SMALL
    assert large in memory.requested


@pytest.mark.parametrize("paths", [[MINE] * 3, [("mine", "a"), ("mine", "b"), ("mine", "c")]])
def test_a_connection_and_a_namespace_have_at_most_half_while_others_wait(memory: Memory, paths: list[Path]) -> None:
    """A namespace with many Secrets gets no more than one with a single Secret."""
    mine = [memory.body(path, LIST_BYTES // 3 + MIB, expected=0) for path in paths]
    yours = memory.body(YOURS, 16 * MIB, expected=0)
    memory.allocate()
    memory.leave(mine[0])
    memory.settle_all((yours, 16 * MIB), (mine[1], LIST_BYTES), (mine[2], LIST_BYTES))
    assert memory.has[yours] == 16 * MIB


def test_who_has_half_goes_on_where_nobody_else_can_use_the_room(memory: Memory) -> None:
    """A list that needs the whole budget waits for the end of the list that has half of it."""
    first = memory.body(MINE, LIST_BYTES // 2, expected=LIST_BYTES)
    second = memory.body(YOURS, LIST_BYTES, expected=LIST_BYTES)
    memory.now = 2.0
    allocation = memory.settle_all((first, LIST_BYTES))
    assert memory.has[first] == LIST_BYTES
    assert allocation.evicted == []
    memory.budget.complete(first)
    memory.leave(first)
    assert memory.allocate().granted == [second]


def test_large_single_backups_that_grow_side_by_side_do_not_stop_each_other(memory: Memory) -> None:
    """As many are admitted as fit, the others follow, and none is evicted."""
    for each in range(20):
        memory.enter((f"n{each}", each), Kind.SINGLE)
    _grow_side_by_side(memory, MIB, SINGLE_BYTES)


@pytest.mark.parametrize("paths", [[("mine", "c")], [(f"n{each}", "c") for each in range(20)]])
def test_small_bodies_and_large_ones_have_memory_of_their_own(memory: Memory, paths: list[Path]) -> None:
    """However many large bodies hang, or wait, small ones have all that is theirs, and the other way round."""
    for each in range(40):
        large = memory.body(paths[each % len(paths)], MIB, Kind.SINGLE)
        if memory.has[large] == SMALL and large not in memory.requested:
            memory.leave(large)
        for refused in memory.allocate().refused:
            memory.leave(refused)
    for each in range(SMALL_BYTES // SMALL):
        assert memory.grow_to(memory.enter((f"n{each % 4}", "c"), Kind.SINGLE), SMALL) is GrowthResult.GRANTED
    assert memory.budget.held <= SINGLE_BYTES


def test_one_namespace_on_one_connection_cannot_keep_out_small_bodies(memory: Memory) -> None:
    """The requests that it may have at once do not use up what is for small bodies, whatever its larger ones hold."""
    for _ in range(8):
        memory.body(MINE, MIB, Kind.SINGLE)
    most = int(SHARE * MAX_IN_FLIGHT) + int(SHARE * MAX_SLOW)
    for _ in range(most):
        assert memory.grow_to(memory.enter(MINE, Kind.SINGLE), SMALL) is GrowthResult.GRANTED
    assert memory.grow_to(memory.enter(YOURS, Kind.SINGLE), 2 * 1024) is GrowthResult.GRANTED


def test_any_number_of_small_bodies_leaves_some_for_others(memory: Memory) -> None:
    """Small bodies go first, but they cannot use the whole budget."""
    for each in range(2 * SMALL_BYTES // SMALL):
        memory.body((f"n{each % 4}", "c"), SMALL, Kind.SINGLE)
    assert memory.requested
    assert memory.grow_to(memory.enter(YOURS, Kind.SINGLE), SMALL) is GrowthResult.WAITS
    held = memory.body(MINE, 0, Kind.SINGLE)
    assert memory.budget.grow(held, 2 * SMALL, memory.now) is GrowthResult.GRANTED


def test_two_namespaces_have_turns_even_if_one_body_at_a_time_may_go_on(memory: Memory) -> None:
    """Whoever does not fit at the moment does not lose its turn."""
    fillers = list[int]()
    while not memory.requested:
        fillers.append(memory.body((f"n{len(fillers) % 4}", "c"), SMALL, Kind.SINGLE))
    memory.leave(fillers.pop())
    paths = {memory.enter(path, Kind.SINGLE): path for path in (MINE, YOURS) for _ in range(4)}
    for each in paths:
        memory.grow(each, SMALL)
    order = list[Path]()
    while len(order) < len(paths):
        memory.leave(fillers.pop())
        order += [paths[each] for each in memory.allocate().granted]
    assert order in ([MINE, YOURS] * 4, [YOURS, MINE] * 4)


def test_no_wait_is_for_ever(memory: Memory) -> None:
    """All waits of a body together are limited."""
    first = memory.body(MINE, LIST_BYTES, expected=LIST_BYTES)
    memory.budget.complete(first)
    waits = memory.body(YOURS, 2 * SMALL, expected=MIB)
    memory.allocate()
    memory.now = MAX_WAIT_SECONDS - 5.0
    memory.leave(first)
    assert memory.allocate().granted == [waits]
    second = memory.body(MINE, LIST_BYTES, expected=0)
    memory.budget.complete(second)
    memory.grow(waits, STEP)
    assert memory.requested
    memory.now = MAX_WAIT_SECONDS - 1.0
    assert memory.allocate().refused == []
    memory.now = MAX_WAIT_SECONDS
    assert memory.allocate().refused == [waits]


def test_nobody_is_ended_where_nobody_waits(memory: Memory) -> None:
    """No body is evicted while none waits."""
    memory.body(MINE, LIST_BYTES, expected=LIST_BYTES)
    memory.now = 1e9
    assert memory.allocate() == ([], [], [], None)


def test_single_backups_have_their_own_room(memory: Memory) -> None:
    """Large single backups share a part of their own budget, round robin."""
    many = [memory.body(MINE, MIB, Kind.SINGLE) for _ in range(8)]
    assert memory.budget.held <= LARGE_SINGLE_BYTES + 8 * SMALL
    yours = memory.body(YOURS, MIB, Kind.SINGLE)
    assert yours in memory.requested
    memory.leave(many[0])
    assert memory.allocate().granted[0] == yours


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["enter", "grow", "grow", "grow", "complete", "leave", "time"]),
        st.integers(0, 30),
        st.integers(1, 24 * MIB),
    ),
    max_size=150,
)


@given(_STEPS)
def test_whatever_they_do_the_bound_holds_and_nobody_is_forgotten(steps: Sequence[tuple[str, int, int]]) -> None:
    """After any steps the budget holds, and each waiting body is granted its request or evicted."""
    memory, complete, largest = Memory(), set[int](), 0
    for what, which, size in steps:
        number = list(memory.has)[which % len(memory.has)] if memory.has else None
        if what == "enter":
            memory.enter((f"n{which % 4}", which % 7), Kind.LIST if which % 3 else Kind.SINGLE, size)
        elif what == "time":
            memory.now += which / 10
        elif number is not None and what == "leave":
            memory.leave(number)
        elif number is not None and number not in memory.requested and number not in complete:
            if what == "complete":
                memory.budget.complete(number)
                complete.add(number)
            else:
                largest = max(largest, size)
                memory.grow(number, size)
        allocation = memory.allocate()
        assert complete.isdisjoint(allocation.evicted + allocation.refused)
        for each in allocation.refused:
            memory.leave(each)
        assert allocation.next_check_at is None or allocation.next_check_at > memory.now
        assert memory.budget.held == sum(memory.has.values())
        # Each of the parts may be passed by one step.
        assert memory.budget.held <= LIST_BYTES + SINGLE_BYTES + 3 * largest
    _drain(memory)
    assert memory.budget.held == 0


def _drain(memory: Memory) -> None:
    """Release complete and evicted bodies one by one."""
    while memory.has:
        allocation = memory.allocate()
        gone = allocation.evicted or [each for each in memory.has if each not in memory.requested][:1]
        for number in gone:
            memory.leave(number)
        if not allocation.granted and not gone:
            assert allocation.next_check_at is not None, "somebody waits for nothing"
            memory.now = allocation.next_check_at
