"""Durations in Go's notation, because that is what every other field of this kind in a cluster uses.

The grammar is that of Go's time.ParseDuration without a sign: numbers with a unit, as in `90s`, `1m30s`, `1.5h`.
"""

import re
from typing import Annotated

from pydantic import BeforeValidator

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)


def parse_duration(text: str) -> float:
    """The length of `text` in seconds.

    Raises:
        ValueError: `text` is not a Go duration; the message says what one looks like.
    """
    seconds, end = 0.0, 0
    for part in _PART.finditer(text):
        if part.start() != end:
            break
        seconds += float(part[1]) * _UNITS[part[2]]
        end = part.end()
    if not text or end != len(text):
        raise ValueError(f"{text!r} is not a duration: write numbers with units, such as 15s, 1m30s or 24h")
    return seconds


def format_duration(seconds: float) -> str:
    """`seconds`, rounded to whole ones, as the shortest Go duration: `45m`, `1h30m`, `15s`."""
    whole = round(seconds)
    parts = ((whole // 3600, "h"), (whole % 3600 // 60, "m"), (whole % 60, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"


def _seconds(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


Seconds = Annotated[float, BeforeValidator(_seconds)]
"""A field in seconds that is written as a Go duration."""
