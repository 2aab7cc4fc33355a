"""A list that has waited long has its turn, and no namespace has all the turns."""

from astra_mirror.core.body import MAX_HOLD_SECONDS, Body, Kind
from astra_mirror.core.body_turns import TURN_SECONDS, Turns
from astra_mirror.core.fair import Path


def _waits(number: int, path: Path, since: float) -> Body:
    return Body(number, path, Kind.LIST, 0, since, waits_since=since)


def test_namespaces_have_turns_whatever_number_of_lists_they_have() -> None:
    """The first turn is for the one that has waited longest, and the next for another namespace."""
    turns, order = Turns(), list[int]()
    waiting = [_waits(number, ("greedy", number), 0.0) for number in range(3)]
    waiting += [_waits(number, ("modest", number), 1.0) for number in (3, 4)]
    for each in range(5):
        turns.begin(waiting, MAX_HOLD_SECONDS + 1.0 + each * TURN_SECONDS)
        assert turns.body is not None
        waiting.remove(turns.body)
        order.append(turns.body.number)
        turns.end(turns.body)
    assert order == [0, 3, 1, 4, 2]


def test_nobody_has_a_turn_before_it_has_waited_for_long() -> None:
    """Smaller lists may go first for a while."""
    turns, body = Turns(), _waits(0, ("mine", "c"), 1.0)
    turns.begin([body], MAX_HOLD_SECONDS + 0.5)
    assert turns.body is None
    turns.begin([body], MAX_HOLD_SECONDS + 1.0)
    assert turns.body is body


def test_between_two_turns_others_are_admitted() -> None:
    """The next turn does not begin when the last one ends, but a while after its beginning."""
    turns = Turns()
    first, second = (_waits(number, ("mine", number), 0.0) for number in range(2))
    turns.begin([first, second], MAX_HOLD_SECONDS)
    turns.end(second)
    assert turns.body is first
    turns.end(first)
    turns.begin([second], MAX_HOLD_SECONDS + TURN_SECONDS - 1.0)
    assert turns.body is None
    turns.begin([second], MAX_HOLD_SECONDS + TURN_SECONDS)
    assert turns.body is second


def test_the_oldest_of_the_connection_has_its_turn() -> None:
    """Even if a younger one began to wait before it."""
    turns = Turns()
    older, younger, other = _waits(1, ("mine", "c"), 5.0), _waits(2, ("mine", "c"), 0.0), _waits(0, ("mine", "d"), 5.0)
    turns.begin([younger, other, older], MAX_HOLD_SECONDS)
    assert turns.body is older
