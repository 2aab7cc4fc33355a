"""Whoever waits gets a turn, whatever number of others one tenant lets wait."""

from hypothesis import given
from hypothesis import strategies as st

from astra_mirror.core.fair import FairQueue, Others


def _drain(queue: FairQueue[str, str]) -> list[str]:
    values = []
    while (taken := queue.take()) is not None:
        values.append(taken.value)
    return values


def test_keys_have_turns() -> None:
    """One that has a single value waiting is served second, not a hundred-and-first."""
    queue: FairQueue[str, str] = FairQueue()
    for number in range(100):
        queue.put(("greedy",), f"g{number}", f"g{number}")
    queue.put(("modest",), "m", "m")
    assert _drain(queue)[:3] == ["g0", "m", "g1"]


def test_turns_within_turns() -> None:
    """Accounts have their turns within their namespace's."""
    queue: FairQueue[str, str] = FairQueue()
    for item in ("a1", "a2", "b1"):
        queue.put(("greedy", item[0]), item, item)
    queue.put(("modest", "c"), "c1", "c1")
    assert _drain(queue) == ["a1", "c1", "b1", "a2"]


def test_rank_decides_within_a_key_only() -> None:
    """The most urgent goes first among its own, and takes nobody else's turn."""
    queue: FairQueue[str, str] = FairQueue()
    queue.put(("one",), "late", "late", rank=2.0)
    queue.put(("one",), "soon", "soon", rank=1.0)
    queue.put(("two",), "other", "other", rank=9.0)
    assert _drain(queue) == ["soon", "other", "late"]


def test_who_does_not_fit_is_passed_over_and_keeps_its_place() -> None:
    """What comes behind it in its own key waits for it; it is next as soon as it fits."""
    queue: FairQueue[str, str] = FairQueue()
    for item in ("a1", "a2", "b1", "b2", "c1"):
        queue.put((item[0],), item, item)
    taken = [queue.take(fitting=fitting) for fitting in ({"a2", "b1", "b2", "c1"}, set[str](), {"a1", "b2"}, {"b2"})]
    assert [each and each.value for each in taken] == ["b1", None, "a1", "b2"]
    assert _drain(queue) == ["c1", "a2"]


def test_the_last_value_counts_and_keeps_its_place() -> None:
    """Putting an item again neither doubles nor delays it."""
    queue: FairQueue[str, str] = FairQueue()
    queue.put(("one",), "a", "old")
    queue.put(("one",), "b", "b")
    queue.put(("one",), "a", "new")
    assert len(queue) == 2
    assert _drain(queue) == ["new", "b"]


def test_a_lower_rank_brings_an_item_forward() -> None:
    """An item that waits becomes urgent; a higher rank does not set it back."""
    queue: FairQueue[str, str] = FairQueue()
    queue.put(("one",), "a", "a", rank=1.0)
    queue.put(("one",), "b", "b", rank=2.0)
    queue.put(("one",), "b", "b", rank=0.0)
    queue.put(("one",), "b", "b", rank=5.0)
    assert _drain(queue) == ["b", "a"]


def test_caps() -> None:
    """One key's cap is reached before the cap of all, and what is refused holds no place."""
    queue: FairQueue[int, int] = FairQueue(cap=5, cap_for_key=3)
    assert [queue.put(("one",), number, number) for number in range(4)] == [True, True, True, False]
    assert 3 not in queue
    assert [queue.put(("two",), number, number) for number in range(10, 13)] == [True, True, False]
    queue.drop(0)
    assert queue.put(("two",), 12, 12)


def test_who_is_not_admitted_keeps_his_place() -> None:
    """Others go on, and an inner key may be refused alone."""
    queue: FairQueue[str, str] = FairQueue()
    queue.put(("one", "a"), "1a", "1a")
    queue.put(("one", "b"), "1b", "1b")
    queue.put(("two", "a"), "2a", "2a")
    taken = queue.take({("one",), ("one", "b"), ("two",), ("two", "a")})
    assert taken is not None
    assert taken == (("one", "b"), "1b", "1b")
    assert queue.take(set()) is None
    assert queue.take(Others({"one", "two"})) is None
    assert _drain(queue) == ["2a", "1a"]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12), st.floats(0, 5), st.booleans()), max_size=60))
def test_nothing_is_lost_and_nothing_served_twice(steps: list[tuple[int, int, float, bool]]) -> None:
    """Whatever is put, replaced and dropped, what comes out is the last value of each item that was left."""
    queue: FairQueue[int, tuple[int, int]] = FairQueue()
    left: dict[int, tuple[int, int]] = {}
    for number, (key, item, rank, drops) in enumerate(steps):
        if drops:
            queue.drop(item)
            left.pop(item, None)
        else:
            assert queue.put((key, item % 2), item, (key, number), rank)
            left[item] = (key, number)
    assert len(queue) == len(left)
    assert sum(queue.waiting_for(key) for key in range(4)) == len(left)
    served: list[int] = []
    keys_left = {key: sum(owner == key for owner, _ in left.values()) for key in range(4)}
    while (taken := queue.take()) is not None:
        assert left.pop(taken.item) == taken.value
        served.append(taken.value[0])
        keys_left[taken.value[0]] -= 1
        # Nobody has a second turn while another key waits for its first.
        waiting = [key for key, number in keys_left.items() if number]
        assert all(served.count(key) >= served.count(taken.value[0]) - 1 for key in waiting)
    assert not left
    assert not queue.keys()
