"""Logging to standard error, as text for people or as JSON for collectors."""

import logging
import sys
from typing import Literal

from pythonjsonlogger.json import JsonFormatter

_FIELDS = "{asctime}{levelname}{name}{message}"


def configure(level: str, log_format: Literal["text", "json"]) -> None:
    """Send every logger's records of `level` and above to standard error, in that format."""
    handler = logging.StreamHandler(sys.stderr)
    if log_format == "json":
        handler.setFormatter(
            JsonFormatter(_FIELDS, style="{", rename_fields={"asctime": "time", "levelname": "level", "name": "logger"})
        )
    else:
        handler.setFormatter(logging.Formatter("{asctime} {levelname:<7} {name}: {message}", style="{"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # One line for each request and object; what matters of them is in the metrics and conditions.
    for name in ("httpx", "kopf.objects"):
        logging.getLogger(name).setLevel(max(logging.getLogger().level, logging.WARNING))
