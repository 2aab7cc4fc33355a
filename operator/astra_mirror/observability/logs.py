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
from typing import Final, Literal

from pythonjsonlogger.json import JsonFormatter

from astra_mirror.core.loglines import LogLines

_FIELDS: Final = "{asctime}{levelname}{name}{message}"
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


class _RFC3339(JsonFormatter):
    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - logging's name
        """The record's time in UTC, to the millisecond."""
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def configure(
    level: str, log_format: Literal["text", "json"], clock: Callable[[], float] = time.monotonic
) -> NamespaceLimit:
    """Log all records of `level` and above to standard error in that format; return the filter of namespaces."""
    handler, limit = logging.StreamHandler(sys.stderr), NamespaceLimit(clock)
    handler.addFilter(limit)
    if log_format == "json":
        handler.setFormatter(
            _RFC3339(_FIELDS, style="{", rename_fields={"asctime": "time", "levelname": "level", "name": "logger"})
        )
    else:
        handler.setFormatter(logging.Formatter("{asctime} {levelname:<7} {name}: {message}", style="{"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    root = logging.getLogger().level
    # These log a line for each request or object; the metrics and conditions show what matters.
    for name in ("httpx", "kopf.activities", "kopf.objects"):
        logging.getLogger(name).setLevel(max(root, logging.WARNING))
    if root > logging.DEBUG:
        for name in SILENCED_KOPF_LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)
    return limit
