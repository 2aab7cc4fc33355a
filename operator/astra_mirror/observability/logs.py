"""Logging to standard error, as text for people or as JSON for log collectors.

A record about the objects of one namespace names it (`extra={"namespace": ...}`), and each namespace has a limit of
lines a minute.
"""

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, Literal

from pythonjsonlogger.json import JsonFormatter

from astra_mirror.core.loglines import LogLines
from astra_mirror.observability.hidden_values import HiddenValues

_FIELDS: Final = "{asctime}{levelname}{name}{message}"
_RENAMED: Final = {"asctime": "time", "levelname": "level", "name": "logger"}
_LINE_BEGINS: Final = "{asctime} {levelname:<7} {name}: "
_FLUSH_SECONDS: Final = 10.0
SILENCED_KOPF_LOGGERS: Final = (
    "kopf._cogs.clients",
    "kopf._core.engines.activities",
    "kopf._core.reactor.observation",
    "kopf._core.reactor.orchestration",
    "kopf._core.reactor.running",
)
"""Kopf logs these failures with tracebacks; the probe and the watch log each of them in one line."""

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
        namespace = getattr(record, "namespace", None)
        if namespace is None:
            return True
        with self._guard:
            return self._lines.admit(namespace, self._clock())

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
    handler.addFilter(limit)
    handler.setFormatter(json_formatter(hidden) if log_format == "json" else _Text(hidden))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    root = logging.getLogger().level
    # These log a line for each request or object; the metrics and conditions show what matters.
    for name in ("kopf.activities", "kopf.objects"):
        logging.getLogger(name).setLevel(max(root, logging.WARNING))
    if root > logging.DEBUG:
        for name in SILENCED_KOPF_LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)
    return limit
