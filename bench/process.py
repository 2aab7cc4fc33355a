"""What is measured, as processes: the two operators, and what does without our code (bench.floor)."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import aiohttp

from bench.world import Remote
from dev.controlplane import ControlPlane

_ROOT: Final = Path(__file__).parents[1]
LOCKED: Final = _ROOT / "build" / "locked"
"""An environment with the locked dependencies alone, as in the image, and httpx, which the stock operator needs, and
which imports rich where that is installed."""
TICK: Final = 1 / os.sysconf("SC_CLK_TCK")
Name = Literal["mirror", "stock", "floor.watch", "floor.patches", "floor.polls"]


@dataclass(frozen=True)
class Usage:
    """What a process has used: CPU seconds, and its memory in MiB (VmRSS and VmHWM), now and at the most."""

    cpu: float
    memory: float
    peak: float


class Process:
    """One of them, running."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self._process = process
        self.log = log

    def usage(self) -> Usage:
        """What it has used so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        memory = {name: int(kib) / 1024 for name, kib in re.findall(r"^(\w+):\s+(\d+) kB$", status, re.MULTILINE)}
        return Usage((int(fields[11]) + int(fields[12])) * TICK, memory["VmRSS"], memory["VmHWM"])

    @property
    def is_starting(self) -> bool:
        """Whether it has not yet logged anything."""
        return self.log.stat().st_size == 0

    async def metrics(self) -> str:
        """Its /metrics; empty for a process that serves none."""
        return (await self._get("/metrics"))[1]

    async def is_ready(self) -> bool:
        """Whether its /readyz says so."""
        return (await self._get("/readyz"))[0] == 200

    async def _get(self, path: str) -> tuple[int, str]:
        found = re.search(r"Serving HTTP on ([\d.:]+)", self.log.read_text())
        if found is None:
            return 0, ""
        async with aiohttp.ClientSession() as session, session.get(f"http://{found[1]}{path}") as answer:
            return answer.status, await answer.text()


@contextmanager
def run(name: Name, control_plane: ControlPlane, remote: Remote, namespace: str, *options: str) -> Iterator[Process]:
    """One of them for one namespace.

    Raises:
        FileNotFoundError: there is no environment with the locked dependencies.
    """
    log = control_plane.folder / f"{name}-{namespace}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*_command(name, remote), f"--namespace={namespace}", *options],
            cwd=_ROOT,
            env=os.environ | {"KUBECONFIG": str(control_plane.kubeconfig)},
            stdout=out,
            stderr=out,
        )
        try:
            yield Process(process, log)
        finally:
            # The stock operator's finalizers would need it for the removal; nothing is removed, so it may just go.
            process.terminate() if name == "mirror" else process.kill()
            process.wait()


def _command(name: Name, remote: Remote) -> list[str]:
    programs = LOCKED / "bin"
    if name == "mirror":
        return [str(programs / "astra-mirror"), "run", "--http-address=127.0.0.1:0", f"--allowed-url={remote.url}"]
    if name == "stock":
        return [str(programs / "kopf"), "run", "--standalone", "bench/stock.py"]
    return [str(programs / "python"), "-m", f"bench.{name}"]
