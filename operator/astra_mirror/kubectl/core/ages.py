"""Lengths of time as kubectl shows them: the two largest units while that says more, then one."""

from datetime import UTC, datetime, timedelta
from typing import Final

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400
_YEAR: Final = 365 * _DAY
_STEPS: Final = (
    (2 * _MINUTE, 1, "s", 0, ""),
    (10 * _MINUTE, _MINUTE, "m", 1, "s"),
    (3 * _HOUR, _MINUTE, "m", 0, ""),
    (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
    (2 * _DAY, _HOUR, "h", 0, ""),
    (8 * _DAY, _DAY, "d", _HOUR, "h"),
    (2 * _YEAR, _DAY, "d", 0, ""),
    (8 * _YEAR, _YEAR, "y", _DAY, "d"),
)
"""Up to how many seconds which unit is shown, and which smaller one beside it."""


def length_text(length: timedelta) -> str:
    """`length` in one or two units, such as `42s`, `5m12s`, `26h`, `3d4h`; a negative one is `0s`."""
    seconds = max(int(length.total_seconds()), 0)
    for limit, unit, name, small, small_name in _STEPS:
        if seconds < limit:
            rest = seconds % unit // small if small else 0
            return f"{seconds // unit}{name}" + (f"{rest}{small_name}" if rest else "")
    return f"{seconds // _YEAR}y"


def moment_of(value: object) -> datetime | None:
    """The moment, in UTC, that a JSON value denotes; None for anything that is no time of RFC 3339."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        return None if moment is None else moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
