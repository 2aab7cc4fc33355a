"""How much memory lists take, and who gives way."""

from hypothesis import given
from hypothesis import strategies as st

from astra_mirror.core.monitor.kept import KEPT_BYTES, LITTLE, SMALL_BYTES, KeptLists, size_of
from tests.core.monitor.lists import backup

HALF, TENTH = KEPT_BYTES // 2, KEPT_BYTES // 10


def _kept(**sizes: int) -> KeptLists:
    kept = KeptLists()
    for number, (namespace, size) in enumerate(sizes.items()):
        kept.add(number, namespace, size)
    return kept


def test_a_namespace_that_is_alone_may_use_all() -> None:
    """And no more."""
    assert _kept().has_room("a", KEPT_BYTES)
    assert not _kept().has_room("a", KEPT_BYTES + 1)
    assert not _kept(a=KEPT_BYTES).has_room("a", 1)


def test_who_takes_less_than_an_equal_part_is_never_refused() -> None:
    """However much the others take; those give way with their next list, also if it has not changed."""
    kept = _kept(a=KEPT_BYTES)
    assert kept.has_room("b", HALF)
    assert not kept.has_room("b", HALF + 1)
    kept.add(1, "b", TENTH)
    assert not kept.has_room("a", KEPT_BYTES, replaced={0})
    kept.remove(0)
    assert kept.has_room("a", KEPT_BYTES - TENTH)


def test_what_a_list_replaces_does_not_count() -> None:
    """Nor does a number that is none of a list's."""
    kept = _kept(a=HALF, b=HALF)
    assert kept.has_room("a", HALF, replaced={0, 7})
    assert not kept.has_room("a", HALF + 1, replaced={0})
    assert (kept.size, KeptLists().size) == (KEPT_BYTES, 0)


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(1, KEPT_BYTES)), max_size=60))
def test_many_together_take_no_more_than_twice_as_much(lists: list[tuple[str, int]]) -> None:
    """Though a namespace that comes later is given its part before the others have given way."""
    kept = KeptLists()
    for number, (namespace, size) in enumerate(lists):
        if kept.has_room(namespace, size):
            kept.add(number, namespace, size)
    assert kept.size <= 2 * KEPT_BYTES + SMALL_BYTES


def test_many_large_lists_leave_room_for_small_ones() -> None:
    """Those that take too much give way with their next list, which may be hours away."""
    kept = _kept(a=KEPT_BYTES, b=HALF, c=KEPT_BYTES // 3)
    assert not kept.has_room("d", KEPT_BYTES // 4)
    assert kept.has_room("d", LITTLE)
    kept.add(9, "d", LITTLE)
    assert not kept.has_room("d", 1 + KEPT_BYTES // 4)
    assert kept.has_room("e", LITTLE)
    for number in range(500):
        kept.add(100 + number, f"small-{number}", 5_000)
    assert kept.has_room("f", LITTLE)


def test_the_size_of_a_backup() -> None:
    """Long names count, and texts that others have as well do not."""
    plain, long = backup(1), backup(1)._replace(name="x" * 1000)
    assert 300 < size_of(plain) < 500
    assert 900 < size_of(long) - size_of(plain) < 1100
    assert size_of(backup(1)._replace(schedule_id="00000000-0000-4000-8000-000000000001")) == size_of(plain)
