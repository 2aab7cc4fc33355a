"""Which backups count, in which order, and what their times are."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astra_mirror.api.app_backup_monitor import Select
from astra_mirror.core.monitor.listing import ListedBackup, WholeList, read_time, seconds_text, time_text
from astra_mirror.core.monitor.selection import counted, is_match, newest, ordered, selected
from tests.core.monitor.lists import AT, HOUR, ID, SCHEDULE, backup, read


def _numbers(found: tuple[ListedBackup, ...]) -> list[int]:
    return [int(each.id[:8], 16) for each in found]


def test_the_latest_comes_first() -> None:
    """Then by the ID; those without a usable time come last."""
    backups = (
        backup(5, hours=None),
        backup(4, hours=2),
        backup(3, hours=1),
        backup(2, hours=1),
        backup(1, hours=-1),
    )
    found = selected(WholeList(5, backups), None, AT)
    assert _numbers(found) == [2, 3, 4, 1, 5]
    first = newest(found, AT)
    assert first is not None
    assert first.id == ID.format(2)


def test_a_time_may_be_five_minutes_ahead() -> None:
    """Of the operator's clock, which is looked at for each list."""
    [ahead] = selected(WholeList(1, (backup(1, hours=-0.1),)), None, AT)
    assert not ahead.is_usable_at(AT)
    assert ahead.is_usable_at(AT + HOUR // 60)
    assert newest([ahead], AT) is None


@pytest.mark.parametrize(
    ("select", "numbers"),
    [
        ({}, [1, 2, 3]),
        ({"scheduleIDs": [], "names": []}, [1, 2, 3]),
        ({"scheduleIDs": [SCHEDULE.upper()]}, [1]),
        ({"scheduleIDs": [""]}, [2, 3]),
        ({"scheduleIDs": [SCHEDULE, ""]}, [1, 2, 3]),
        ({"names": ["nightly-*"]}, [1, 2]),
        ({"names": ["weekly", "nightly-2"]}, [2]),
        ({"names": ["Nightly-*"]}, []),
        ({"scheduleIDs": [SCHEDULE], "names": ["nightly-2"]}, []),
    ],
)
def test_select(select: dict[str, list[str]], numbers: list[int]) -> None:
    """The schedule and the name must both match, the name with its case; the null UUID is no schedule."""
    backups = (
        backup(1, schedule=SCHEDULE),
        backup(2, schedule="00000000-0000-0000-0000-000000000000"),
        backup(3, name=None),
    )
    assert _numbers(selected(WholeList(3, backups), Select.model_validate(select), AT)) == numbers


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("nightly", "nightly", True),
        ("nightly", "nightly-1", False),
        ("nightly", "Nightly", False),
        ("*", "", True),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("*b*", "abc", True),
        ("a*b*c", "a-b-b-c", True),
        ("a*b*bc", "abc", False),
        ("a?c", "abc", False),
        ("[ab]", "a", False),
        ("**", "x", True),
    ],
)
def test_a_pattern_is_for_the_whole_name(pattern: str, name: str, expected: bool) -> None:
    """* is the only wildcard."""
    assert is_match(pattern, name) is expected


@given(st.lists(st.text("ab*", max_size=4), min_size=1, max_size=4), st.text("ab", max_size=6))
def test_patterns_match_as_a_table_says(parts: list[str], name: str) -> None:
    """The slow and sure way agrees."""
    pattern = "*".join(parts)
    reach = {0}
    for character in pattern:
        if character == "*":
            reach = {end for start in reach for end in range(start, len(name) + 1)}
        else:
            reach = {start + 1 for start in reach if name[start : start + 1] == character}
    assert is_match(pattern, name) is (len(name) in reach)


def test_no_pattern_takes_long() -> None:
    """Its time grows with the length of the name alone, whatever the pattern is."""
    pattern, name = "*a" * 126, "a" * 125 + "b" * 900
    before = time.process_time()
    for _ in range(1000):
        assert not is_match(pattern + "c", name)
    assert time.process_time() - before < 1.0


def test_they_are_counted_by_state() -> None:
    """What is no other is counted as such, so that the four are all that is selected."""
    states = ["completed", "pending", "discovering", "running", "failed", "removed", "deleting", "unknown", "ready"]
    backups = tuple(backup(number, state) for number, state in enumerate(states))
    found = counted(WholeList(12, backups), backups)
    assert found.model_dump() == {
        "total": 12,
        "selected": 9,
        "completed": 1,
        "in_progress": 3,
        "failed": 1,
        "other": 4,
    }


@pytest.mark.parametrize(
    ("text", "seconds", "rest"),
    [
        ("1970-01-01T00:00:01Z", 1, 0),
        ("1970-01-01T00:00:01", 1, 0),
        ("1970-01-01t02:00:01.123456789z", 7201, 123_456_789),
        ("1970-01-01T02:00:00.5+02:00", 0, 500_000_000),
        ("1969-12-31T23:59:59.25Z", -1, 250_000_000),
    ],
)
def test_times_that_are_read(text: str, seconds: int, rest: int) -> None:
    """To the nanosecond, in UTC where no zone is given."""
    time = read_time(text)
    assert time is not None
    assert divmod(time, 1_000_000_000) == (seconds, rest)
    assert time_text(time) == seconds_text(seconds)


@pytest.mark.parametrize(
    "value",
    [None, 7, "", "soon", "0001-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-01-01", "9999-12-31T23:59:59-12:00"],
)
def test_times_that_are_not_read(value: object) -> None:
    """The first day of all is what a server writes where it has no time."""
    assert read_time(value) is None


def test_early_years_have_four_digits() -> None:
    """As the CRD's format asks."""
    time = read_time("0033-04-03T15:00:00Z")
    assert time is not None
    assert time_text(time) == "0033-04-03T15:00:00Z"


def test_a_list_is_sorted_once() -> None:
    """For as long as it and what is selected are the same."""
    one, select = read(backup(1), backup(2, hours=2)), Select(names=("nightly-*",))
    known = ordered(one, select, None)
    assert ordered(one, select, known) is known
    assert ordered(one, None, known) is not known
    assert ordered(read(backup(1)), select, known) is not known
