"""The operator as a process of its own, started the way the Deployment starts it."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

# Another version can be put to the same tests: make test-cases OPERATOR=PATH.
_COMMAND: Final = os.environ.get("OPERATOR") or str(Path(sys.executable).parent / "astra-mirror")
_TICK: Final = 1 / os.sysconf("SC_CLK_TCK")
_SECONDS: Final = 60.0


class Operator:
    """A running `astra-mirror run`. Its log is read as it comes."""

    def __init__(self, kubeconfig: Path, options: tuple[str, ...], environment: Mapping[str, str]) -> None:
        self._changed = threading.Condition()
        self._lines: list[str] = []
        # HOME without a kubeconfig, so that nothing of the machine's own is found.
        self._home = tempfile.TemporaryDirectory()
        self._process = subprocess.Popen(
            [_COMMAND, "run", "--http-address", "127.0.0.1:0", *options],
            env=os.environ | {"KUBECONFIG": str(kubeconfig), "HOME": self._home.name, **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        if self._process.stderr is None:
            return
        for line in self._process.stderr:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    @property
    def log(self) -> str:
        """What it has logged so far."""
        with self._changed:
            return "".join(self._lines)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def memory(self, kind: str = "VmRSS") -> float:
        """Its resident memory in MiB; `VmHWM`: at the most so far."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.findall(rf"{kind}:\s+(\d+) kB", status)[0]) / 1024

    def cpu(self) -> float:
        """The seconds of CPU time that it has used."""
        numbers = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(numbers[11]) + int(numbers[12])) * _TICK

    def wait_for_log(self, pattern: str) -> re.Match[str]:
        """Wait until the log has a match."""
        found: list[re.Match[str]] = []

        def matches() -> bool:
            match = re.search(pattern, "".join(self._lines))
            if match:
                found.append(match)
            return bool(match)

        with self._changed:
            if not self._changed.wait_for(matches, _SECONDS):
                raise TimeoutError(f"no {pattern!r} in the log:\n{''.join(self._lines)}")
        return found[0]

    def http(self, path: str) -> str:
        """The body of a GET on its own HTTP server."""
        address = self.wait_for_log(r"Serving HTTP on ([\d.:]+)")[1]
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
            return str(answer.read().decode())

    def metric(self, series: str) -> str:
        """The value of one of its series."""
        return next(line.rsplit(" ", 1)[1] for line in self.http("/metrics").splitlines() if line.startswith(series))

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end, give the exit code; does nothing to one that has ended."""
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Wait for its end; the exit code."""
        code = self._process.wait(_SECONDS)
        self._reader.join(_SECONDS)
        if self._process.stderr is not None:
            self._process.stderr.close()
        self._home.cleanup()
        return code


def run_operator(kubeconfig: Path, *options: str, environment: Mapping[str, str] | None = None) -> Operator:
    """Start one, with more environment variables where they are given."""
    return Operator(kubeconfig, options, environment or {})


StartOperator = Callable[..., Operator]
