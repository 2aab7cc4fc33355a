"""Times as Kubernetes writes them: RFC 3339 in UTC, in whole seconds."""

from datetime import UTC, datetime
from typing import Final

_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"


def timestamp(moment: datetime) -> str:
    """`moment`, which is in UTC, as text."""
    return moment.strftime(_FORMAT)


def moment_of(text: object) -> datetime | None:
    """The moment, in UTC, that a JSON value denotes; None for anything that is not written in this way."""
    try:
        return datetime.strptime(str(text), _FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None
