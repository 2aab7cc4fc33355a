"""Reads a list's body item by item, so that one of many megabytes never holds up the event loop for long.

The JSON decoder of the standard library does the reading, a value at a time, on a window of the body.
"""

import codecs
import json
import re
from collections.abc import Generator, Iterator, Sequence
from typing import Any, Final

WINDOW: Final = 1024 * 1024
"""Bytes decoded at a time, and with that about the largest item: as large as the answer for one backup may be."""
MAX_VALUES: Final = 131_072
"""Values that a document may have, and a window of a list: to decode a megabyte of brackets takes ten times as long as
one of text."""
Body = Sequence[bytes]
"""A body in pieces of `WINDOW` bytes, the last of which may be shorter."""

_scan = json.JSONDecoder().raw_decode
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
"""A text, or what is left of one: that it cannot fail to match keeps the search linear."""
_MANY_QUOTES: Final = 16_384
"""Of a document with more of them the texts are not looked at: that would take as long as to decode it."""


class ListError(ValueError):
    """A body that is no list; the message says why, and quotes nothing of it."""


def count_values(document: bytes) -> int:
    """About how many values a JSON document has, at most; what is no JSON has any number."""
    counted = _separators(document)
    if counted <= MAX_VALUES or document.count(b'"') - document.count(b'\\"') > _MANY_QUOTES:
        return counted
    # Those in texts are no separators: a log with many brackets may be a detail.
    return _separators(_STRING.sub(b"", document))


def _separators(document: bytes) -> int:
    return document.count(b",") + document.count(b"[") + document.count(b"{")


class ListReader:
    """Iterates over the items of `{"items": [...], "metadata": {...}}`: each as a value and as the text it was.

    None comes for any other member, of which there may be millions, and where a large item has to be looked at again:
    the reader of such a body has to give way as well. `metadata` is there after the last one.

    Raises:
        ListError: while iterating: the body is not such a document, or one of its values is too large.
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
            key, _ = yield from self._value()
            self._expect(":")
            if key == "items" and not has_items and self._peek() == "[":
                has_items = True
                yield from self._items()
            else:
                value, _ = yield from self._value()
                self.metadata = value if key == "metadata" else self.metadata
                del value
                yield None
            if self._take() == "}":
                break
            self._back(",")
        if self._peek():
            raise ListError("there is more after its end")
        if not has_items:
            raise ListError("it has no items")

    def _items(self) -> Iterator[tuple[Any, str] | None]:
        self._expect("[")
        if self._peek() == "]":
            self._at += 1
            return
        while True:
            yield (yield from self._value())
            if self._take() == "]":
                return
            self._back(",")

    def _value(self) -> Generator[None, None, tuple[Any, str]]:
        """The next value and its text; gives way before another attempt to find its end."""
        self._peek()
        while True:
            found = _scanned(self._text, self._at)
            # A number at the end of the window may go on: what the decoder leaves of 1e+5 may be "e+".
            if found is not None and (found[1] + 2 < len(self._text) or self._next >= len(self._body)):
                value, end = found
                text = self._text[self._at : end]
                self._at = end
                return value, text
            # The value may go on behind the window; one that fills a whole window is too large.
            if (found is None and len(self._text) - self._at > WINDOW) or not self._more():
                raise ListError("it is no JSON, or has too large a value")
            del found
            yield None

    def _peek(self) -> str:
        """The next character that is no space; empty at the end."""
        windows = self._next
        while True:
            if space := _SPACE.match(self._text, self._at):
                self._at = space.end()
            if self._at < len(self._text):
                return self._text[self._at]
            if self._next - windows > 1:
                raise ListError("it has more than a megabyte of spaces")
            if not self._more():
                return ""

    def _take(self) -> str:
        character = self._peek()
        self._at += 1
        return character

    def _expect(self, character: str) -> None:
        if self._take() != character:
            raise ListError(f"{character!r} is missing")

    def _back(self, character: str) -> None:
        self._at -= 1
        self._expect(character)

    def _more(self) -> bool:
        """Append the next window of the body; false when there is none."""
        if self._next >= len(self._body):
            return False
        window = self._body[self._next]
        self._next += 1
        if _separators(window) > MAX_VALUES:
            raise ListError(f"a megabyte of it has more than {MAX_VALUES} values")
        try:
            text = self._decoder.decode(window, self._next >= len(self._body))
        except UnicodeDecodeError:
            raise ListError("it is not UTF-8 text") from None
        self._text, self._at = self._text[self._at :] + text, 0
        return True


def _scanned(text: str, at: int) -> tuple[Any, int] | None:
    """The value that begins there, and where it ends; None where it has no end in `text`, or is none."""
    try:
        return _scan(text, at)
    except (ValueError, RecursionError):
        return None
