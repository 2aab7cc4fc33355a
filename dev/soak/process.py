"""An operator as a process, which does not outlive this one."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

from dev.soak import procfs
from dev.soak.procfs import Use
from dev.soak.topology import OPTIONS

_ROOT: Final = Path(__file__).parents[2]
_GUARD: Final = _ROOT / "dev" / "controlplane" / "guard.py"
"""Run as a file: its package loads what a control plane alone needs."""
_START_SECONDS: Final = 60.0
_END_SECONDS: Final = 30.0
"""A pod is killed when it has not ended so long after SIGTERM."""
_LOOK_SECONDS: Final = 0.05
_TAIL: Final = 600
_GIVEN_UP: Final = re.compile(
    r"^astra-mirror: (the API server refuses|the credentials may not|the cluster does not know)", re.MULTILINE
)
_THAW_SECONDS: Final = 5.0
"""What has piled up while it was frozen takes a while."""


class NotReadyError(TimeoutError):
    """An operator has not become ready after its start."""


@dataclass(frozen=True, slots=True)
class Build:
    """Which operator: `command`, or this environment's, whose source may be in another folder."""

    command: Path | None = None
    source: Path | None = None

    def command_line(self, tasks: Path) -> list[str]:
        """The beginning of its command line; `tasks` is where it says how many tasks it has."""
        if self.command is not None:
            return [str(self.command)]
        return [sys.executable, "-m", "dev.soak.observed", str(tasks)]

    def environment(self) -> dict[str, str]:
        """The variables that it needs."""
        return {"PYTHONPATH": os.pathsep.join(map(str, filter(None, (self.source, _ROOT))))}


class Process:
    """One. It is started at once; its log is the file `log`.

    Args:
        build: which operator is run.
        kubeconfig: the way to the API server.
        slot: whose way that is.
        options: beside the common ones.
        log: where its log goes, in a folder that is there.
    """

    def __init__(self, build: Build, kubeconfig: Path, slot: int, options: Sequence[str], log: Path) -> None:
        self.log_path, self._tasks_path = log, log.with_suffix(".tasks")
        self.slot = slot
        self.freezes: list[tuple[float, float]] = []
        self._frozen_at: float | None = None
        self.started_at = time.time()
        self.ended_at: float | None = None
        self.is_meant_to_end = False
        self.was_stopped = False
        self._is_observed = build.command is None
        home = log.with_suffix(".home")
        home.mkdir()
        pipe = _pipe()
        # The guard kills it when this process ends, also one that is stopped where it is, and removes its home.
        guard = [sys.executable, "-I", str(_GUARD), str(pipe), str(home)]
        with log.open("wb") as out:
            self._guard = subprocess.Popen(
                [*guard, *build.command_line(self._tasks_path), "run", *OPTIONS, *options],
                env=os.environ | build.environment() | {"KUBECONFIG": str(kubeconfig), "HOME": str(home)},
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                pass_fds=[pipe],
            )
        self.pid = self._child()

    @property
    def name(self) -> str:
        """What it is called in the report."""
        return self.log_path.stem

    @property
    def code(self) -> int | None:
        """The code that it has ended with, negative for a signal; None while it runs."""
        code = self._guard.poll()
        return code if code is None or code < 128 else code - 256

    @property
    def log(self) -> str:
        """What it has logged."""
        return self.log_path.read_text(errors="replace")

    @property
    def has_given_up(self) -> bool:
        """Whether it has ended, in words, because of what a restart may mend: as a Deployment's it is started anew."""
        return self.code == 1 and _GIVEN_UP.search(self.log) is not None

    def address(self) -> str:
        """Where it serves /healthz.

        Raises:
            NotReadyError: it does not.
        """
        deadline = time.monotonic() + _START_SECONDS
        while (found := re.search(r"Serving HTTP on ([\d.:]+)", self.log)) is None:
            if time.monotonic() > deadline or self.code is not None:
                raise NotReadyError(f"{self.name} does not serve HTTP: {self.log[-_TAIL:]}")
            time.sleep(_LOOK_SECONDS)
        return found[1]

    def until_ready(self) -> None:
        """Wait until it can do its work.

        Raises:
            NotReadyError: it cannot.
        """
        url, deadline = f"http://{self.address()}/readyz", time.monotonic() + _START_SECONDS
        while not _is_ok(url):
            if time.monotonic() > deadline:
                raise NotReadyError(f"{self.name} is not ready: {self.log[-_TAIL:]}")
            time.sleep(_LOOK_SECONDS)

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it runs."""
        if self.code is None:
            # It may have ended, and its guard not yet.
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    @property
    def is_frozen(self) -> bool:
        """Whether it is stopped where it is."""
        return self._frozen_at is not None

    def freeze(self) -> None:
        """Stop it where it is."""
        self._frozen_at = time.time()
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.send(signal.SIGCONT)
        if self._frozen_at is not None:
            self.freezes.append((self._frozen_at, time.time() + _THAW_SECONDS))
            self._frozen_at = None

    def end(self, number: signal.Signals) -> None:
        """End it; one that does not end is killed, and that is a finding. So is one that has ended by itself before."""
        if self.code is not None:
            self.is_meant_to_end = self.is_meant_to_end or self.has_given_up
            self.ended_at = time.time()
            return
        self.is_meant_to_end = True
        # Before it serves, its signal handlers may not be there.
        self.was_stopped = number is signal.SIGTERM and "Serving HTTP" in self.log
        self.thaw()
        self.send(number)
        try:
            self._guard.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self.is_meant_to_end = False
            self.send(signal.SIGKILL)
            self._guard.wait()
        self.ended_at = time.time()

    def processor_seconds(self) -> float:
        """For how long it has had a processor so far, all its threads together; 0 when it has ended."""
        return procfs.processor_seconds(self.pid)

    def use(self, *, with_tasks: bool = False) -> Use | None:
        """What it holds now; None when it has ended."""
        held = procfs.use(self.pid)
        # Before it serves, its signal handlers may not be there, and the signal would end it.
        can_tell = with_tasks and self._is_observed and "Serving HTTP" in self.log
        return replace(held, tasks=self._tasks()) if held is not None and can_tell else held

    def _child(self) -> int:
        """The operator's own process id: its guard has no other child."""
        children = Path(f"/proc/{self._guard.pid}/task/{self._guard.pid}/children")
        deadline = time.monotonic() + _START_SECONDS
        while self.code is None and time.monotonic() < deadline:
            with suppress(OSError):
                if found := children.read_text().split():
                    return int(found[0])
            time.sleep(_LOOK_SECONDS)
        return self._guard.pid

    def _tasks(self) -> dict[str, int] | None:
        """Ask it, by a signal, for its tasks by name."""
        self._tasks_path.unlink(missing_ok=True)
        self.send(signal.SIGUSR2)
        deadline = time.monotonic() + _END_SECONDS
        while not self._tasks_path.exists():
            if time.monotonic() > deadline or self.code is not None:
                return None
            time.sleep(_LOOK_SECONDS)
        found: dict[str, int] = json.loads(self._tasks_path.read_text())
        return found


@cache
def _pipe() -> int:
    """The reading end of a pipe that closes when this process ends, in whatever way: nobody else has the other end."""
    read, _ = os.pipe()
    return read


def _is_ok(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
