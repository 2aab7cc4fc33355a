"""Who may write now, when a refused write is tried again, and how often somebody else's are put right."""

import pytest

from astra_mirror.core.corrections import Corrections
from astra_mirror.core.refusals import LINES_SECONDS, MAX_LINES, Refusals
from astra_mirror.core.unstored import HOLD_SECONDS, Unstored
from astra_mirror.core.write_slots import CORRECTION_SLOTS, HUNG, HUNG_FOR_NAMESPACE, SLOTS, WriteSlots


def _play(wishes: list[float]) -> list[float]:
    """When corrections that are wished for at these times are made."""
    history, made = Corrections(), list[float]()
    for wish in wishes:
        at = max(history.due(wish), wish)
        history = history.made(at)
        made.append(at)
    return made


def test_three_a_minute_are_at_once() -> None:
    """The fourth waits, and each one after it twice as long, to a minute."""
    assert _play([0.0] * 9) == [0, 0, 0, 5, 15, 35, 75, 135, 195]
    assert _play([0, 21, 42, 63, 84, 105]) == [0, 21, 42, 63, 84, 105]


def test_ten_quiet_minutes_are_a_new_beginning() -> None:
    """Nine are not."""
    assert _play([0.0] * 4 + [604.0, 604.0])[-2:] == [604.0, 624.0]
    assert _play([0.0] * 4 + [605.0, 605.0, 605.0, 605.0])[-4:] == [605.0, 605.0, 605.0, 610.0]


def test_a_namespace_that_hangs_leaves_slots_for_others() -> None:
    """Four of its PATCHes go on without a slot; with the others it keeps twelve."""
    slots = WriteSlots()
    for number in range(SLOTS):
        assert slots.has_one
        slots.start(number, "bad", is_correction=False)
    assert not slots.has_one
    for number in range(SLOTS):
        slots.overdue(number)
    assert len(slots) == SLOTS - HUNG_FOR_NAMESPACE
    assert slots.has_one
    assert not slots.admits("bad", is_correction=False)
    assert slots.admits("good", is_correction=False)
    slots.end(0)
    # Another one of its hung PATCHes has given up its slot in the place of the first.
    assert len(slots) == SLOTS - HUNG_FOR_NAMESPACE - 1
    assert slots.admits("bad", is_correction=False)


def test_only_so_many_hang_without_a_slot() -> None:
    """Forty-eight in all; the next ones keep theirs."""
    slots = WriteSlots()
    for number in range(HUNG + 4):
        slots.start(number, f"ns-{number // 4}", is_correction=False)
        slots.overdue(number)
    assert len(slots) == 4
    for number in range(HUNG + 4):
        slots.end(number)
    assert len(slots) == 0
    assert all(slots.admits(f"ns-{number}", is_correction=False) for number in range(13))


def test_corrections_have_a_quarter_of_the_slots() -> None:
    """And those that hang without one do not count."""
    slots = WriteSlots()
    for number in range(CORRECTION_SLOTS):
        assert slots.admits("ns", is_correction=True)
        slots.start(number, "ns", is_correction=True)
    assert not slots.admits("ns", is_correction=True)
    assert slots.has_one
    slots.overdue(0)
    assert slots.admits("another", is_correction=True)
    for number in range(CORRECTION_SLOTS):
        slots.end(number)
    assert len(slots) == 0


def test_corrections_that_hang_leave_one_for_others() -> None:
    """Four of a namespace go on without a slot; of the next ones three may start, and the fourth place is another's."""
    slots = WriteSlots()
    for number in range(CORRECTION_SLOTS):
        slots.start(number, "bad", is_correction=True)
    for number in range(CORRECTION_SLOTS):
        slots.overdue(number)
    for number in range(CORRECTION_SLOTS, 2 * CORRECTION_SLOTS - 1):
        assert slots.admits("bad", is_correction=True)
        slots.start(number, "bad", is_correction=True)
        slots.overdue(number)
    assert not slots.admits("bad", is_correction=True)
    assert slots.admits("bad", is_correction=False)
    assert slots.admits("good", is_correction=True)


def test_a_refused_object_waits_twice_as_long_each_time() -> None:
    """To a minute; a success starts anew."""
    refusals = Refusals()
    assert [refusals.refused("a", "ns") for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    refusals.accepted("a", "ns")
    assert refusals.refused("a", "ns") == 1


def test_a_namespace_is_tried_once_a_second_after_ten_refusals() -> None:
    """Others are not concerned; one success ends it."""
    refusals = Refusals()
    for number in range(10):
        assert refusals.admits("ns", 0.0)
        refusals.refused(number, "ns")
    assert refusals.admits("ns", 0.0)
    refusals.started("ns", 0.0)
    assert not refusals.admits("ns", 0.9)
    assert refusals.next_turn(0.9) == 1.0
    assert refusals.admits("ns", 1.0)
    assert refusals.admits("other", 0.9)
    refusals.accepted(3, "ns")
    assert refusals.admits("ns", 0.9)
    assert refusals.next_turn(0.9) is None


def test_a_namespace_whose_objects_are_gone_is_forgotten() -> None:
    """Nothing grows with the namespaces of the past."""
    refusals = Refusals()
    for number in range(10):
        refusals.refused(number, "ns")
    refusals.started("ns", 0.0)
    for number in range(10):
        refusals.forget(number, "ns")
    assert refusals.admits("ns", 0.0)


def test_a_namespace_has_so_many_lines_in_the_log() -> None:
    """Each reason once an hour, and ten of them; a success in between changes nothing."""
    refusals = Refusals()
    assert [refusals.is_news("ns", reason, 0.0) for reason in ("x", "x", "y")] == [True, False, True]
    assert sum(refusals.is_news("ns", str(number), 1.0) for number in range(50)) == MAX_LINES - 2
    refusals.accepted("a", "ns")
    assert not refusals.is_news("ns", "x", LINES_SECONDS - 1)
    assert refusals.is_news("ns", "x", LINES_SECONDS)
    assert refusals.is_news("other", "x", 0.0)


@pytest.mark.parametrize(
    ("desired", "actual", "now", "holds"),
    [
        (b"sent", b"stored", 1.0, True),
        (b"sent", b"stored", HOLD_SECONDS, False),
        (b"other", b"stored", 1.0, False),
        (b"sent", b"other", 1.0, False),
    ],
)
def test_what_is_stored_differently_stands_for_an_hour(
    desired: bytes, actual: bytes, now: float, *, holds: bool
) -> None:
    """Unless the desired or the actual status moves."""
    unstored = Unstored()
    unstored.learn("a", sent=b"sent", stored=b"stored", now=0.0)
    until = unstored.until("a", desired=desired, actual=actual, now=now)
    assert until == (HOLD_SECONDS if holds else None)
    unstored.forget("a")
    assert unstored.until("a", desired=desired, actual=actual, now=now) is None


def test_fields_that_are_not_stored_are_logged_once() -> None:
    """For all objects together: it is the CRD's doing."""
    unstored = Unstored()
    assert unstored.news({"a": 1, "b": {"c": 1}}, {"a": 1}) == ("status.b.c",)
    assert unstored.news({"a": 1, "b": {"c": 2}}, {"a": 1}) == ()
    assert unstored.news({"a": 1}, {"a": 2}) == ("status.a",)
