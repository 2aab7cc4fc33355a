"""The operator's own credentials, which are removed from all that it logs.

A proxy, a webhook or an API server may send the Authorization header back: in a body, a status, a reason phrase or an
invalid header. The libraries quote that in their errors, so no caller can know where it will occur.
"""

import json
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, quote_plus

from astra_mirror.core.redaction import redact_text

_MIN_LENGTH: Final = 8
"""A shorter value would be removed from words that have nothing to do with it."""
_MOST: Final = 16
"""The number of values that are kept: credentials are renewed, and the previous ones may be echoed for a while."""
_HIDDEN: Final = "[hidden]"


class HiddenValues:
    """Tokens and passwords, the latest last. A reader in another thread sees the values before or after a change."""

    def __init__(self) -> None:
        self._spellings: dict[str, tuple[str, ...]] = {}

    def hide(self, values: Iterable[str]) -> None:
        """Remove these values from now on, in any encoding that a server or a library is likely to use."""
        new = [each for each in values if len(each) >= _MIN_LENGTH and each not in self._spellings]
        if new:
            known = {**self._spellings, **{each: _spellings(each) for each in new}}
            self._spellings = dict(list(known.items())[-_MOST:])

    def redact(self, text: str) -> str:
        """`text` without the hidden values."""
        for value, spellings in self._spellings.items():
            for spelling in spellings:
                text = text.replace(spelling, _HIDDEN)
            # Finds other encodings, and a value that was cut off.
            text = redact_text(text, value)
        return text


def _spellings(value: str) -> tuple[str, ...]:
    """The value as programs write it, the longest first. `redact_text` finds them all for an ASCII value only."""
    in_json = json.dumps(value)[1:-1]
    written = {value, repr(value)[1:-1], repr(value.encode(errors="replace"))[2:-1], in_json, json.dumps(in_json)[1:-1]}
    return tuple(sorted(written | {quote(value, safe=""), quote(value), quote_plus(value)}, key=len, reverse=True))
