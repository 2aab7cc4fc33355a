"""A log line, and whom it concerns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from astra_mirror.core.outcome import Failed
from astra_mirror.support.text import one_line

_MAX_TEXT: Final = 500
_MAX_NAMESPACES: Final = 10
"""How many namespaces a line names; it counts them all."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the log.

    Attributes:
        level: a warning for what goes wrong, info for what goes well.
        text: what people read.
        fields: what a line of JSON has beside it.
    """

    level: Literal["info", "warning"]
    text: str
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Users:
    """The objects that something concerns.

    Attributes:
        refs: the number of refs.
        monitors: the number of monitors.
        namespaces: the namespaces that they are in.
    """

    refs: int = 0
    monitors: int = 0
    namespaces: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.refs or self.monitors)

    @property
    def text(self) -> str:
        """How many there are, and where."""
        counts = [_count(self.refs, "ref")] if self.refs or not self.monitors else []
        counts += [_count(self.monitors, "monitor")] if self.monitors else []
        number = len(self.namespaces)
        where = f" in the namespace {min(self.namespaces)}" if number == 1 else f" in {number} namespaces"
        return " and ".join(counts) + (where if number else "")

    @property
    def fields(self) -> dict[str, object]:
        """The same as fields."""
        return {"refs": self.refs, "monitors": self.monitors, "namespaces": sorted(self.namespaces)[:_MAX_NAMESPACES]}


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def reason_text(failure: Failed) -> str:
    """The reason and the message of a failure, in one line."""
    return one_line(f"{failure.reason}: {failure.text}", _MAX_TEXT)
