"""What is hidden occurs in no line of the log, however it is encoded, and nothing else is changed."""

import base64
import html
import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final
from urllib.parse import quote

import pytest

from astra_mirror.observability import logs
from astra_mirror.observability.hidden_values import HiddenValues
from astra_mirror.observability.unhandled import print_redacted
from astra_mirror.support.text import CUT, cut

_TOKEN: Final = "eyJhbGciOiJSUzI1NiIs.token-of-the+operator/="
_PASSWORD: Final = 'pässword "with" a \\ and words'
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


@pytest.fixture
def hidden() -> Iterator[HiddenValues]:
    """The registry; the root logger is restored afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {each: each.level for each in map(logging.getLogger, ("kopf.activities", "kopf.objects"))}
    levels |= {each: each.level for each in map(logging.getLogger, logs.SILENCED_KOPF_LOGGERS)}
    yield HiddenValues()
    root.handlers[:] = handlers
    root.setLevel(level)
    for logger, own in levels.items():
        logger.setLevel(own)


def _remains(value: str) -> list[str]:
    """Parts of a value that must not be seen."""
    return [value[4:12], value[-9:-1]]


@pytest.mark.parametrize("encode", _ENCODINGS.values(), ids=_ENCODINGS)
@pytest.mark.parametrize("value", [_TOKEN, _PASSWORD], ids=["token", "password"])
def test_an_encoded_value(value: str, encode: Callable[[str], str]) -> None:
    """As a server or a library writes it."""
    hidden = HiddenValues()
    hidden.hide([value])
    text = hidden.redact(f"refused: {encode(value)}, trying again")
    assert [each for each in _remains(value) if each in text] == []
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
    "value", [_TOKEN, _PASSWORD, "p<ss>word12&\"'x", "pa\u00ff\u00fe??>>~~ \u00ff\u00fe", "kubernetes"]
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
    hidden.hide([_TOKEN])
    wrapped = base64.encodebytes(b"S" * 60 + f"{_TOKEN},{_TOKEN}".encode()).decode()
    begins = "U1NT" * 20
    text = hidden.redact(f"Traceback\n\n  a\n{wrapped}\n  b\n\n{wrapped}c\\nd\n")
    pattern = (
        rf"Traceback\n\n  a\n{begins[:76]}\n{begins[76:]}\[hidden\]..?\[hidden\]\n*  b\n\n{begins[:76]}\n{begins[76:]}"
    )
    assert re.fullmatch(pattern + r"\[hidden\]..?\[hidden\]\nc\\nd\n", text)


def test_base64_that_was_cut() -> None:
    """As much of it as there is."""
    hidden = HiddenValues()
    hidden.hide([_TOKEN])
    encoded = base64.b64encode(_TOKEN.encode()).decode()
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
    hidden.hide(["Tr0ub4dor&3x", _TOKEN])
    assert hidden.redact(text) == text


def test_a_value_that_was_cut() -> None:
    """A message has a greatest length."""
    hidden = HiddenValues()
    hidden.hide([_TOKEN])
    assert _TOKEN[:10] not in hidden.redact(f"refused: {_TOKEN[:-6]}")


def test_what_is_not_hidden_stays() -> None:
    """A short value, which is part of other words, and every text while there is nothing to hide."""
    hidden = HiddenValues()
    text = "the lease of the pod"
    assert hidden.redact(text) is text
    hidden.hide(["", "the", "lease"])
    assert hidden.redact(text) is text
    hidden.hide([_TOKEN])
    assert hidden.redact(text) == text


@pytest.mark.parametrize("limit", range(26, 60))
@pytest.mark.parametrize("value", ["Tr0ub4dor&3x", _PASSWORD, "kubernetes", _TOKEN])
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


_LINE: Final = (
    "The Lease astra-mirror-system/astra-mirror cannot be had: https://kubernetes.default:443/apis/kubernetes failed, "
    'File "/usr/lib/astra_mirror/cluster/lease.py", kubernetes-sigs, my_kubernetes, kubernetess'
)


@pytest.mark.parametrize("value", ["kubernetes", "astra-mirror", "astra_mirror"])
def test_a_password_that_is_a_word(value: str) -> None:
    """It is removed where it stands alone, as in an echo, and not where it is part of a name."""
    hidden = HiddenValues()
    hidden.hide([value])
    assert hidden.redact(_LINE.replace("kubernetes.default:443/", "k/")) == _LINE.replace(
        "kubernetes.default:443/", "k/"
    )
    assert hidden.redact("https://kubernetes.default.svc/") == "https://kubernetes.default.svc/"
    for echo in (
        f"refused: {value}",
        f"me:{value}@proxy",
        f'{{"password": "{value}"}}',
        f"password={value}&x",
        repr(f"refused\n{value}\n"),
        f"%3a{value}%40",
        f"\\x22{value}\\x22",
        f"\\u003c{value}\\u003e",
        f"The password is {value.upper()}.",
        base64.b64encode(value.encode()).decode(),
    ):
        redacted = hidden.redact(echo)
        assert "[hidden]" in redacted
        assert value not in redacted.lower()


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_the_beginning_of_a_line_stays(
    log_format: str, hidden: HiddenValues, capsys: pytest.CaptureFixture[str]
) -> None:
    """A password may be part of the logger's name, or of a level."""
    hidden.hide(["WARNING", "WARNING ", "cluster.lease", "WARNING astra: cluster.lease: "])
    logs.configure("info", "json" if log_format == "json" else "text", hidden)
    logging.getLogger("cluster.lease").warning("refused: cluster.lease")
    written = capsys.readouterr().err
    assert "WARNING" in written
    assert written.count("cluster.lease") == 1
    assert "refused: [hidden]" in written


class _EchoError(Exception):
    """As aiohttp's: it has what a server has sent."""


def _fail() -> None:
    raise _EchoError(_TOKEN)


def _log_all() -> None:
    logger = logging.getLogger("test")
    logger.warning("message %s", _TOKEN)
    logger.warning("field", extra={"namespace": _TOKEN, "reasons": [{"a": _TOKEN}], "error": _EchoError(_TOKEN)})
    try:
        _fail()
    except _EchoError as error:
        logger.exception("traceback")
        outer = ExceptionGroup(_TOKEN, [error])
    logger.error("group", exc_info=outer)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_every_part_of_a_line(log_format: str, hidden: HiddenValues, capsys: pytest.CaptureFixture[str]) -> None:
    """Messages, tracebacks and fields; a JSON line stays one."""
    logs.configure("debug", "json" if log_format == "json" else "text", hidden)
    _log_all()
    assert _TOKEN in capsys.readouterr().err
    hidden.hide([_TOKEN])
    _log_all()
    written = capsys.readouterr().err
    assert [each for each in _remains(_TOKEN) if each in written] == []
    assert "_EchoError" in written
    if log_format == "json":
        lines = [json.loads(line) for line in written.splitlines()]
        assert [each["message"].split()[0] for each in lines] == ["message", "field", "traceback", "group"]


def test_a_password_with_a_quotation_mark_leaves_json_valid(
    hidden: HiddenValues, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is removed from the fields, and not from the line."""
    password = '", "level": "'
    hidden.hide([password, "namespace"])
    logs.configure("info", "json", hidden)
    logging.getLogger("test").warning("refused: %s", password, extra={"namespace": "shop"})
    line = json.loads(capsys.readouterr().err)
    assert password not in line["message"]
    assert (line["level"], line["namespace"]) == ("WARNING", "shop")


def test_an_exception_that_ends_the_process(hidden: HiddenValues, capsys: pytest.CaptureFixture[str]) -> None:
    """It is printed like any other, without the values; base64 is hidden where it is registered."""
    sent = base64.b64encode(b"me:some-password").decode()
    hidden.hide([_TOKEN, sent])
    try:
        try:
            _fail()
        except _EchoError as error:
            raise ValueError(sent) from error
    except ValueError:
        print_redacted(hidden, *sys.exc_info())
    written = capsys.readouterr().err
    assert written.startswith("Traceback (most recent call last):\n")
    assert "_EchoError" in written
    assert "ValueError" in written
    assert [each for each in (*_remains(_TOKEN), sent) if each in written] == []
