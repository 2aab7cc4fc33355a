"""Logging to standard error, as text for people or as JSON for log collectors.

A record about one namespace names it (`extra={"namespaces": [...]}`), and each namespace has a limit of lines a minute;
what is at debug has none.
"""

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

from pythonjsonlogger.json import JsonFormatter

from astra_mirror.core.journal.line import Line
from astra_mirror.core.loglines import LogLines
from astra_mirror.observability.hidden_values import HiddenValues

_FIELDS: Final = "{asctime}{levelname}{name}{message}"
_RENAMED: Final = {"asctime": "time", "levelname": "level", "name": "logger"}
_LINE_BEGINS: Final = "{asctime} {levelname:<7} {name}: "
_FLUSH_SECONDS: Final = 10.0
_KOPF: Final = "kopf"
_CHATTER: Final = (
    "kopf.activities",
    "kopf._cogs.clients",
    "kopf._core.engines.activities",
    "kopf._core.reactor.observation",
    "kopf._core.reactor.orchestration",
    "kopf._core.reactor.running",
)
"""Kopf's own activities and attempts, whose failures it logs with tracebacks. The probe and the watch log each of these
failures in one line."""

_LEVELS: Final = {"info": logging.INFO, "warning": logging.WARNING}
_LINES: Final = logging.getLogger("astra_mirror")
logger = logging.getLogger(__name__)


class NamespaceLimit(logging.Filter):
    """Leaves out the lines of a namespace beyond its limit, and logs later how many were left out."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._lines = LogLines()
        # The threads that look up names and parse Secrets may log as well.
        self._guard = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write the record."""
        namespaces: Sequence[str] = getattr(record, "namespaces", ())
        if len(namespaces) != 1 or record.levelno <= logging.DEBUG:
            return True
        with self._guard:
            return self._lines.admit(namespaces[0], self._clock())

    def flush(self) -> None:
        """Log how many lines were left out, for each namespace that may have a line again."""
        with self._guard:
            left_out = self._lines.left_out(self._clock())
        for namespace, number in left_out.items():
            logger.warning("%d lines about the namespace %s were left out within a minute", number, namespace)

    async def run(self) -> None:
        """Call `flush` every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            self.flush()


class _KopfAtDebug(logging.Filter):
    """Puts what Kopf says of its own work at debug; its warnings about objects stay what they are.

    Args:
        is_shown: whether the log shows what is at debug.
    """

    def __init__(self, *, is_shown: bool) -> None:
        super().__init__(_KOPF)
        self._is_shown = is_shown

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write the record."""
        is_chatter = record.levelno < logging.WARNING or record.name.startswith(_CHATTER)
        if not super().filter(record) or not is_chatter:
            return True
        record.levelno, record.levelname = logging.DEBUG, logging.getLevelName(logging.DEBUG)
        return self._is_shown


class _Text(logging.Formatter):
    def __init__(self, hidden: HiddenValues) -> None:
        super().__init__(f"{_LINE_BEGINS}{{message}}", style="{")
        self._hidden = hidden

    def format(self, record: logging.LogRecord) -> str:
        """The line, and the traceback if there is one, both redacted; a password may be part of the logger's name."""
        line = super().format(record)
        begins = _LINE_BEGINS.format(**vars(record))
        return begins + self._hidden.redact(line.removeprefix(begins))


class _RFC3339(JsonFormatter):
    def __init__(self, hidden: HiddenValues) -> None:
        super().__init__(_FIELDS, style="{", rename_fields=_RENAMED)
        self._hidden = hidden

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """The fields, redacted before they become JSON, so that the line stays valid; not the renamed ones."""
        return {name: value if name in _RENAMED.values() else self._redacted(value) for name, value in log_data.items()}

    def _redacted(self, value: object) -> object:
        match value:
            case dict():
                return {name: self._redacted(each) for name, each in value.items()}
            case list() | tuple():
                return [self._redacted(each) for each in value]
            case None | bool() | int() | float():
                return value
            case _:
                return self._hidden.redact(str(value))

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - logging's name
        """The record's time in UTC, to the millisecond."""
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Log:
    """The log, for lines that are made elsewhere."""

    def write(self, line: Line) -> None:
        """Write a line; its fields are those of a line of JSON."""
        _LINES.log(_LEVELS[line.level], "%s", line.text, extra=dict(line.fields))


def json_formatter(hidden: HiddenValues) -> logging.Formatter:
    """Makes a line of JSON of a record, without the `hidden` values."""
    return _RFC3339(hidden)


def configure(
    level: str,
    log_format: Literal["text", "json"],
    hidden: HiddenValues,
    clock: Callable[[], float] = time.monotonic,
) -> NamespaceLimit:
    """Log all records of `level` and above to standard error in that format; return the filter of namespaces.

    The `hidden` values are left out of messages, tracebacks and fields.
    """
    handler, limit = logging.StreamHandler(sys.stderr), NamespaceLimit(clock)
    handler.addFilter(_KopfAtDebug(is_shown=level == "debug"))
    handler.addFilter(limit)
    handler.setFormatter(json_formatter(hidden) if log_format == "json" else _Text(hidden))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    return limit
