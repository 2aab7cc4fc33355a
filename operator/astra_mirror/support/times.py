"""Times as Kubernetes writes them: RFC 3339 in UTC, in whole seconds."""

import re
from datetime import UTC, datetime
from typing import Final

_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"
_USUAL: Final = re.compile("([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z")
"""As programs write it. The library's parser, which looks up the locale each time, takes ten times longer."""


def timestamp(moment: datetime) -> str:
    """`moment`, which is in UTC, as text."""
    # As strftime does with _FORMAT, which looks at the system's time zone each time.
    return f"{moment.replace(microsecond=0, tzinfo=None).isoformat()}Z"


def moment_of(text: object) -> datetime | None:
    """The moment, in UTC, that a JSON value denotes; None for anything that is not written in this way."""
    usual = _USUAL.fullmatch(text) if isinstance(text, str) else None
    try:
        if usual is not None:
            year, month, day, hour, minute, second = map(int, usual.groups())
            return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        return datetime.strptime(str(text), _FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None
