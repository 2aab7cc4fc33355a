"""Removes the token from what a server echoes, and nothing else: a JSON document stays valid.

A server that refuses a token may quote it: in upper or lower case, with JSON escapes, percent-encoded, or as HTML. What
it sends is shown in conditions and Events, to people who may read those but not the Secret. The time is linear in the
size of the document for every token and document, because a tenant may choose both.
"""

import html
import json
import re
from functools import lru_cache
from typing import Final

_REDACTED: Final = "[token]"
_KNOWN: Final = 16
"""The number of leading characters by which a token is recognised. A longer token is removed up to its full length, or
to the end of the word where the server has shortened it."""

# Two bytes that occur in no JSON document stand for an escaped backslash and an escaped quotation mark. After that each
# quotation mark delimits a string, and each backslash starts another escape.
_BACKSLASH: Final = b"\x00"
_QUOTE: Final = b"\x01"
_JSON_CODES: Final = re.compile(rb"\\u00([2-7][0-9a-fA-F])|\\/")
_PERCENT_CODES: Final = re.compile(rb"%([2-7][0-9a-fA-F])")
_MAX_DOCUMENT_CODES: Final = 4096
"""The number of needless character escapes up to which a document is decoded."""
_STRUCTURE: Final = frozenset("[]{}:,0123456789+-.truefalsn")
_MAX_QUOTES: Final = 200_000
_MAX_RAW: Final = 128 * 1024
"""The largest document, in bytes, that is parsed to see whether it is valid JSON."""

_ESCAPES: Final = re.compile(r"\\{1,2}(?:u00|x)([2-7][0-9a-fA-F])|\\{1,2}([!-/:-@\[\]-`{-~])|\\(\\)")
# Applied in this order, each to the result of the one before: a token may contain what looks like another kind of code.
_TEXT_CODES: Final = (
    re.compile(r"()&[#0-9a-zA-Z]{2,6};"),
    _ESCAPES,
    _ESCAPES,  # JSON within JSON
    re.compile(r"%([2-7][0-9a-fA-F])"),
)
_MAX_TEXT_CODES: Final = 64
# One character of the rest of a token in any encoding: the rest may be encoded although the beginning is plain.
_DOCUMENT_CHAR: Final = r"(?:\\u00[2-7][0-9a-fA-F]|\\/|%[2-7][0-9a-fA-F]|[\x00\x01!#-\[\]-~])"
_TEXT_CHAR: Final = r"(?:\\{1,3}(?:u00|x)[2-7][0-9a-fA-F]|%[2-7][0-9a-fA-F]|&[#0-9a-zA-Z]{2,6};|\\{0,3}[!-~])"

# Follows the first character of a match, which must not be the end of an escape such as \\n or \\u00e9.
_NOT_WITHIN_AN_ESCAPE: Final = r"(?<!\\.)" + "".join(rf"(?<!\\u[0-9a-fA-F]{{{count}}}.)" for count in range(4))


def redact_document(body: bytes, token: str) -> bytes:
    """`body`, a JSON document, without `token` in any of its strings; the same object if the token does not occur.

    Numbers do not change, and a valid document stays valid. A `body` that is not JSON is redacted as far as possible.
    """
    if not token:
        return body
    is_plain = _is_plainly_in(body, token)
    if not (is_plain or _JSON_CODES.search(body) or _PERCENT_CODES.search(body)):
        return body
    raw = _without_raw_echo(body, token)
    protected = raw.replace(b"\\\\", _BACKSLASH).replace(b'\\"', _QUOTE)
    without = _cut(protected, token) if is_plain else protected
    decoded = without
    for codes in (_JSON_CODES, _PERCENT_CODES):
        decoded = codes.sub(_decoded_byte, decoded, _MAX_DOCUMENT_CODES)
        if _spelled(token).lower() in decoded.lower():
            without = decoded = _cut(decoded, token)
    if without == protected:
        return raw
    return without.replace(_QUOTE, b'\\"').replace(_BACKSLASH, b"\\\\")


def redact_text(text: str, token: str) -> str:
    """`text`, which will be shown, without `token`; unchanged if the token does not occur.

    It is not known which characters a library or a server has escaped. A text in which the token is found only after
    decoding is returned decoded.
    """
    if not token:
        return text
    known = token[:_KNOWN].lower()
    if known in text.lower():
        text = _in_text(token).sub(_REDACTED, text)
    decoded = text
    for codes in _TEXT_CODES:
        before, decoded = decoded, codes.sub(_decoded_char, decoded, _MAX_TEXT_CODES)
        if decoded != before and known in decoded.lower():
            text = decoded = _in_text(token).sub(_REDACTED, decoded)
    return text


def _spelled(token: str) -> bytes:
    """The beginning of the token as it appears in a protected document."""
    return token[:_KNOWN].encode().replace(b"\\", _BACKSLASH).replace(b'"', _QUOTE)


def _cut(protected: bytes, token: str) -> bytes:
    pattern, redacted = _in_document(token), _REDACTED.encode()
    if not _STRUCTURE.issuperset(token[:_KNOWN].lower()) or protected.count(b'"') > _MAX_QUOTES:
        # No match contains a quotation mark, so the number of strings does not change.
        return pattern.sub(redacted, protected)
    # Such a token may occur outside of strings as well, for example as a number, which must not change.
    parts = protected.split(b'"')
    if len(parts) > 1:
        parts[1::2] = pattern.sub(redacted, b'"'.join(parts[1::2])).split(b'"')
    return b'"'.join(parts)


@lru_cache(maxsize=256)
def _in_document(token: str) -> re.Pattern[bytes]:
    first, *others = (_either_case(chr(code)) for code in _spelled(token))
    known = first + _NOT_WITHIN_AN_ESCAPE + "".join(others)
    return re.compile((known + _rest(_DOCUMENT_CHAR, token)).encode())


@lru_cache(maxsize=256)
def _in_text(token: str) -> re.Pattern[str]:
    return re.compile("".join(map(_either_case, token[:_KNOWN])) + _rest(_TEXT_CHAR, token))


def _either_case(char: str) -> str:
    return f"[{re.escape(char.lower())}{re.escape(char.upper())}]"


def _rest(char: str, token: str) -> str:
    # A pattern with all characters of a token of 64 KiB would take seconds to compile.
    return f"{char}{{0,{len(token) - _KNOWN}}}" if len(token) > _KNOWN else ""


def _decoded_byte(match: re.Match[bytes]) -> bytes:
    char = bytes([int(match[1], 16)]) if match[1] else b"/"
    return {b"\\": _BACKSLASH, b'"': _QUOTE}.get(char, char)


def _decoded_char(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    return html.unescape(match[0]) if match[0].startswith("&") else match[2] or match[3]


def _is_plainly_in(body: bytes, token: str) -> bool:
    lower, known = body.lower(), token[:_KNOWN].lower()
    return known.encode() in lower or json.dumps(known)[1:-1].encode() in lower


def _without_raw_echo(body: bytes, token: str) -> bytes:
    """`body` without a token that the server inserted unescaped, although JSON requires escapes.

    Such an echo makes the document invalid. Where the document is valid all the same, the characters are kept.
    """
    if not {'"', "\\"} & set(token):
        return body
    raw, lower, pieces, end = token.lower().encode(), body.lower(), [], 0
    while (start := lower.find(raw, end)) >= 0:
        pieces.append(body[end:start])
        end = start + len(raw)
    without = _REDACTED.encode().join([*pieces, body[end:]])
    if not pieces or len(body) > _MAX_RAW or _is_json(without) or not _is_json(body):
        return without
    return body


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True
