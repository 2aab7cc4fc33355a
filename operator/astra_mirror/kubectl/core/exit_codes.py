"""The exit codes, which scripts rely on."""

from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """What a command ends with."""

    OK = 0
    FAILED = 1
    TIMED_OUT = 2
    UNDECIDED = 3
    USAGE = 64
    INTERRUPTED = 130


_RANKS = (ExitCode.FAILED, ExitCode.UNDECIDED, ExitCode.TIMED_OUT)
"""Which code outranks which, where several objects end differently."""


def highest(codes: Iterable[ExitCode]) -> ExitCode:
    """The code of a command whose objects have ended with these; OK for none."""
    found = set(codes)
    return next((each for each in _RANKS if each in found), ExitCode.OK)
