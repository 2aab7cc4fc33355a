"""How a call of the API server about a ref ended, as far as the refs of a monitor depend on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any


class Ended(Enum):
    """How a call ended."""

    DONE = auto()
    """The object is as it was asked for, or it was read."""
    EXISTS = auto()
    """An object of that name exists already."""
    MOVED = auto()
    """The object is another one now, or of another version: look again."""
    GONE = auto()
    """There is no such object."""
    FORBIDDEN = auto()
    """The operator's role does not allow it."""
    REFUSED = auto()
    """A quota, a webhook or the validation does not allow it."""
    TERMINATING = auto()
    """The namespace is being deleted, or is gone."""
    AWAY = auto()
    """The API server did not answer, or failed."""


@dataclass(frozen=True, slots=True)
class RefResult:
    """The result of a call.

    Attributes:
        ended: how it ended.
        object: the object, where it was read or written.
        message: the API server's, where it did not allow the call.
    """

    ended: Ended
    object: Mapping[str, Any] | None = None
    message: str = ""
