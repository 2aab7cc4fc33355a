"""The operator's own credentials, which are removed from all that it logs.

A proxy, a webhook or an API server may send the Authorization header back: in a body, a status, a reason phrase or an
invalid header. The libraries quote that in their errors, so no caller can know where it will occur.
"""

import base64
import json
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, quote_plus

from astra_mirror.core.redaction import redact_text
from astra_mirror.support.text import CUT

_MIN_LENGTH: Final = 8
"""A shorter value would be removed from words that have nothing to do with it."""
_MIN_BEGINNING: Final = 4
"""The least number of characters of a value that are removed where a text was cut."""
_MOST: Final = 16
"""The number of values out of use that are kept: credentials are renewed, and previous ones may still be echoed."""
_HIDDEN: Final = "[hidden]"

_WORD: Final = re.compile(r"[A-Za-z_-]{8,15}")
"""A password that may be part of names, such as `kubernetes`; it is removed only where it stands alone."""
# A dot, a slash or a hyphen joins names. The last letter or digit of an escape such as \\n or %3A is part of no word.
_WORD_BEGINS: Final = r"(?:(?<![\w./-])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2})|(?<=\\x[0-9a-f]{2})|(?<=\\u[0-9a-f]{4}))"
_WORD_ENDS: Final = r"(?![\w/-]|\.\w)"


class HiddenValues:
    """Tokens and passwords. A reader in another thread sees the values before or after a change."""

    def __init__(self) -> None:
        self._latest_last: tuple[str, ...] = ()
        self._patterns: tuple[_Pattern, ...] = ()

    def hide(self, in_use: Iterable[str]) -> None:
        """Remove these values, and the latest of those that were in use before, in any encoding that is likely."""
        values = tuple(dict.fromkeys(each for each in in_use if len(each) >= _MIN_LENGTH))
        retired = tuple(each for each in self._latest_last if each not in values)[-_MOST:]
        known = {each.value: each for each in self._patterns}
        self._latest_last = (*retired, *values)
        # A value may begin with another one, whose removal would leave the rest.
        ordered = sorted(self._latest_last, key=len, reverse=True)
        self._patterns = tuple(known.get(each) or _Pattern(each) for each in ordered)

    def redact(self, text: str) -> str:
        """`text` without the hidden values."""
        for each in self._patterns:
            text = each.redact(text)
        return text


class _Pattern:
    """How one value is found."""

    def __init__(self, value: str) -> None:
        self.value = value
        self._spellings = _spellings(value)
        is_word = _WORD.fullmatch(value) is not None
        self._word = re.compile(_WORD_BEGINS + value + _WORD_ENDS, re.IGNORECASE) if is_word else None

    def redact(self, text: str) -> str:
        for spelling in self._spellings:
            if self._word is None or spelling != self.value:
                text = text.replace(spelling, _HIDDEN)
        # The second finds other encodings, and a long value that was cut off.
        text = redact_text(text, self.value) if self._word is None else self._word.sub(_HIDDEN, text)
        return self._without_beginning(text) if CUT in text else text

    def _without_beginning(self, text: str) -> str:
        """`text` without the beginning of the value at each place where a text was cut."""
        *parts, last = text.split(CUT)
        return CUT.join([*(part[: self._end(part)] for part in parts), last])

    def _end(self, part: str) -> int | None:
        """Where the beginning of the value begins with which `part` ends; None if it does not."""
        found = []
        for spelling in self._spellings:
            at = part.find(spelling[:_MIN_BEGINNING], max(len(part) - len(spelling), 0))
            while at >= 0 and not spelling.startswith(part[at:]):
                at = part.find(spelling[:_MIN_BEGINNING], at + 1)
            found.extend([at] if at >= 0 else [])
        return min(found, default=None)


def _spellings(value: str) -> tuple[str, ...]:
    """The value as programs write it, the longest first. `redact_text` finds them all for an ASCII value only."""
    in_json = json.dumps(value)[1:-1]
    octets = value.encode(errors="surrogatepass")
    written = {value, repr(value)[1:-1], repr(octets)[2:-1], in_json, json.dumps(in_json)[1:-1]}
    in_urls = {quote(octets, safe=""), quote(octets), quote_plus(octets)}
    in_lower_case = {re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), each) for each in in_urls}
    return tuple(sorted(written | in_urls | in_lower_case | {base64.b64encode(octets).decode()}, key=len, reverse=True))
