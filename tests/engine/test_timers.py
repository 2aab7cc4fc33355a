"""One heap for all timers, and when the poll loop is woken."""

from hypothesis import given
from hypothesis import strategies as st

from astra_mirror.engine.poller import EXPECT_SECONDS, GATHER_SECONDS, TOGETHER_SECONDS, Poller
from astra_mirror.engine.timers import Timers


def test_the_earliest_comes_first_and_only_when_due() -> None:
    """Keys come in the order of their times, each once."""
    timers: Timers[str] = Timers()
    for key, due in (("b", 2.0), ("a", 1.0), ("c", 3.0)):
        timers.set(key, due)
    assert timers.next_due() == 1.0
    assert list(timers.pop_due(2.0)) == [("a", 1.0), ("b", 2.0)]
    assert list(timers.pop_due(2.0)) == []
    assert timers.next_due() == 3.0


def test_a_new_time_replaces_the_old_one_and_a_dropped_key_never_comes() -> None:
    """Earlier or later, the last word counts."""
    timers: Timers[str] = Timers()
    timers.set("a", 5.0)
    timers.set("a", 1.0)
    timers.set("b", 1.0)
    timers.set("b", 9.0)
    timers.set("c", 1.0)
    timers.drop("c")
    assert list(timers.pop_due(6.0)) == [("a", 1.0)]
    assert timers.next_due() == 9.0


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 100), st.booleans()), max_size=400))
def test_the_heap_agrees_with_a_plain_table(steps: list[tuple[int, float, bool]]) -> None:
    """Whatever is set and dropped, what is due is what a dictionary says, and the heap does not grow without end."""
    timers: Timers[int] = Timers()
    table: dict[int, float] = {}
    for key, due, dropped in steps:
        if dropped:
            timers.drop(key)
            table.pop(key, None)
        else:
            timers.set(key, due)
            table[key] = due
    assert timers.next_due() == min(table.values(), default=None)
    assert dict(timers.pop_due(50)) == {key: due for key, due in table.items() if due <= 50}
    assert dict(timers.pop_due(100)) == {key: due for key, due in table.items() if due > 50}


def test_new_objects_wake_the_poll_loop_once() -> None:
    """The first of those that are gathered does; the others are later than what the loop already waits for."""
    poller = Poller()
    assert poller.poll_first("a", 1.0)
    assert poller.expect("a", 1.0)
    assert poller.next_due() == 1.0 + GATHER_SECONDS
    assert not poller.poll_first("b", 1.01)
    assert not poller.expect("b", 1.01)
    poller.take_due(2.0)
    assert poller.next_due() == 1.0 + EXPECT_SECONDS
    assert poller.poll_first("c", 3.0)


def test_timers_that_expire_shortly_after_each_other_share_a_wake_up() -> None:
    """The loop wakes up a moment after the first. What is due at once, as after an edit, does not wait."""
    poller = Poller()
    poller.check_at("first", 10.0)
    poller.check_at("second", 10.0 + TOGETHER_SECONDS)
    poller.check_at("later", 10.1 + TOGETHER_SECONDS)
    at = poller.next_due()
    assert at == 10.0 + TOGETHER_SECONDS
    assert not poller.check_at("answered", 25.0)
    assert poller.check_at("edited", 9.0)
    assert poller.take_due(9.0).timers.keys() == {"edited"}
    assert poller.next_due() == at
    assert poller.take_due(at).timers.keys() == {"first", "second"}
