"""The servers as processes, each with a guard, so that none outlives the one that started them."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

_START_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05
_ROOT: Final = Path(__file__).parents[2]


class StartError(Exception):
    """A process did not become ready; the message has the end of its log."""


class Processes:
    """Servers by name. Each is started by `spawn`, and `close` ends them all.

    Args:
        binaries: the folder with their commands.
        folder: where their logs go. A guard removes it when this process ends without `close`.
    """

    def __init__(self, binaries: Path, folder: Path) -> None:
        self._binaries = binaries
        self._folder = folder
        self._guards: dict[str, subprocess.Popen[bytes]] = {}
        # Never written to: the guards see it close when this process ends, in whatever way.
        self._pipe_read, self._pipe_write = os.pipe()

    def spawn(self, name: str, *arguments: str) -> None:
        """Start a server."""
        guard = [sys.executable, "-m", "dev.controlplane.guard", str(self._pipe_read), str(self._folder)]
        with (self._folder / f"{name}.log").open("ab") as log:
            self._guards[name] = subprocess.Popen(
                [*guard, str(self._binaries / name), *arguments],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                pass_fds=[self._pipe_read],
                env=_environment(os.environ),
            )

    def until_ready(self, name: str, is_ready: Callable[[], bool]) -> None:
        """Wait for a server.

        Raises:
            StartError: it has ended, or is not ready in time.
        """
        deadline = time.monotonic() + _START_SECONDS
        while not is_ready():
            ended = self._guards[name].poll() is not None
            if ended or time.monotonic() > deadline:
                log = (self._folder / f"{name}.log").read_text(errors="replace").splitlines()
                what = "ended" if ended else f"was not ready within {_START_SECONDS:g}s"
                raise StartError("\n".join([f"{name} {what}; the end of its log:", *log[-15:]]))
            time.sleep(_POLL_SECONDS)

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a server itself, and not to its guard; does nothing where it has ended."""
        guard = self._guards.get(name)
        if guard is None:
            return
        children = Path(f"/proc/{guard.pid}/task/{guard.pid}/children")
        with contextlib.suppress(OSError):
            for child in children.read_text().split():
                os.kill(int(child), number)

    def stop(self, name: str) -> None:
        """End a server, if it was started."""
        guard = self._guards.pop(name, None)
        if guard is None:
            return
        # The guard ends the server and then itself.
        guard.terminate()
        guard.wait()

    def close(self) -> None:
        """End all servers, the last one first."""
        for name in reversed(list(self._guards)):
            self.stop(name)
        for descriptor in (self._pipe_read, self._pipe_write):
            os.close(descriptor)


def _environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The guard is found from any working directory."""
    path = [str(_ROOT), environment.get("PYTHONPATH", "")]
    return dict(environment) | {"PYTHONPATH": os.pathsep.join(filter(None, path))}
