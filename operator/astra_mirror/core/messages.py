"""The texts that people read about a failure: its message, and the correlation ID of the response, if it has one.

Each response has a different ID, so two texts may differ and still show the same message. Whether a text shows a
failure's message is decided from that message, which is known. No ID is ever read out of a text.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from astra_mirror.support.text import CUT, cut

MAX_MESSAGE: Final = 1024
"""The maximum length of a condition's message, in characters."""
_BEFORE_ID: Final = " (correlationID "
_AFTER_ID: Final = ")"


@dataclass(frozen=True, slots=True)
class Shown:
    """A text in a status, and the message that it shows: the same without the correlation ID."""

    text: str
    message: str


def text_of(message: str, correlation_id: str | None) -> str:
    """The text for a message, with the ID, if any, at its end."""
    if correlation_id is None:
        return message
    return f"{message}{_BEFORE_ID}{correlation_id.replace('(', '[').replace(')', ']')}{_AFTER_ID}"


def shows(text: str, message: str) -> bool:
    """Whether `text`, cut to the length of a condition's message, is the text for `message` with any ID or without."""
    if text == cut(message, MAX_MESSAGE):
        return True
    start = message + _BEFORE_ID
    if len(text) == MAX_MESSAGE and text.endswith(CUT):
        rest = text.removesuffix(CUT)
        return rest.startswith(start) or start.startswith(rest)
    return text.startswith(start) and text.endswith(_AFTER_ID) and not set("()") & set(text[len(start) : -1])


def may_have_id(text: str) -> bool:
    """Whether `text`, of which nothing else is known, may have an ID at its end."""
    return _BEFORE_ID in text and text.endswith(_AFTER_ID)


def message_of(text: str, shown: Iterable[Shown]) -> str:
    """`text` without the ID at its end; unchanged if it does not end in one of the known texts."""
    for each in shown:
        if text.endswith(each.text):
            return text.removesuffix(each.text) + each.message
    return text
