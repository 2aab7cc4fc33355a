"""Reads the body of a list item by item, so that many megabytes never block the event loop for long.

The standard library's JSON decoder decodes one value at a time, in a window of the body.
"""

import codecs
import json
import re
from collections.abc import Generator, Iterator, Sequence
from typing import Any, Final

WINDOW: Final = 1024 * 1024
"""Bytes decoded at a time, and so about the size of the largest item: the limit for the document of one backup."""
MAX_VALUES: Final = 131_072
"""Values that a document, or a window of a list, may have: a megabyte of brackets takes ten times as long to decode as
one of text."""
Body = Sequence[bytes]
"""A body in pieces of `WINDOW` bytes, the last of which may be shorter."""

_scan = json.JSONDecoder().raw_decode
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
"""A string, or the part of one before the end of the window. It matches at every quotation mark, so that a search is
linear."""
_MANY_QUOTES: Final = 16_384
"""In a document with more quotation marks, strings are not excluded: that would take as long as decoding it."""


class ListError(ValueError):
    """A body that is not a list; the message says why, and quotes nothing from the body."""


def count_values(document: bytes) -> int:
    """An upper bound of the number of values in a JSON document; meaningless for anything else."""
    counted = _separators(document)
    if counted <= MAX_VALUES or document.count(b'"') - document.count(b'\\"') > _MANY_QUOTES:
        return counted
    # Separators within strings do not count: a string may be a log with many brackets.
    return _separators(_STRING.sub(b"", document))


def _separators(document: bytes) -> int:
    return document.count(b",") + document.count(b"[") + document.count(b"{")


class ListReader:
    """Iterates over the items of `{"items": [...], "metadata": {...}}`, each as its value and its text.

    It also yields None after each other member of the object, and before another attempt to decode a large item: the
    caller can yield to the event loop there. `metadata` is set when the iteration has ended.

    Raises:
        ListError: during the iteration, where the body is not such a document or a value is too large.
    """

    def __init__(self, body: Body) -> None:
        self.metadata: Any = None
        self._body = body
        self._next = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._at = 0

    def __iter__(self) -> Iterator[tuple[Any, str] | None]:
        """Iterate over the body, which is possible once."""
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
        """The next value and its text; yields before each further attempt to find the end of the value."""
        self._peek()
        while True:
            found = _scanned(self._text, self._at)
            # A number at the end of the window may continue: of 1e+5 the decoder may have read the 1 only.
            if found is not None and (found[1] + 2 < len(self._text) or self._next >= len(self._body)):
                value, end = found
                text = self._text[self._at : end]
                self._at = end
                return value, text
            # The value may continue in the next window; a value that fills a whole window is too large.
            if (found is None and len(self._text) - self._at > WINDOW) or not self._more():
                raise ListError("it is no JSON, or has too large a value")
            del found
            yield None

    def _peek(self) -> str:
        """The next character that is not white space; empty at the end of the body."""
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
    """The value that starts at `at`, and its end; None where `text` has no complete value there."""
    try:
        return _scan(text, at)
    except (ValueError, RecursionError):
        return None
