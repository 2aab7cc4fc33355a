"""Errors that end the process where the log does not report them, in the log's format: collectors read them as well."""

import logging
import sys
import traceback
from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import TracebackType
from typing import Final

from astra_mirror.observability.hidden_values import HiddenValues
from astra_mirror.observability.logs import json_formatter

_PROGRAM: Final = "astra-mirror"
_OPTION: Final = "--log-format"
_VARIABLE: Final = "ASTRA_MIRROR_LOG_FORMAT"


class ErrorReport:
    """Writes errors to standard error.

    Args:
        is_json: whether each error is a line of JSON.
        hidden: what is left out.
    """

    def __init__(self, *, is_json: bool, hidden: HiddenValues) -> None:
        self._hidden = hidden
        self._formatter = json_formatter(hidden) if is_json else None

    def error(self, message: str) -> None:
        """Write a message."""
        if self._formatter is None:
            sys.stderr.write(f"{_PROGRAM}: {self._hidden.redact(message)}\n")
        else:
            self._write(self._formatter, logging.ERROR, message)

    def crash(self, kind: type[BaseException], error: BaseException, frames: TracebackType | None) -> None:
        """Write what the interpreter would write of an exception that ends the process; a hook for `sys`."""
        if self._formatter is None:
            sys.stderr.write(self._hidden.redact("".join(traceback.format_exception(kind, error, frames))))
        else:
            self._write(self._formatter, logging.CRITICAL, f"{kind.__name__}: {error}", (kind, error, frames))

    def _write(
        self,
        formatter: logging.Formatter,
        level: int,
        message: str,
        exc_info: tuple[type[BaseException], BaseException, TracebackType | None] | None = None,
    ) -> None:
        record = logging.LogRecord("astra_mirror", level, "", 0, message, None, exc_info)
        sys.stderr.write(f"{formatter.format(record)}\n")


def wants_json(typed: str | None, environment: Mapping[str, str]) -> bool:
    """Whether the log is to be JSON, which may have to be told before it is known whether all options are valid.

    Args:
        typed: the value of the option; None where it was not given.
        environment: the environment variables, their names in capitals.
    """
    return (typed or environment.get(_VARIABLE, "")).lower() == "json"


def typed_format(arguments: Sequence[str]) -> str | None:
    """The format that is typed on a command line with an error."""
    typed = [value for name, value in pairwise(arguments) if name == _OPTION]
    typed += [each.partition("=")[2] for each in arguments if each.startswith(f"{_OPTION}=")]
    return typed[-1] if typed else None
