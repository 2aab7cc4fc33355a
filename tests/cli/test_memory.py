"""Memory that a few large answers have needed is given back."""

import subprocess
import sys
from typing import Final

_PROGRAM: Final = """
import sys
from pathlib import Path
from astra_mirror import cli

MIB = 1024 * 1024
if sys.argv[1] == "returned":
    cli.return_large_blocks()

def in_use():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4 // 1024

def windows():
    # What is kept of each answer lies between the windows of it and of the next one.
    kept = []
    for _ in range(64):
        kept.append((b"x" * MIB, b"x" * 60_000))
    return kept

before = in_use()
windows()
held = windows()
small = [each for _, each in held]
del held
print(in_use() - before)
"""


def _kept(how: str) -> int:
    """MiB that a process has more after two rounds of 64 MiB than before."""
    command = [sys.executable, "-c", _PROGRAM, how]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_large_answers_leave_no_memory_behind() -> None:
    """The C library would keep most of it, because something small lies above."""
    assert _kept("kept") > 32
    assert _kept("returned") < 8
