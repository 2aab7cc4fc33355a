"""Durations, times, bounded text, shards, leases, restarts."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astra_mirror.core.lease import LEASE_DURATION, RENEW_DEADLINE, Record, may_take, observe
from astra_mirror.core.restart import MAX_SECONDS, RestartDelay
from astra_mirror.core.shard import Shard
from astra_mirror.support.durations import format_duration, parse_duration
from astra_mirror.support.text import bytes_text, cut, one_line
from astra_mirror.support.times import moment_of, timestamp


@pytest.mark.parametrize(
    ("text", "seconds"), [("15s", 15), ("1m30s", 90), ("24h", 86400), ("1.5h", 5400), ("500ms", 0.5), ("1h0.5m", 3630)]
)
def test_go_durations(text: str, seconds: float) -> None:
    """What Go's time.ParseDuration reads."""
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "15", "s", "1m 30s", "-5s", "1d", "1,5s", "1s!"])
def test_what_is_no_duration(text: str) -> None:
    """The message says what one looks like."""
    with pytest.raises(ValueError, match="15s, 1m30s or 24h"):
        parse_duration(text)


@given(st.integers(0, 10**6))
def test_durations_are_written_as_they_are_read(seconds: int) -> None:
    """Writing and reading are inverse for whole seconds."""
    assert parse_duration(format_duration(seconds)) == seconds


def test_a_cut_says_so() -> None:
    """No text is shortened in silence."""
    assert cut("x" * 10, 10) == "x" * 10
    assert cut("x" * 300, 20) == "x" * 13 + "… [cut]"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Grüße, 世界: a\\b", "Grüße, 世界: a\\b"),
        ("a\r\n2026 INFO b", "a\\r\\n2026 INFO b"),
        ("\x1b[31m\x00\x7f\x9b", "\\x1b[31m\\x00\\x7f\\x9b"),
        ("\u2028\u202e\ud800", "\\u2028\\u202e\\ud800"),
        ("\n" * 50, "\\n" * 16 + "\\… [cut]"),
        ("x" * 39 + "\n", "x" * 33 + "… [cut]"),
        ("x" * 10**7 + "\n", "x" * 33 + "… [cut]"),
    ],
)
def test_a_line_is_one_line(text: str, shown: str) -> None:
    """Whatever a server sends, it neither forges a second line nor controls a terminal, and the limit holds."""
    assert one_line(text, 40) == shown


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (1023, "1023 B"), (3_113_851_289, "2.9 GiB"), (2**62, "4.0 EiB")]
)
def test_sizes_for_people(number: int, text: str) -> None:
    """Binary units, one decimal."""
    assert bytes_text(number) == text


@given(st.uuids().map(str), st.uuids().map(str), st.integers(1, 9))
def test_each_app_belongs_to_one_shard(account: str, app: str, count: int) -> None:
    """No app is left out, none is looked after twice."""
    assert sum(Shard(index, count).owns(account, app) for index in range(count)) == 1


@pytest.mark.parametrize("text", ["", "1", "1/1", "3/2", "-1/2", "a/b", "0/0", "0/1/2"])
def test_a_bad_shard(text: str) -> None:
    """The message says what one looks like."""
    with pytest.raises(ValueError, match="such as 0/3"):
        Shard.parse(text)


def test_a_lease_is_taken_only_when_it_stands_still() -> None:
    """By the own clock, from the first sighting of the very record; free and own ones at once."""
    first = observe(Record("other", "1"), None, 0)
    assert not may_take(first, "me", 15)
    assert may_take(first, "me", 15.1)
    renewed = observe(Record("other", "2"), first, 14)
    assert not may_take(renewed, "me", 28)
    assert observe(Record("other", "2"), renewed, 20) is renewed
    assert may_take(observe(Record("", "3"), renewed, 20), "me", 20)
    assert may_take(observe(Record("me", "3"), renewed, 20), "me", 20)
    assert RENEW_DEADLINE < LEASE_DURATION


def test_what_fails_begins_anew_less_and_less_often() -> None:
    """Up to half a minute; from one second on again when it has worked for a while, or ended well."""
    delay = RestartDelay()
    assert [delay.after(1.0) for _ in range(7)] == [1, 2, 4, 8, 16, MAX_SECONDS, MAX_SECONDS]
    assert [delay.after(MAX_SECONDS + 1), delay.after(MAX_SECONDS)] == [1, 2]
    delay.succeeded()
    assert delay.after(1.0) == 1


def test_times_are_read_as_they_are_written() -> None:
    """And a JSON value that is no such time stands for none."""
    assert timestamp(datetime(2026, 11, 25, 9, 8, 7, 999, tzinfo=UTC)) == "2026-11-25T09:08:07Z"
    assert moment_of("2026-11-25T09:08:07Z") == datetime(2026, 11, 25, 9, 8, 7, tzinfo=UTC)
    nothing: list[object] = [None, "", "2026-11-25", "2026-13-25T09:08:07Z", 7, {}]
    assert {moment_of(each) for each in nothing} == {None}
