"""The token is cut out of what a server echoes, however it is spelled; words stay words, and documents stay JSON."""

import html
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from astra_mirror.core.connection import Connection
from astra_mirror.core.redaction import redact_document, redact_text
from astra_mirror.core.urls import BaseURL

TOKEN = "eyJhbGci/OiJI+UzI1.NiIs/nR5cCI6+k=="

tokens = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=12) | st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=17, max_size=40
)
words = st.text('ab n\n\té"\\/[]{}:,€😀', max_size=12)
Spelling = Callable[[str], str]
SPELLINGS: list[Spelling] = [
    lambda char: json.dumps(char)[1:-1],
    lambda char: json.dumps(char.upper())[1:-1],
    lambda char: f"\\u{ord(char):04x}",
    lambda char: f"\\u{ord(char.swapcase()):04X}",
    lambda char: f"%{ord(char):02x}",
    lambda char: f"%{ord(char):02X}",
    lambda char: "\\/" if char == "/" else json.dumps(char)[1:-1],
]


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [each for pair in value.items() for part in pair for each in _strings(part)]
    return [each for part in value for each in _strings(part)] if isinstance(value, list) else []


@settings(deadline=None)
@given(tokens, words, words, st.data())
@example("n" * 8, "\n", "", None)
def test_an_echo_is_cut_out_however_each_character_is_spelled(
    token: str, before: str, after: str, data: st.DataObject | None
) -> None:
    """In any case, with JSON's escapes, percent-encoded, or all of it at once; what surrounds it stays."""
    # A token that looks percent-encoded itself cannot be told from one that is.
    assume(not re.search(r"%[2-7][0-9a-fA-F]", token))
    # One whose beginning occurs in it once more, such as seventeen zeros, may be recognised there, and cut from there.
    assume(token[:16].lower() not in token[1:].lower())
    assume(not re.search(r"[ab n\n\té\"\\/\[\]{}:,€😀]", token[:1] + token[-1:]))
    spell = [data.draw(st.sampled_from(SPELLINGS)) if data else SPELLINGS[0] for _ in token]
    echo = "".join(spelling(char) for spelling, char in zip(spell, token, strict=True))
    start, end = (json.dumps(text, ensure_ascii=False)[1:-1] for text in (before, after))
    body = f'{{"title": "{start}{echo} {end}", "status": 401, "{start}{echo}": [1e400, null]}}'.encode()
    document = json.loads(redact_document(body, token))
    # A code before a token that begins with a digit may end in that digit.
    assert document["title"].replace("%3[token]", "[token]") == f"{before}[token] {after}"
    assert document["status"] == 401
    assert len(document) == 3


@settings(deadline=None)
@given(
    tokens, st.recursive(words | st.integers() | st.none(), lambda each: st.lists(each) | st.dictionaries(words, each))
)
@example("n" + "a" * 7, "\naaaaaaa")
@example("e9abcdef", "éabcdef")
@example("12345678", [123456789012, "12345678"])
@example("true,true", [True, True, True])
@example('","a":"b', {"x": "1", "a": "b"})
@example('":"aaaaa', {"x": "aaaaa"})
@example("[[[[[[[[", [[[[[[[[[]]]]]]]]])
@example("00000000", "\x00" * 5)
@example("u00000000", "\x00\x00")
def test_a_document_stays_what_it_is(token: str, value: Any) -> None:
    """Valid JSON is valid JSON of the same shape afterwards, and only strings that have the token differ."""
    for ensure_ascii in (True, False):
        body = json.dumps(value, ensure_ascii=ensure_ascii).encode()
        redacted = json.loads(redact_document(body, token))
        for old, new in zip(_strings(value), _strings(redacted), strict=True):
            assert token.lower() not in new.lower()
            assert old == new or token[:16].lower() in unquote(old).lower()


@settings(deadline=None)
@given(tokens, st.binary() | st.text().map(str.encode))
def test_any_bytes_at_all_can_be_redacted(token: str, body: bytes) -> None:
    """What is no JSON raises nothing, and where there is nothing to cut the very object comes back."""
    assert redact_document(body, token) is body or token[:1].lower().encode() in body.lower() or b"%" in body


@pytest.mark.parametrize(
    ("body", "redacted"),
    [
        (f"<h1>bad {TOKEN}!</h1>", "<h1>bad [token]!</h1>"),
        (f'{{"title": "{TOKEN[:24]}... is refused"}}', '{"title": "[token] is refused"}'),
        (f'{{"title": "{TOKEN[:24]}"}}', '{"title": "[token]"}'),
        (f'{{"title": "\\"{TOKEN}\\", or \\\\{TOKEN}\\\\"}}', '{"title": "\\"[token]\\", or \\\\[token]\\\\"}'),
        (f'{{"a": "x{TOKEN}y{TOKEN}"}}', '{"a": "x[token]y[token]"}'),
        (f'{{"a": "{quote(TOKEN, safe="")}"}}', '{"a": "[token]"}'),
        (f'{{"a": "{TOKEN[:15]}"}}', f'{{"a": "{TOKEN[:15]}"}}'),
        (f'{{"a": "{TOKEN}', '{"a": "[token]'),
    ],
)
def test_what_an_echo_looks_like_afterwards(body: str, redacted: str) -> None:
    """Also in pages that are no JSON, and where the server has shortened it."""
    assert redact_document(body.encode(), TOKEN).decode() == redacted


@pytest.mark.parametrize("token", ['quo"te"token', 'back\\slash"', 'a","detail":"b'])
def test_a_token_that_breaks_the_document_is_cut_out_as_it_stands(token: str) -> None:
    """A server that does not escape what it echoes puts pieces of it between other quotation marks."""
    body = f'{{"title": "bad token {token.upper()}", "status": "401"}}'.encode()
    assert json.loads(redact_document(body, token)) == {"title": "bad token [token]", "status": "401"}
    broken = f'{{"title": "bad token {token}'.encode()
    assert redact_document(broken, token) == b'{"title": "bad token [token]'


def test_words_are_not_mangled() -> None:
    """What only begins or ends as the token does is another word."""
    body = b'{"title": "The Astra Control token is not authorised", "detail": "eyJhbGci is no token"}'
    assert redact_document(body, TOKEN) is body
    assert redact_text("eyJhbGci is no token", TOKEN) == "eyJhbGci is no token"


def _html_numbers(text: str) -> str:
    return "".join(f"&#{ord(char)};" if number % 2 else f"&#x{ord(char):02X};" for number, char in enumerate(text))


@settings(deadline=None)
@given(
    tokens,
    st.sampled_from(["{}", "got {} here", "'{}'", 'b"{}"', "({})."]),
    st.lists(
        st.sampled_from([str, str.upper, repr, json.dumps, quote, html.escape, _html_numbers]), min_size=1, max_size=2
    ),
)
def test_a_text_has_no_token(token: str, frame: str, spell: list[Callable[[str], str]]) -> None:
    """Plainly, in capitals, and as Python, JSON, HTML and URLs quote it; JSON within JSON as well."""
    assume("\\" not in token)
    assume(len(spell) == 1 or spell[0] in {str, str.upper} or spell == [json.dumps, json.dumps])
    # What looks like a code in the token itself may be undone together with the codes around it.
    assume(not re.search(r"%[2-7]|&[#a-zA-Z]", token))
    echo = token
    for each in spell:
        echo = each(echo)
    text = redact_text(frame.replace("{}", echo), token)
    assert "[token]" in text
    assert token.lower() not in text.lower()
    assert token[1:].lower() not in html.unescape(unquote(text)).lower()


@settings(deadline=None)
@given(tokens, st.text(max_size=60))
def test_a_text_without_a_token_is_the_very_text(token: str, text: str) -> None:
    """Whatever it is."""
    assume(token[:4].lower() not in text.lower())
    assume(token.replace("\\", "")[:4].lower() not in html.unescape(unquote(text.replace("\\", ""))).lower())
    assert redact_text(text, token) == text
    assert redact_text("The Astra Control token is 42% &c.", "x" * 16) == "The Astra Control token is 42% &c."


def test_a_connection_redacts_its_own_token() -> None:
    """Documents and messages."""
    connection = Connection(BaseURL.parse("https://a.netapp.io"), TOKEN)
    assert connection.redact(f'"{TOKEN}"'.encode()) == b'"[token]"'
    assert connection.redact_text(f"got {TOKEN.upper()}!") == "got [token]!"


@pytest.mark.parametrize(
    ("body", "token"),
    [
        (b'"' * 2**20, TOKEN),
        (b"\\" * 2**20, TOKEN),
        (b"%65" * (2**20 // 3), TOKEN),
        (b"\\u0065" * (2**20 // 6), TOKEN),
        (f'"{TOKEN}",'.encode() * 30_000, TOKEN),
        (b'"aaaaaaaa",' * 90_000, "a" * 8),
        (b"a" * 2**20, "a" * 65_536),
        (b"a" * 2**20, "a" * 15 + "b"),
        (b"\\u0061" * (2**20 // 6), "a" * 15 + "b"),
        (b'""""""""' * 2**17, '""""""""'),
        (b"[0,0,0,0" * 2**17, '[0,0,0,0"'),
        (b"x" * 2**20, TOKEN * 2000),
        (b"&#97;" * (2**20 // 5), "a" * 15 + "b"),
        (b"\\" * 4000 + b"a" * 2**20, "\\" * 15 + "b"),
        (b"a" * 2**20 + b"%61" * 4000, "a" * 15 + "b"),
    ],
)
def test_a_hostile_document_costs_linear_time(body: bytes, token: str) -> None:
    """A mebibyte of what looks like the beginning of a token, or of an escape: any quadratic step would take hours."""
    assert len(redact_document(body, token)) <= len(body)
    assert len(redact_text(body.decode(), token)) <= len(body)
