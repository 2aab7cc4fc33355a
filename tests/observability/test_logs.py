"""The format of the log, and the limit of lines for one namespace."""

import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

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
    for name in ("kopf.activities", "kopf.objects", *logs.SILENCED_KOPF_LOGGERS):
        logging.getLogger(name).setLevel(logging.NOTSET)


def test_json(root: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    """A JSON line has an RFC 3339 time with a zone, and the namespace as a field."""
    logs.configure("info", "json", HiddenValues())
    before = datetime.now(UTC)
    root.info("something %s", "happened", extra={"namespace": "shop"})
    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["message"], line["namespace"]) == ("INFO", "something happened", "shop")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    assert abs((datetime.fromisoformat(line["time"]) - before).total_seconds()) < 10


def test_lines_of_one_namespace(root: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    """A namespace has ten lines a minute, then one with the number left out; other lines are always written."""
    del root
    now = [0.0]
    limit = logs.configure("info", "text", HiddenValues(), lambda: now[0])
    logger = logging.getLogger("astra_mirror.engine.status_writer")
    for number in range(30):
        logger.warning("refused %d", number, extra={"namespace": "shop"})
        logger.warning("other %d", number)
    written = capsys.readouterr().err
    assert written.count("refused") == 10
    assert written.count("other") == 30
    limit.flush()
    assert capsys.readouterr().err == ""
    now[0] = 60.0
    limit.flush()
    assert "20 lines about the namespace shop were left out" in capsys.readouterr().err
