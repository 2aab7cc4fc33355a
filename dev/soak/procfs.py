"""What /proc says of a process."""

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Use:
    """What a process holds: memory in MiB, sockets, threads, and asyncio's tasks and TLS contexts where that is known.

    `peak` is the most memory that it ever held.
    """

    at: float
    memory: float
    sockets: int
    threads: int
    tasks: dict[str, int] | None = None
    peak: float = 0.0


def use(pid: int) -> Use | None:
    """What it holds now, but for its tasks; None when it has ended."""
    folder = Path(f"/proc/{pid}")
    try:
        status = (folder / "status").read_text()
        links = [str(each.readlink()) for each in (folder / "fd").iterdir()]
    except OSError:
        return None
    memory = re.search(r"VmRSS:\s+(\d+) kB", status)
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    threads = re.search(r"Threads:\s+(\d+)", status)
    if memory is None or peak is None or threads is None:
        return None
    sockets = sum(each.startswith("socket:") for each in links)
    return Use(time.time(), int(memory[1]) / 1024, sockets, int(threads[1]), peak=int(peak[1]) / 1024)


def processor_seconds(pid: int) -> float:
    """For how long all its threads together have had a processor; 0 when it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    # In user mode and in the kernel's; see proc(5), whose numbers begin with two that come before the last ")".
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
