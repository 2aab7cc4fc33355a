"""Memory that large answers have needed is given back."""

import subprocess
import sys
from typing import Final

_PROGRAM: Final = """
import sys
from pathlib import Path
from astra_mirror import allocator

KIB = 1024
calls, size = sys.argv[1].split(","), int(sys.argv[2]) * KIB
if "large" in calls:
    allocator.return_large_blocks()

def in_use():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4 // 1024

def blocks():
    # What is kept of each answer lies between its own blocks and those of the next one.
    return [(b"x" * size, b"x" * 60_000) for _ in range(64 * KIB * KIB // size)]

before = in_use()
blocks()
held = blocks()
kept = [each for _, each in held[::8]]
del held
if "free" in calls:
    allocator.return_free_memory()
print(in_use() - before)
"""


def _kept(kib: int, *calls: str) -> int:
    """MiB that a process has more after two rounds of 64 MiB in blocks of so many KiB than before."""
    command = [sys.executable, "-c", _PROGRAM, ",".join(calls), str(kib)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_large_blocks_are_returned_as_they_are_freed() -> None:
    """The C library would keep most of them, because something small lies above."""
    assert _kept(1024) > 32
    assert _kept(1024, "large") < 10


def test_small_blocks_are_returned_when_it_is_time() -> None:
    """They come from the heap, whatever is said of large ones."""
    assert _kept(128, "large") > 32
    assert _kept(128, "large", "free") < 10
