"""Durations mean what Go makes of them, because the API server admits them by Go's rules.

`go_durations.json` has pairs of a text and of what `int64` of Go 1.26's time.ParseDuration is for it, null for an
error. Half of the texts were thought of, the others are random.
"""

import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from astra_mirror.api.app_backup_ref import AppBackupRefSpec
from astra_mirror.settings import Settings
from astra_mirror.support.durations import parse_duration, parse_nanoseconds

GO: list[tuple[str, int | None]] = [
    tuple(row) for row in json.loads(Path(__file__).with_name("go_durations.json").read_text())
]
UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "\u03bcs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
IDS = {"accountID": "0" * 8 + "-0000-4000-8000-" + "0" * 12}
IDS |= {"appID": IDS["accountID"], "backupID": IDS["accountID"]}

digits = st.text("0123456789", min_size=1, max_size=5)
parts = st.tuples(digits, st.none() | st.text("0123456789", max_size=18), st.sampled_from(sorted(UNITS)))


@pytest.mark.parametrize(("text", "nanoseconds"), GO)
def test_every_duration_is_what_go_makes_of_it(text: str, nanoseconds: int | None) -> None:
    """To the nanosecond, fractions cut off; an error there is an error here, too long a duration included."""
    if nanoseconds is None:
        with pytest.raises(ValueError, match=r"such as 15s"):
            parse_nanoseconds(text)
    else:
        assert parse_nanoseconds(text) == nanoseconds
        assert parse_duration(text) == nanoseconds / 10**9


@settings(deadline=None)
@given(st.lists(parts, min_size=1, max_size=5))
def test_fractions_are_cut_off(numbers: list[tuple[str, str | None, str]]) -> None:
    """Each part is at most a nanosecond of Go's own rounding away from the exact number, and never above by more."""
    text, exact = "", Fraction(0)
    for whole, fraction, unit in numbers:
        text += whole + ("" if fraction is None else f".{fraction}") + unit
        exact += Fraction(f"{whole}.{fraction or 0}") * UNITS[unit]
    assert exact - 2 * len(numbers) < parse_nanoseconds(text) <= exact + len(numbers)


@settings(deadline=None)
@given(st.text() | st.text("0123456789.+-smhnuµ\u03bc", max_size=40))
def test_any_other_text_is_refused_with_an_example(text: str) -> None:
    """No text raises anything else, and a long one is not repeated whole."""
    words = ""
    try:
        assert parse_nanoseconds(text) >= 0
    except ValueError as error:
        words = str(error)
    assert not words or "such as 15s" in words
    assert len(words) < 500


@pytest.mark.parametrize("text", ["-5s", "-0s", "-1h"])
def test_nothing_here_is_negative(text: str) -> None:
    """Go has negative durations; no interval or time-out is one."""
    with pytest.raises(ValueError, match="is not a duration"):
        parse_nanoseconds(text)


def test_a_long_text_costs_linear_time() -> None:
    """A number without a unit is read once, not once from each of its digits."""
    with pytest.raises(ValueError, match="is not a duration"):
        parse_nanoseconds("1" * 10**6)
    with pytest.raises(ValueError, match="too long"):
        parse_nanoseconds("1h" * 10**5 + "9" * 10**5 + "h")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("300ms600ms100ms", 1.0),
        ("1000000us", 1.0),
        ("1000000µs", 1.0),
        ("999999999ns1ns", 1.0),
        ("1.s", 1.0),
        ("0.5m", 30.0),
        ("23h59m60s", 86400.0),
        ("86400.0000000009s", 86400.0),
        ("24h0.5ns", 86400.0),
    ],
)
def test_an_interval_that_the_api_server_admits_is_served(text: str, seconds: float) -> None:
    """The limits of the interval, 1s and 24h, are the same nanosecond here as there."""
    assert AppBackupRefSpec(**IDS, interval=text).interval == seconds


@pytest.mark.parametrize("text", ["0.9999999999s", "999ms999us999ns", "24h1ns", "86400.000000001s", "2562048h"])
def test_an_interval_beyond_the_limits_is_refused(text: str) -> None:
    """A nanosecond is enough."""
    with pytest.raises(ValidationError):
        AppBackupRefSpec(**IDS, interval=text)


def test_options_are_read_by_the_same_rules() -> None:
    """What is a second in a ref is a second on the command line."""
    settings = Settings(interval="300ms600ms100ms", request_timeout=".5m")
    assert (settings.interval, settings.request_timeout) == (1.0, 30.0)
