"""Reads a list's body item by item, so that one of many megabytes never holds up the event loop for long.

The JSON decoder of the standard library does the reading, a value at a time, on a window of the body.
"""

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

WINDOW: Final = 1024 * 1024
"""Bytes decoded at a time, and with that about the largest item: as large as the answer for one backup may be."""
Body = Sequence[bytes]
"""A body in pieces of `WINDOW` bytes, the last of which may be shorter."""

_scan = json.JSONDecoder().raw_decode
_SPACE: Final = re.compile(r"[ \t\r\n]*")


class ListReader:
    """Iterates over the items of `{"items": [...], "metadata": {...}}`: each as a value and as the text it was.

    None comes for any other member, of which there may be millions: the reader of such a body has to give way as well.
    `metadata` is there after the last one.

    Raises:
        ValueError: while iterating: the body is not such a document, or one of its values is too large.
    """

    def __init__(self, body: Body) -> None:
        self.metadata: Any = None
        self._body = body
        self._next = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._at = 0

    def __iter__(self) -> Iterator[tuple[Any, str] | None]:
        """Read the body once."""
        self._expect("{")
        has_items = False
        while True:
            key, _ = self._value()
            self._expect(":")
            if key == "items" and not has_items and self._peek() == "[":
                has_items = True
                yield from self._items()
            else:
                value, _ = self._value()
                self.metadata = value if key == "metadata" else self.metadata
                yield None
            if self._take() == "}":
                break
            self._back(",")
        if self._peek():
            raise ValueError("there is more after its end")
        if not has_items:
            raise ValueError("it has no items")

    def _items(self) -> Iterator[tuple[Any, str]]:
        self._expect("[")
        if self._peek() == "]":
            self._at += 1
            return
        while True:
            yield self._value()
            if self._take() == "]":
                return
            self._back(",")

    def _value(self) -> tuple[Any, str]:
        self._peek()
        while True:
            try:
                value, end = _scan(self._text, self._at)
            except (ValueError, RecursionError) as error:
                # The value may go on behind the window; one that fills a whole window is too large.
                if len(self._text) - self._at > WINDOW or not self._more():
                    raise ValueError(f"it is no JSON, or has too large a value: {error}") from error
                continue
            # A number at the end of the window may go on as well: what the decoder leaves of 1e+5 may be "e+".
            if end + 2 >= len(self._text) and self._more():
                continue
            text = self._text[self._at : end]
            self._at = end
            return value, text

    def _peek(self) -> str:
        """The next character that is no space; empty at the end."""
        windows = self._next
        while True:
            if space := _SPACE.match(self._text, self._at):
                self._at = space.end()
            if self._at < len(self._text):
                return self._text[self._at]
            if self._next - windows > 1:
                raise ValueError("it has more than a megabyte of spaces")
            if not self._more():
                return ""

    def _take(self) -> str:
        character = self._peek()
        self._at += 1
        return character

    def _expect(self, character: str) -> None:
        if self._take() != character:
            raise ValueError(f"{character!r} is missing")

    def _back(self, character: str) -> None:
        self._at -= 1
        self._expect(character)

    def _more(self) -> bool:
        """Append the next window of the body; false when there is none."""
        if self._next >= len(self._body):
            return False
        window = self._body[self._next]
        self._next += 1
        text = self._decoder.decode(window, self._next >= len(self._body))
        self._text, self._at = self._text[self._at :] + text, 0
        return True
