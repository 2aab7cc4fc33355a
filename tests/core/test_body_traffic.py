"""Bodies that arrive over time: each one ends, and no namespace shuts out another."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astra_mirror.core.body import DEFAULT_EXPECTED, MAX_HOLD_SECONDS, MAX_WAIT_SECONDS, MIB, SMALL, Kind
from astra_mirror.core.body_pools import LIST_BYTES, SINGLE_BYTES
from astra_mirror.core.body_turns import TURN_SECONDS
from tests.core.traffic import Traffic, Transfer

TIMEOUT = 10.0


def _mine(
    size: int, *, expected: int = DEFAULT_EXPECTED, chunk: int = 0, pause: float = 0.1, starts: float = 3.2
) -> Transfer:
    return Transfer(("mine", "c"), size, chunk or size // 50, pause, starts, expected)


def _staggered(namespace: str, every: float, *, until: float = 200.0, **transfer: float) -> Iterator[list[Transfer]]:
    """Lists that start one after another whether those before them have ended or not."""
    for number in range(int(until / every)):
        size, pause, expected = (int(transfer["size"]), transfer["pause"], int(transfer["expected"]))
        yield [Transfer((namespace, f"c{number % 3}"), size, 2 * SMALL, pause, number * every, expected)]


@pytest.mark.parametrize("expected", [512 * 1024, DEFAULT_EXPECTED, 25 * MIB, LIST_BYTES])
@pytest.mark.parametrize("size", [LIST_BYTES, 2 * MIB])
def test_two_lists_that_drip_shut_out_nobody(expected: int, size: int) -> None:
    """Two lists of one namespace overlap at any time; a list that needs the whole budget is admitted, and complete.

    It waits until it has its turn, and until the two have ended.
    """
    mine = _mine(size, expected=LIST_BYTES)
    traffic = Traffic(TIMEOUT)
    # 512 KiB in 0.9 seconds.
    traffic.run([mine], *_staggered("yours", 0.5, size=512 * 1024, pause=0.3, expected=expected))
    assert mine.end == "complete"
    assert mine.waited <= MAX_HOLD_SECONDS + 3.0


@pytest.mark.parametrize("expected", [512 * 1024, DEFAULT_EXPECTED, 25 * MIB, LIST_BYTES])
def test_a_list_that_grows_is_not_held_back_by_two_that_drip(expected: int) -> None:
    """A list of unknown size has more than half of the budget as long as there is memory."""
    mine = _mine(60 * MIB)
    Traffic(TIMEOUT).run([mine], *_staggered("yours", 0.5, size=512 * 1024, pause=0.3, expected=expected))
    assert mine.end == "complete"
    assert mine.waited <= MAX_HOLD_SECONDS + 3.0


@pytest.mark.parametrize("expected", [512 * 1024, DEFAULT_EXPECTED, LIST_BYTES])
def test_namespaces_that_always_need_everything_shut_out_nobody(expected: int) -> None:
    """Two namespaces have a row of lists that need the whole budget and drip; a third one's lists have turns."""
    mine = [_mine(512 * 1024, expected=expected) for _ in range(3)]
    others = [
        [Transfer((namespace, f"c{lane}"), LIST_BYTES, 2 * SMALL, 0.9, 0.0, LIST_BYTES) for _ in range(8)]
        for namespace in ("yours", "theirs")
        for lane in range(8)
    ]
    Traffic(TIMEOUT).run(mine, *others)
    assert {each.end for each in mine} <= {"complete"}
    assert max(each.waited for each in mine) <= 3 * TURN_SECONDS + MAX_HOLD_SECONDS


_SIZES = st.sampled_from([SMALL // 2, 2 * SMALL, 512 * 1024, 2 * MIB, 8 * MIB, 36 * MIB, 60 * MIB])
_EXPECTED = st.sampled_from([2 * SMALL, MIB, DEFAULT_EXPECTED, 25 * MIB, LIST_BYTES])


@st.composite
def _lanes(draw: st.DrawFn, namespace: str, most: int) -> list[list[Transfer]]:
    lanes = list[list[Transfer]]()
    for lane in range(draw(st.integers(1, most))):
        path, kind = (namespace, f"c{lane % 2}"), draw(st.sampled_from([Kind.LIST, Kind.LIST, Kind.SINGLE]))
        # A lane repeats itself: that is how one keeps others out, if at all.
        size = min(draw(_SIZES), MIB if kind is Kind.SINGLE else LIST_BYTES)
        chunk, pause = max(size // draw(st.integers(2, 10)), 1), draw(st.floats(0.0, 3.0))
        starts, expected = draw(st.floats(0.0, 5.0)), draw(_EXPECTED)
        number = draw(st.integers(1, 12))
        lanes.append([Transfer(path, size, chunk, pause, starts, expected, kind) for _ in range(number)])
    return lanes


@settings(max_examples=60)
@given(_lanes("mine", 1), _lanes("yours", 12), _lanes("theirs", 12))
def test_each_body_ends(mine: list[list[Transfer]], yours: list[list[Transfer]], theirs: list[list[Transfer]]) -> None:
    """Whatever arrives, each body ends in time, and one that is alone in its namespace is read.

    A body's time-out is suspended while it waits, and its waits together are limited: that is the bound for each. One
    that is alone in its namespace is admitted within a turn for each of the three namespaces, and `MAX_HOLD_SECONDS`
    (core/body_turns.py). Thereafter it waits for growth at most until it has held memory for so long that it is
    evicted, or, while nobody else waits, until those that hold the memory have ended by their time-outs.
    """
    traffic = Traffic(TIMEOUT)
    traffic.run(*mine, *yours, *theirs)
    largest = max(each.chunk for lane in (*mine, *yours, *theirs) for each in lane)
    assert traffic.most <= LIST_BYTES + SINGLE_BYTES + 4 * largest
    for each in (one for lane in (*mine, *yours, *theirs) for one in lane):
        assert each.end
        assert each.waited <= MAX_WAIT_SECONDS
        assert each.took <= TIMEOUT + MAX_WAIT_SECONDS
    for each in mine[0]:
        assert each.end != "refused"
        assert each.waited <= 3 * TURN_SECONDS + 2 * MAX_HOLD_SECONDS + TIMEOUT
