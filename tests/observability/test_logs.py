"""The format of the log, and the limit of lines for one namespace."""

import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from astra_mirror.core.journal.line import Line
from astra_mirror.observability import logs
from astra_mirror.observability.hidden_values import HiddenValues


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, restored afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


def test_json(root: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    """A JSON line has an RFC 3339 time with a zone, and the namespace as a field."""
    logs.configure("info", "json", HiddenValues())
    before = datetime.now(UTC)
    root.info("something %s", "happened", extra={"namespaces": ["shop"]})
    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["message"], line["namespaces"]) == ("INFO", "something happened", ["shop"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    assert abs((datetime.fromisoformat(line["time"]) - before).total_seconds()) < 10


def test_lines_of_one_namespace(root: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    """A namespace has ten lines a minute, then one with the number left out; other lines are always written."""
    del root
    now = [0.0]
    limit = logs.configure("info", "text", HiddenValues(), lambda: now[0])
    logger = logging.getLogger("astra_mirror.engine.status_writer")
    for number in range(30):
        logger.warning("refused %d", number, extra={"namespaces": ["shop"]})
        logger.warning("other %d", number)
    written = capsys.readouterr().err
    assert written.count("refused") == 10
    assert written.count("other") == 30
    limit.flush()
    assert capsys.readouterr().err == ""
    now[0] = 60.0
    limit.flush()
    assert "20 lines about the namespace shop were left out" in capsys.readouterr().err


def test_lines_at_debug_are_not_limited(root: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever asks for them wants one for each request."""
    del root
    limit = logs.configure("debug", "text", HiddenValues(), lambda: 0.0)
    for number in range(30):
        logging.getLogger("astra_mirror.astra.client").debug("GET %d", number, extra={"namespaces": ["shop"]})
    limit.flush()
    assert capsys.readouterr().err.count("GET") == 30


def test_lines_about_several_namespaces_are_not_limited(
    root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """None of them alone has caused them."""
    del root
    logs.configure("info", "text", HiddenValues(), lambda: 0.0)
    for _ in range(30):
        logs.Log().write(Line("warning", "It fails", {"namespaces": ["shop", "pay"]}))
    assert capsys.readouterr().err.count("It fails") == 30


def test_a_line_of_state(root: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    """Its fields are those of the line of JSON."""
    del root
    logs.configure("info", "json", HiddenValues())
    logs.Log().write(Line("warning", "It fails: 100% of 3", {"reason": "Unauthorized", "refs": 3, "namespaces": ["a"]}))
    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["message"]) == ("WARNING", "It fails: 100% of 3")
    assert (line["reason"], line["refs"], line["namespaces"]) == ("Unauthorized", 3, ["a"])


@pytest.mark.parametrize(
    "name", ["kopf.activities.authentication", "kopf._cogs.clients.api", "kopf._core.reactor.running"]
)
def test_kopfs_chatter_is_at_debug(name: str, root: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    """Its activities and its attempts, also those that fail: the operator says itself what fails."""
    for level in ("info", "debug"):
        logs.configure(level, "text", HiddenValues())
        logging.getLogger(name).info("Activity has succeeded.")
        logging.getLogger(name).error("Request attempt #1 failed.")
        lines = capsys.readouterr().err.splitlines()
        assert [line.split()[2] for line in lines] == (["DEBUG", "DEBUG"] if level == "debug" else [])
    del root


def test_what_kopf_warns_of_is_seen(root: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    """What it says of a defect in the handling of an object is no chatter; what else it says at info is."""
    del root
    logs.configure("info", "text", HiddenValues())
    logging.getLogger("kopf.objects").info("Handler succeeded.")
    logging.getLogger("kopf.objects").error("Handler failed.")
    logging.getLogger("kopfig").info("Another package.")
    written = capsys.readouterr().err
    assert [text for text in ("succeeded", "failed", "Another") if text in written] == ["failed", "Another"]
