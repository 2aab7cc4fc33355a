"""What is printed: results to standard output, everything else to standard error, nothing that a terminal would obey.

A state, a message or an Event may have been written by anybody, and a terminal interprets control characters.
"""

import sys
from typing import TextIO

from astra_mirror.support.text import printable

PROGRAM = "kubectl-abr"


def prepare() -> None:
    """Make all that is printed printable, in any encoding, and each line appear at once."""
    for stream in (sys.stdout, sys.stderr):
        # Only a replacement, as a test may set it, lacks the method.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace", line_buffering=True)


def say(line: str, stream: TextIO | None = None) -> None:
    """Print one line of a result."""
    (stream or sys.stdout).write(f"{printable(line)}\n")


def warn(line: str) -> None:
    """Print one line that is no result."""
    say(f"{PROGRAM}: {line}", sys.stderr)


def write(text: str) -> None:
    """Print a document of several lines, which must be printable already."""
    sys.stdout.write(text)
