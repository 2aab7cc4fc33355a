"""What is hidden occurs in no line of the log, however it is encoded, and nothing else is changed."""

import base64
import html
import json
import re
from collections.abc import Callable
from functools import partial
from typing import Final
from urllib.parse import quote

import pytest

from astra_mirror.observability.hidden_values import HiddenValues
from astra_mirror.support.text import CUT, cut
from tests.observability.credentials import PASSWORD, TOKEN, remains

_ENCODINGS: Final[dict[str, Callable[[str], str]]] = {
    "plain": str,
    "JSON": json.dumps,
    "JSON in JSON": lambda value: json.dumps(json.dumps(value)),
    "URL": partial(quote, safe=""),
    "a path": quote,
    "repr": repr,
    "bytes": lambda value: repr(value.encode()),
    "a URL in lower case": lambda value: re.sub("%..", lambda code: code[0].lower(), quote(value, safe="")),
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
}


@pytest.mark.parametrize("encode", _ENCODINGS.values(), ids=_ENCODINGS)
@pytest.mark.parametrize("value", [TOKEN, PASSWORD], ids=["token", "password"])
def test_an_encoded_value(value: str, encode: Callable[[str], str]) -> None:
    """As a server or a library writes it."""
    hidden = HiddenValues()
    hidden.hide([value])
    text = hidden.redact(f"refused: {encode(value)}, trying again")
    assert [each for each in remains(value) if each in text] == []
    assert text.startswith("refused: ")
    assert text.endswith(", trying again")


def _base64_after(before: int, *, in_lines: bool = False) -> Callable[[str], str]:
    encode = base64.encodebytes if in_lines else base64.b64encode
    return lambda value: encode(b"S" * before + value.encode()).decode()


_NOT_DECODED: Final[dict[str, Callable[[str], str]]] = {
    "HTML": html.escape,
    "HTML of a text": partial(html.escape, quote=False),
    "HTML of Go": lambda value: html.escape(value).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"),
    "JSON of Go": lambda value: re.sub(
        "[&<>]", lambda char: f"\\u{ord(char[0]):04x}", json.dumps(value, ensure_ascii=False)[1:-1]
    ),
    "a URL in a URL": lambda value: quote(quote(value, safe=""), safe=""),
    "a path in a URL": lambda value: quote(quote(value), safe=""),
    "base64 without padding": lambda value: base64.b64encode(value.encode()).decode().rstrip("="),
    "base64 for URLs": lambda value: base64.urlsafe_b64encode(value.encode()).decode(),
    "base64 after a byte": _base64_after(1),
    "base64 after two bytes": _base64_after(2),
    "base64 in lines": _base64_after(0, in_lines=True),
    "base64 that begins in the middle of a line": _base64_after(45, in_lines=True),
    "base64 that begins at the end of a line": _base64_after(50, in_lines=True),
    "base64 in escaped lines": lambda value: repr(_base64_after(50, in_lines=True)(value)),
}


@pytest.mark.parametrize("encode", _NOT_DECODED.values(), ids=_NOT_DECODED)
@pytest.mark.parametrize(
    "value", [TOKEN, PASSWORD, "p<ss>word12&\"'x", "pa\u00ff\u00fe??>>~~ \u00ff\u00fe", "kubernetes"]
)
def test_an_encoding_after_many_escapes(value: str, encode: Callable[[str], str]) -> None:
    """Only so many escapes of a text are decoded, and base64 is not."""
    hidden = HiddenValues()
    hidden.hide([value])
    text = hidden.redact(f"{'&nbsp;%20' * 70}refused: {encode(value)}, trying again")
    secret = encode(value).replace("\n", "").replace("\\n", "").lstrip("'").lstrip("U1NT")[3:-3]
    assert [secret[at : at + 6] for at in range(len(secret) - 5) if secret[at : at + 6] in text] == []
    assert text.endswith(", trying again")


def test_the_lines_around_base64_stay() -> None:
    """Only the line breaks within it are removed with it."""
    hidden = HiddenValues()
    hidden.hide([TOKEN])
    wrapped = base64.encodebytes(b"S" * 60 + f"{TOKEN},{TOKEN}".encode()).decode()
    begins = "U1NT" * 20
    text = hidden.redact(f"Traceback\n\n  a\n{wrapped}\n  b\n\n{wrapped}c\\nd\n")
    pattern = (
        rf"Traceback\n\n  a\n{begins[:76]}\n{begins[76:]}\[hidden\]..?\[hidden\]\n*  b\n\n{begins[:76]}\n{begins[76:]}"
    )
    assert re.fullmatch(pattern + r"\[hidden\]..?\[hidden\]\nc\\nd\n", text)


def test_base64_that_was_cut() -> None:
    """As much of it as there is."""
    hidden = HiddenValues()
    hidden.hide([TOKEN])
    encoded = base64.b64encode(TOKEN.encode()).decode()
    for length in range(16, len(encoded)):
        assert hidden.redact(f"refused: {encoded[:length]} again") == "refused: [hidden] again"


_CASES: Final[dict[str, Callable[[str], str]]] = {
    "plain": str,
    "lower case": str.lower,
    "upper case": str.upper,
    "HTML": html.escape,
    "a URL": quote,
    "base64": _base64_after(0),
    "base64 after a byte": lambda value: _base64_after(1)(value)[2:],
    "base64 after two bytes": lambda value: _base64_after(2)(value)[3:],
}


@pytest.mark.parametrize("mark", [CUT, "...", "...'", "\u2026", "\\u2026", "... (100 more)"])
@pytest.mark.parametrize("encode", _CASES.values(), ids=_CASES)
@pytest.mark.parametrize("value", ['p<ss>word12&"x', "Tr0ub4dor&3x", "p\u00e4ssword-&-w\u00f6rt"])
def test_the_beginning_of_an_encoded_value(value: str, encode: Callable[[str], str], mark: str) -> None:
    """In any case, whoever has cut the text."""
    hidden = HiddenValues()
    hidden.hide([value, "another-value"])
    encoded = encode(value)
    for length in range(8, len(encoded)):
        text = hidden.redact(f"refused: \u0130 {encoded[:length]}{mark}")
        assert encoded[3:8] not in text
        assert text.startswith("refused: \u0130 ")
        assert text.endswith(mark)


@pytest.mark.parametrize(
    "text",
    ["waiting...", "a, b, ...", "... and 3 more", "\n  File ...\n", "Tr0\u2026", "Tr0ub4 \u2026", "\u2026", "a\nb\\nc"],
)
def test_other_marks_and_lines_stay(text: str) -> None:
    """What is no beginning of a value, and the lines of a text without base64."""
    hidden = HiddenValues()
    hidden.hide(["Tr0ub4dor&3x", TOKEN])
    assert hidden.redact(text) == text


def test_a_value_that_was_cut() -> None:
    """A message has a greatest length."""
    hidden = HiddenValues()
    hidden.hide([TOKEN])
    assert TOKEN[:10] not in hidden.redact(f"refused: {TOKEN[:-6]}")


def test_what_is_not_hidden_stays() -> None:
    """A short value, which is part of other words, and every text while there is nothing to hide."""
    hidden = HiddenValues()
    text = "the lease of the pod"
    assert hidden.redact(text) is text
    hidden.hide(["", "the", "lease"])
    assert hidden.redact(text) is text
    hidden.hide([TOKEN])
    assert hidden.redact(text) == text


@pytest.mark.parametrize("limit", range(26, 60))
@pytest.mark.parametrize("value", ["Tr0ub4dor&3x", PASSWORD, "kubernetes", TOKEN])
def test_a_value_in_a_text_that_was_cut(value: str, limit: int) -> None:
    """No beginning of it is left, wherever the limit is: a short one is not recognised without the mark."""
    hidden = HiddenValues()
    hidden.hide([value])
    for encode in _ENCODINGS.values():
        text = hidden.redact(f"a: {cut(f'refused: {encode(value)} and so on, ' + 'x' * 80, limit)}; b")
        assert value[:5] not in text
        assert text.startswith("a: refused: ")
        assert text.endswith(f"{CUT}; b")


def test_values_are_renewed() -> None:
    """The previous ones stay hidden for a while, and their number is limited."""
    hidden = HiddenValues()
    tokens = [f"{number:04}-some-token-of-the-operator" for number in range(100)]
    for token in tokens:
        hidden.hide([token])
        hidden.hide([token])
    assert hidden.redact(" ".join(tokens[-17:])).count("token-of") == 0
    assert tokens[0] in hidden.redact(tokens[0])


def test_values_in_use_are_never_forgotten() -> None:
    """However many there are, and however many others have been in use."""
    hidden = HiddenValues()
    lasting = [f"lasting-{number:02}-value" for number in range(30)]
    for number in range(100):
        hidden.hide([*lasting, f"{number:04}-some-token-of-the-operator"])
    assert hidden.redact(" ".join(lasting)).count("lasting") == 0
    hidden.hide([])
    assert hidden.redact(lasting[-1]) == "[hidden]"


@pytest.mark.parametrize("values", [["Winter2026", "Winter2026-rotated"], ["Winter2026-rotated", "Winter2026"]])
def test_a_value_that_begins_with_another(values: list[str]) -> None:
    """The longer one is removed first, so that nothing of it is left."""
    hidden = HiddenValues()
    hidden.hide(values)
    assert hidden.redact("for Winter2026-rotated, Winter2026.") == "for [hidden], [hidden]."


@pytest.mark.parametrize("value", ["abcd\ud800efgh", "\udcff" * 8, "\x00" * 9, "\u20ac" * 8, "]" * 20])
def test_any_text_can_be_hidden(value: str) -> None:
    """Also one that no encoding has, and one that is no ASCII."""
    hidden = HiddenValues()
    hidden.hide([value])
    assert hidden.redact(f"refused: {value}!") == "refused: [hidden]!"
