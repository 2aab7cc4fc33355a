"""What is hidden occurs in no line of the log, however it is encoded, and nothing else is changed."""

import base64
import json
import logging
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final
from urllib.parse import quote

import pytest

from astra_mirror.observability import logs
from astra_mirror.observability.hidden_values import HiddenValues
from astra_mirror.observability.unhandled import print_redacted

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


def test_values_are_renewed() -> None:
    """The previous ones stay hidden for a while, and their number is limited."""
    hidden = HiddenValues()
    tokens = [f"{number:04}-some-token-of-the-operator" for number in range(100)]
    for token in tokens:
        hidden.hide([token])
        hidden.hide([token])
    assert hidden.redact(" ".join(tokens[-2:])).count("token-of") == 0
    assert tokens[0] in hidden.redact(tokens[0])


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
