"""Durations in Go's notation, as in every other duration field of Kubernetes.

The API server validates an interval with Go's time.ParseDuration. The results here equal Go's to the nanosecond, so
that a duration of one second there is not a little less than a second here.
"""

import re
from typing import Annotated, Final

from pydantic import BeforeValidator

from astra_mirror.support.text import cut

_UNITS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # U+00B5, the micro sign
    "μs": 1_000,  # U+03BC, the Greek letter
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART: Final = re.compile(r"(?=\.?[0-9])([0-9]*)(?:\.([0-9]*))?([^0-9.]+)")
_MAX: Final = 2**63 - 1
"""Go's longest duration in nanoseconds, some 292 years."""
_MAX_DIGITS: Final = 19


def parse_nanoseconds(text: str) -> int:
    """The length of `text` in nanoseconds, as time.ParseDuration computes it: fractions of a nanosecond are cut off.

    The grammar is Go's, except that nothing here is ever negative: numbers with a unit, as in `90s`, `1m30s`, `.5h`.
    A plus sign may precede them, and `0` needs no unit.

    Raises:
        ValueError: `text` is not such a duration, or longer than Go can express; the message says what one looks like.
    """
    unsigned = text.removeprefix("+")
    if unsigned == "0":
        return 0
    total, end = 0, 0
    while (part := _PART.match(unsigned, end)) and part[3] in _UNITS:
        total += _nanoseconds(part[1], part[2] or "", _UNITS[part[3]])
        end = part.end()
    # Cut after it is quoted: a character that is not printable takes up to ten.
    quoted = cut(repr(text[:64]), 64)
    if not unsigned or end != len(unsigned):
        raise ValueError(f"{quoted} is not a duration: write numbers with units, such as 15s, 1m30s or 24h")
    if total > _MAX:
        raise ValueError(f"{quoted} is too long a duration: at most 2562047h is possible, such as 15s or 24h")
    return total


def _nanoseconds(whole: str, fraction: str, unit: int) -> int:
    whole = whole.lstrip("0")
    if len(whole) > _MAX_DIGITS:
        return _MAX + 1
    return int(whole or "0") * unit + _fraction(fraction, unit)


def _fraction(digits: str, unit: int) -> int:
    # As Go does: read as many digits as an int64 holds, and multiply as floating-point numbers, to round equally.
    value = taken = 0
    for digit in digits:
        if value > _MAX // 10:
            break
        value, taken = value * 10 + int(digit), taken + 1
    return int(value * (unit / 10.0**taken))


def parse_duration(text: str) -> float:
    """The length of `text` in seconds.

    Raises:
        ValueError: as `parse_nanoseconds` raises it.
    """
    return parse_nanoseconds(text) / 1_000_000_000


def format_duration(seconds: float) -> str:
    """`seconds`, rounded to whole ones, as the shortest Go duration: `45m`, `1h30m`, `15s`."""
    whole = round(seconds)
    parts = ((whole // 3600, "h"), (whole % 3600 // 60, "m"), (whole % 60, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"


def _seconds(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


Seconds = Annotated[float, BeforeValidator(_seconds)]
"""A field in seconds that is written as a Go duration."""
