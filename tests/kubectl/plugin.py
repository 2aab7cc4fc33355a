"""The plugin as a user has it: run by the real kubectl, which finds it in PATH, in a terminal or without one."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

import yaml

from dev.controlplane import ControlPlane
from dev.terminal import Terminal

Ended = subprocess.CompletedProcess[str]
_SECONDS: Final = 120.0


class Plugin:
    """Somebody with kubectl, the plugin, and a kubeconfig that chooses a namespace."""

    def __init__(self, control_plane: ControlPlane, kubeconfig: Path, namespace: str, home: Path) -> None:
        chosen = yaml.safe_load(kubeconfig.read_text())
        chosen["contexts"][0]["context"]["namespace"] = namespace
        self.kubeconfig = home / "kubeconfig"
        self.kubeconfig.write_text(yaml.safe_dump(chosen))
        path = os.pathsep.join((str(control_plane.binaries), str(Path(sys.executable).parent), os.environ["PATH"]))
        # Nothing of the machine's own is found, nor what a CI system sets.
        unset = {"FORCE_COLOR", "NO_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE", "TTY_INTERACTIVE"}
        inherited = {name: value for name, value in os.environ.items() if name not in unset}
        self.environment: dict[str, str] = {
            **inherited,
            "HOME": str(home),
            "KUBECONFIG": str(self.kubeconfig),
            "PATH": path,
            "PYTHONUTF8": "1",
        }

    def run(self, *arguments: str, **environment: str) -> Ended:
        """`kubectl abr ARGUMENTS`, to its end."""
        return subprocess.run(
            ["kubectl", "abr", *arguments],
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )

    @contextmanager
    def running(self, *arguments: str, **environment: str) -> Iterator["Running"]:
        """The same, while it runs."""
        running = Running(["kubectl", "abr", *arguments], self.environment | environment)
        try:
            yield running
        finally:
            running.close()

    def terminal(
        self, *arguments: str, columns: int = 110, lines: int = 24, **environment: str
    ) -> AbstractContextManager[Terminal]:
        """The same in a terminal."""
        command = ["kubectl", "abr", *arguments]
        return Terminal.run(command, self.environment | environment, columns=columns, lines=lines)

    def terminal_of(self, command: list[str]) -> AbstractContextManager[Terminal]:
        """Another command in a terminal."""
        return Terminal.run(command, self.environment)

    def shell(self, script: str) -> Ended:
        """A script."""
        return subprocess.run(
            ["sh", "-c", script], env=self.environment, capture_output=True, text=True, check=False, timeout=_SECONDS
        )


class Running:
    """A command without a terminal, whose lines are read as they come."""

    def __init__(self, command: list[str], environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._changed = threading.Condition()
        self._lines: dict[str, list[str]] = {"out": [], "errors": []}
        streams = {"out": self._process.stdout, "errors": self._process.stderr}
        self._readers = [threading.Thread(target=self._read, args=each, daemon=True) for each in streams.items()]
        for each in self._readers:
            each.start()

    @property
    def process(self) -> subprocess.Popen[str]:
        """The process; kubectl has become the plugin."""
        return self._process

    @property
    def lines(self) -> list[str]:
        """What it has printed so far."""
        with self._changed:
            return [*self._lines["out"]]

    @property
    def errors(self) -> str:
        """What it has printed to standard error so far."""
        with self._changed:
            return "\n".join(self._lines["errors"])

    def wait_for(self, text: str, *, seconds: float = _SECONDS) -> str:
        """Wait for a line with this text, on either output; that line.

        Raises:
            TimeoutError: there is none within `seconds`.
        """

        def found() -> str | None:
            return next((line for lines in self._lines.values() for line in lines if text in line), None)

        with self._changed:
            line = self._changed.wait_for(found, seconds)
            if line is None:
                raise TimeoutError(f"no {text!r} within {seconds:g} seconds:\n{self._lines}")
            return str(line)

    def end(self, *, seconds: float = _SECONDS) -> int:
        """Wait for its end; the exit code."""
        code = self._process.wait(seconds)
        for each in self._readers:
            each.join(seconds)
        return code

    def close(self) -> None:
        """End it, if it has not ended."""
        if self._process.poll() is None:
            self._process.kill()
        self.end()
        for each in (self._process.stdout, self._process.stderr):
            if each is not None:
                each.close()

    def _read(self, name: str, stream: Iterator[str]) -> None:
        for line in stream:
            with self._changed:
                self._lines[name].append(line.rstrip("\n"))
                self._changed.notify_all()
