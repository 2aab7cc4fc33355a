"""No line of the log shows the operator's credentials, whatever part of it they are in; the rest stays as it was."""

import base64
import json
import logging
import sys
from collections.abc import Iterator
from typing import Final

import pytest

from astra_mirror.observability import logs
from astra_mirror.observability.hidden_values import HiddenValues
from astra_mirror.observability.start_errors import ErrorReport
from tests.observability.credentials import TOKEN, remains


@pytest.fixture
def hidden() -> Iterator[HiddenValues]:
    """The registry; the root logger is restored afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield HiddenValues()
    root.handlers[:] = handlers
    root.setLevel(level)


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
    raise _EchoError(TOKEN)


def _log_all() -> None:
    logger = logging.getLogger("test")
    logger.warning("message %s", TOKEN)
    logger.warning("field", extra={"namespace": TOKEN, "reasons": [{"a": TOKEN}], "error": _EchoError(TOKEN)})
    try:
        _fail()
    except _EchoError as error:
        logger.exception("traceback")
        outer = ExceptionGroup(TOKEN, [error])
    logger.error("group", exc_info=outer)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_every_part_of_a_line(log_format: str, hidden: HiddenValues, capsys: pytest.CaptureFixture[str]) -> None:
    """Messages, tracebacks and fields; a JSON line stays one."""
    logs.configure("debug", "json" if log_format == "json" else "text", hidden)
    _log_all()
    assert TOKEN in capsys.readouterr().err
    hidden.hide([TOKEN])
    _log_all()
    written = capsys.readouterr().err
    assert [each for each in remains(TOKEN) if each in written] == []
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
    logging.getLogger("test").warning("refused: %s", password, extra={"namespaces": ["shop"]})
    line = json.loads(capsys.readouterr().err)
    assert password not in line["message"]
    assert (line["level"], line["namespaces"]) == ("WARNING", ["shop"])


@pytest.mark.parametrize("is_json", [False, True])
def test_an_exception_that_ends_the_process(
    is_json: bool, hidden: HiddenValues, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is printed like any other, without the values; base64 is hidden where it is registered."""
    sent = base64.b64encode(b"me:some-password").decode()
    hidden.hide([TOKEN, sent])
    try:
        try:
            _fail()
        except _EchoError as error:
            raise ValueError(sent) from error
    except ValueError:
        ErrorReport(is_json=is_json, hidden=hidden).crash(*sys.exc_info())
    written = capsys.readouterr().err
    assert written.startswith("Traceback (most recent call last):\n") != is_json
    assert "_EchoError" in written
    assert "ValueError" in written
    assert [each for each in (*remains(TOKEN), sent) if each in written] == []
