"""Builds Go programs from pinned modules, once, into a per-user cache: etcd, kube-apiserver and what judges statuses.

No package registry offers them all. The cache's key is what they are built from; a second clone finds them there.
"""

import contextlib
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MIN_GO: Final = (1, 26)
_PROGRESS_SECONDS: Final = 10.0


class ToolchainError(Exception):
    """The binaries can be neither found nor built; the message says what to do."""


@dataclass(frozen=True)
class GoPrograms:
    """Programs that are built together.

    Attributes:
        name: the folder in the cache, and what the lines of progress start with.
        what: their names, for people, and how long the first build takes.
        modules: the folders with a go.mod, each with what to build there: `.` for the module's own program, `tool`
            for the tools that it names.
        flags: of `go build`.
        packages: roughly what a build with empty caches compiles; only the progress line uses it.
        inputs: what else the result depends on.
        otherwise: what a person may do instead of installing Go.
        finish: what is left to do in the folder with the new binaries.
    """

    name: str
    what: str
    modules: tuple[tuple[Path, str], ...]
    flags: tuple[str, ...]
    packages: int
    inputs: tuple[str, ...] = ()
    otherwise: str = ""
    finish: Callable[[Path], None] = lambda _: None

    def folder(self) -> Path:
        """The folder with the binaries, which are built if nobody has.

        Raises:
            ToolchainError: they cannot be built.
        """
        folder = self._cache_folder()
        if not folder.is_dir():
            with _locked(self.name, folder.with_suffix(".lock")):
                if not folder.is_dir():
                    self._build(folder)
        return folder

    def _cache_folder(self) -> Path:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        key = hashlib.sha256()
        for module, _ in self.modules:
            for file in sorted(each for each in module.iterdir() if each.suffix in {".go", ".mod", ".sum"}):
                key.update(file.read_bytes())
        for part in (*self.flags, *self.inputs, f"{platform.system()}/{platform.machine()}"):
            key.update(part.encode())
        return root / "astra-mirror" / self.name.replace(" ", "") / key.hexdigest()[:16]

    def _build(self, folder: Path) -> None:
        go = _go(self.otherwise)
        say(self.name, f"building {self.what}")
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="building-") as scratch:
            target = Path(scratch) / "bin"
            target.mkdir()
            for module, package in self.modules:
                command = [go, "build", "-v", *self.flags, "-o", f"{target}/", package]
                with subprocess.Popen(command, cwd=module, stderr=subprocess.PIPE, text=True) as process:
                    output = _report(self.name, self.packages, process)
                if process.returncode:
                    raise ToolchainError(f"the build failed:\n{''.join(output[-20:])}")
            self.finish(target)
            target.rename(folder)
        say(self.name, f"built: {folder}")


def say(name: str, text: str) -> None:
    """A line of progress."""
    print(f"== {name}: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _locked(name: str, path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(name, "another process is building it, waiting")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _go(otherwise: str) -> str:
    go = shutil.which("go")
    advice = f"install Go {_MIN_GO[0]}.{_MIN_GO[1]} or newer{otherwise}"
    if go is None:
        raise ToolchainError(f"building it needs Go, and there is no `go` on the PATH: {advice}")
    text = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=True, cwd="/").stdout
    found = re.match(r"go(\d+)\.(\d+)", text)
    if found is None or (int(found[1]), int(found[2])) < _MIN_GO:
        raise ToolchainError(f"{go} is {text.strip()}, too old to build it: {advice}")
    return go


def _report(name: str, packages: int, process: subprocess.Popen[str]) -> list[str]:
    """Follow the build; a line of progress every few seconds, also while nothing is printed."""
    output: list[str] = []
    began = time.monotonic()
    ended = threading.Event()

    def tick() -> None:
        while not ended.wait(_PROGRESS_SECONDS):
            minutes, seconds = divmod(round(time.monotonic() - began), 60)
            say(name, f"{minutes}:{seconds:02} {len(output)} of about {packages} packages or downloads done")

    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    if process.stderr is not None:
        for line in process.stderr:
            output.append(line)  # noqa: PERF402 - the ticker reads its length meanwhile
    process.wait()
    ended.set()
    ticker.join()
    return output
