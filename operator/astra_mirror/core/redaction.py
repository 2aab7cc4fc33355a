"""Takes the token out of what a server echoes, and nothing else: words stay words and documents stay JSON.

A server that refuses a token may quote it, in capitals, with JSON's escapes or percent-encoded. What it sends is shown
in conditions and Events, to people who may read those but not the Secret. The work is bounded by the size of the
document, whatever the token and the document are: both may be one tenant's.
"""

import json
import re
from functools import lru_cache
from itertools import islice
from typing import Final

REDACTED: Final = "[token]"
_KNOWN: Final = 16
"""Characters by which a token is known. A longer one is cut out from there to its full length, or to the end of the
word where the server has shortened it."""
_BACKSLASH: Final = b"\x00"
_QUOTE: Final = b"\x01"
_CODES: Final = re.compile(rb"\\u00[2-7]|%[2-7][0-9a-fA-F]")
_MAX_CODES: Final = 4096
"""Characters of a document that are written as codes, though they need not be. What has more is no error that quotes a
token, and can be made to cost much: there a token is looked for in plain characters only."""
_STRUCTURE: Final = frozenset("[]{}:,0123456789+-.truefalsn")
_MAX_QUOTES: Final = 200_000
_MAX_RAW: Final = 128 * 1024
"""Bytes of a document that is parsed to see whether it is one."""
# Behind a character: the n of a line break is no letter, and the end of \\u00e9 no digits of a token.
_NOT_WITHIN_AN_ESCAPE: Final = r"(?<!\\.)" + "".join(rf"(?<!\\u[0-9a-fA-F]{{{count}}}.)" for count in range(4))


def redact_document(body: bytes, token: str) -> bytes:
    """`body`, one JSON document, without `token` in any of its strings; the very object where there is nothing to cut.

    Numbers stay as they are, and a document that was valid is valid afterwards. A `body` that is no JSON is treated as
    well as can be.
    """
    pattern = _pattern_for(body, token) if token else None
    if pattern is None:
        return body
    protected = _protected(_without_raw_echo(body, token))
    # No match has a quotation mark in it: strings stay as many as they are.
    if _STRUCTURE.issuperset(token[:_KNOWN].lower()) and protected.count(b'"') < _MAX_QUOTES:
        # Such a token may stand outside of the strings as well, as a number for example, and mean something else.
        parts = protected.split(b'"')
        if len(parts) > 1:
            parts[1::2] = pattern.sub(REDACTED.encode(), b'"'.join(parts[1::2])).split(b'"')
        protected = b'"'.join(parts)
    else:
        protected = pattern.sub(REDACTED.encode(), protected)
    return protected.replace(_QUOTE, b'\\"').replace(_BACKSLASH, b"\\\\")


def redact_text(text: str, token: str) -> str:
    """`text`, a message, without `token`: in any case, as a library quotes it, or percent-encoded."""
    return _in_text(token).sub(REDACTED, text) if token else text


def _pattern_for(body: bytes, token: str) -> re.Pattern[bytes] | None:
    """What finds the token in `body`; None where it is in there in no way."""
    coded = 0 < sum(1 for _ in islice(_CODES.finditer(body), _MAX_CODES + 1)) <= _MAX_CODES
    if _is_plainly_in(body, token):
        return _in_document(token, coded=coded)
    if coded and _in_document(token, coded=True).search(_protected(body)):
        return _in_document(token, coded=True)
    return None


def _protected(body: bytes) -> bytes:
    """`body` with two escapes made single bytes that no JSON has.

    What is a quotation mark then delimits a string, and what is a backslash begins another escape.
    """
    return body.replace(b"\\\\", _BACKSLASH).replace(b'\\"', _QUOTE)


def _is_plainly_in(body: bytes, token: str) -> bool:
    lower, known = body.lower(), token[:_KNOWN].lower()
    escaped = json.dumps(known)[1:-1]
    return any(each.encode() in lower for each in {known, escaped, escaped.replace("/", "\\/")})


def _without_raw_echo(body: bytes, token: str) -> bytes:
    """`body` without a token that was put into it as it is, though JSON wants some of its characters escaped.

    Such an echo breaks the document. Where the characters are JSON by chance, they are left to mean what they do.
    """
    if not {'"', "\\"} & set(token):
        return body
    raw, lower, pieces, end = token.lower().encode(), body.lower(), [], 0
    while (start := lower.find(raw, end)) >= 0:
        pieces.append(body[end:start])
        end = start + len(raw)
    without = REDACTED.encode().join([*pieces, body[end:]])
    if not pieces or len(body) > _MAX_RAW or _is_json(without) or not _is_json(body):
        return without
    return body


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def _codes(char: str) -> list[str]:
    """Both cases of a character as patterns for two hexadecimal digits."""
    codes = dict.fromkeys(f"{ord(each):02x}" for each in (char.lower(), char.upper()))
    return ["".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in code) for code in codes]


def _plainly(char: str) -> list[str]:
    """A character as it stands between the quotation marks of a document whose escapes are replaced."""
    special = {"\\": [r"\x00"], '"': [r"\x01"]}
    return special.get(char) or [re.escape(each) for each in dict.fromkeys((char.lower(), char.upper()))]


def _in_json(char: str, *, first: bool, coded: bool) -> str:
    """A character of a token, in each way in which it can stand in such a document.

    Each way begins with a literal, and only then looks back: so the search skips quickly whatever is none of them.
    """
    ways = [way + (_NOT_WITHIN_AN_ESCAPE if first else "") for way in _plainly(char)]
    if char == "/":
        ways.append(r"\\/")
    if coded:
        ways += [f"{mark}{code}" for code in _codes(char) for mark in ("%", r"\\u00")]
    return f"(?:{'|'.join(ways)})"


def _in_words(char: str) -> str:
    """A character of a token in a library's words, which may quote once or twice."""
    plain = r"\\{1,2}" if char == "\\" else re.escape(char) if char.isalnum() else r"\\{0,2}" + re.escape(char)
    coded = [f"{mark}{code}" for code in _codes(char) for mark in ("%", r"\\{1,2}u00", r"\\{1,2}x")]
    return f"(?:{'|'.join([plain, *coded])})"


def _and(rest: str, token: str) -> str:
    # To write all of a token of 64 KiB out would make a pattern that takes seconds to compile.
    return f"{rest}{{0,{len(token) - _KNOWN}}}" if len(token) > _KNOWN else ""


@lru_cache(maxsize=256)
def _in_document(token: str, *, coded: bool) -> re.Pattern[bytes]:
    known = "".join(_in_json(char, first=not index, coded=coded) for index, char in enumerate(token[:_KNOWN]))
    rest = r"(?:\\u00[2-7][0-9a-fA-F]|\\/|%[2-7][0-9a-fA-F]|[\x00\x01!#-\[\]-~])"
    return re.compile((known + _and(rest, token)).encode())


@lru_cache(maxsize=256)
def _in_text(token: str) -> re.Pattern[str]:
    known = "".join(map(_in_words, token[:_KNOWN]))
    rest = r"(?:\\{1,2}u00[2-7][0-9a-f]|\\{1,2}x[2-7][0-9a-f]|%[2-7][0-9a-f]|\\{0,2}[!-~])"
    return re.compile(known + _and(rest, token), re.IGNORECASE | re.ASCII)
