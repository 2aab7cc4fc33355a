"""The operator's own credentials, which are removed from all that it logs.

A proxy, a webhook or an API server may send the Authorization header back: in a body, a status, a reason phrase or an
invalid header. The libraries quote that in their errors, so no caller can know where it will occur.
"""

import base64
import html
import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final
from urllib.parse import quote, quote_plus

from astra_mirror.core.redaction import redact_text
from astra_mirror.support.text import printable

_MIN_LENGTH: Final = 8
"""A shorter value would be removed from words that have nothing to do with it."""
_MIN_BEGINNING: Final = 4
"""The least number of characters of a value that are removed where a text was cut."""
_MOST: Final = 16
"""The number of values out of use that are kept: credentials are renewed, and previous ones may still be echoed."""
_KNOWN: Final = 16
"""The number of leading characters by which a value in base64 is recognised."""
_HIDDEN: Final = "[hidden]"
_CUT_MARK: Final = re.compile(r"\u2026|\.{3}|\\u2026")
"""How a text ends that was cut, by this program or another."""
_LINE_BREAK: Final = re.compile(r"(?:\n|\r\n|\\n|\\r\\n)[ \t]*")
"""What may be anywhere in base64, as it is or escaped."""
_FOR_URLS: Final = str.maketrans("+/", "-_")

_WORD: Final = re.compile(r"[A-Za-z_-]{8,15}")
"""A password that may be part of names, such as `kubernetes`; it is removed only where it stands alone."""
# A dot, a slash or a hyphen joins names. The last letter or digit of an escape such as \\n or %3A is part of no word.
_WORD_BEGINS: Final = r"(?:(?<![\w./-])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2})|(?<=\\x[0-9a-f]{2})|(?<=\\u[0-9a-f]{4}))"
_WORD_ENDS: Final = r"(?![\w/-]|\.\w)"


class HiddenValues:
    """Tokens and passwords. A reader in another thread sees the values before or after a change.

    Args:
        always: those that do not change, such as the password in an option.
    """

    def __init__(self, always: Iterable[str] = ()) -> None:
        self._always = tuple(always)
        self._latest_last: tuple[str, ...] = ()
        self._patterns: tuple[_Pattern, ...] = ()
        self._beginnings = _Beginnings(())
        self.hide(())

    def hide(self, in_use: Iterable[str]) -> None:
        """Remove these values, and the latest of those that were in use before, in any encoding that is likely."""
        wanted = (*self._always, *in_use)
        values = tuple(dict.fromkeys(each for each in wanted if len(each) >= _MIN_LENGTH))
        retired = tuple(each for each in self._latest_last if each not in values)[-_MOST:]
        known = {each.value: each for each in self._patterns}
        self._latest_last = (*retired, *values)
        # A value may begin with another one, whose removal would leave the rest.
        ordered = sorted(self._latest_last, key=len, reverse=True)
        patterns = tuple(known.get(each) or _Pattern(each) for each in ordered)
        self._beginnings = _Beginnings(spelling for each in patterns for spelling in each.spellings)
        self._patterns = patterns

    def redact(self, text: str) -> str:
        """`text` without the hidden values."""
        patterns = self._patterns
        if not patterns:
            return text
        # First, because the others would remove the first line of base64, by which the rest is recognised.
        text = _without_base64(text, patterns)
        for each in patterns:
            text = each.redact(text)
        return self._beginnings.removed_from(text)


class _Pattern:
    """How one value is found."""

    def __init__(self, value: str) -> None:
        self.value = value
        in_base64 = _base64_of(value)
        self._spellings = _spellings(value)
        self.spellings = (*self._spellings, *in_base64)
        self._base64 = [(each[:_KNOWN], _from_beginning(each)) for each in in_base64]
        is_word = _WORD.fullmatch(value) is not None
        self._word = re.compile(_WORD_BEGINS + value + _WORD_ENDS, re.IGNORECASE) if is_word else None

    def redact(self, text: str) -> str:
        for spelling in self._spellings:
            if self._word is None or spelling != self.value:
                text = text.replace(spelling, _HIDDEN)
        # The second finds other encodings, and a long value that was cut off.
        return redact_text(text, self.value) if self._word is None else self._word.sub(_HIDDEN, text)

    def in_base64(self, text: str) -> Iterator[tuple[int, int]]:
        """Where `text` has the value in base64, or the beginning of it."""
        for known, pattern in self._base64:
            # The search for a string is several times faster than the one for a pattern.
            if known in text:
                yield from (each.span() for each in pattern.finditer(text))


def _without_base64(text: str, patterns: Sequence[_Pattern]) -> str:
    """`text` without the values in base64, which may have line breaks in it; other line breaks stay."""
    joined = _LINE_BREAK.sub("", text)
    spans = sorted({span for each in patterns for span in each.in_base64(joined)})
    if not spans:
        return text
    # Where `joined` lacks a line break, and the length of all up to it.
    at, lengths = [], [0]
    for each in _LINE_BREAK.finditer(text):
        at.append(each.start() - lengths[-1])
        lengths.append(lengths[-1] + len(each[0]))
    kept, end = [], 0
    for first, last in spans:
        begin = first + lengths[bisect_right(at, first)]
        if begin >= end:
            kept += [text[end:begin], _HIDDEN]
        end = max(end, last + lengths[bisect_left(at, last)])
    return "".join((*kept, text[end:]))


class _Beginnings:
    """The beginnings of values, which are removed where a text was cut."""

    def __init__(self, spellings: Iterable[str]) -> None:
        self._spellings: dict[str, list[str]] = {}
        for each in map(_lower, spellings):
            self._spellings.setdefault(each[:_MIN_BEGINNING], []).append(each)
        self._longest = max((len(each) for known in self._spellings.values() for each in known), default=0)

    def removed_from(self, text: str) -> str:
        kept, begin = [], 0
        for mark in _CUT_MARK.finditer(text):
            part = text[begin : mark.start()]
            kept += [part[: self._end(part)], mark[0]]
            begin = mark.end()
        return "".join((*kept, text[begin:])) if kept else text

    def _end(self, part: str) -> int | None:
        """Where the beginning of a value begins with which `part` ends; None if it does not."""
        if len(part) < _MIN_BEGINNING:
            return None
        first = max(len(part) - self._longest, 0)
        end, found = _lower(part[first:]), []
        for beginning, spellings in self._spellings.items():
            at = end.find(beginning)
            while at >= 0 and not any(each.startswith(end[at:]) for each in spellings):
                at = end.find(beginning, at + 1)
            found.extend([first + at] if at >= 0 else [])
        return min(found, default=None)


def _lower(text: str) -> str:
    """`text` in lower case, of the same length."""
    return text.replace("\u0130", "i").lower()


def _spellings(value: str) -> tuple[str, ...]:
    """The value as programs write it, the longest first.

    `redact_text` finds them all for an ASCII value only, and where not too many other escapes come before it.
    """
    in_json = json.dumps(value)[1:-1]
    octets = value.encode(errors="surrogatepass")
    written = {value, printable(value), repr(value)[1:-1], repr(octets)[2:-1], in_json, json.dumps(in_json)[1:-1]}
    in_html = {html.escape(value, quote=False), html.escape(value)}
    # Go escapes the quotation marks by their numbers, and in JSON what HTML would interpret.
    in_html.add(html.escape(value).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"))
    in_json_of_go = json.dumps(value, ensure_ascii=False)[1:-1]
    for char in "&<>":
        in_json_of_go = in_json_of_go.replace(char, f"\\u{ord(char):04x}")
    in_urls = {quote(octets, safe=""), quote(octets), quote_plus(octets)}
    in_urls |= {re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), each) for each in in_urls}
    twice = {quote(each, safe="") for each in in_urls}
    return tuple(sorted(written | {in_json_of_go} | in_html | in_urls | twice, key=len, reverse=True))


def _base64_of(value: str) -> tuple[str, ...]:
    """The characters that every base64 text has which contains the value, after 0, 1 or 2 bytes of a group of three."""
    octets, found = value.encode(errors="surrogatepass"), []
    with suppress(ValueError):
        # What is sent may be base64 itself.
        found = [value.rstrip("=")] if base64.b64decode(value, validate=True) and not _WORD.fullmatch(value) else []
    for before, shared in ((0, 0), (1, 2), (2, 3)):
        # The first and the last character may have bits of what comes before and after.
        encoded = base64.b64encode(bytes(before) + octets).decode().rstrip("=")
        found.append(encoded[shared:] if (before + len(octets)) % 3 == 0 else encoded[shared:-1])
    return tuple(dict.fromkeys(each for known in found for each in (known, known.translate(_FOR_URLS))))


def _from_beginning(encoded: str) -> re.Pattern[str]:
    """Finds `encoded`, and as much of it as a text has, as well as the one character after it that is not certain."""
    rest = f"[A-Za-z0-9+/_-]{{0,{max(len(encoded) - _KNOWN, 0) + 1}}}={{0,2}}"
    return re.compile(re.escape(encoded[:_KNOWN]) + rest)
