"""The real helm, built from a pinned Go module, once: a test of a copy of its rules would prove that we can copy."""

import os
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

from dev.gobuild import GoPrograms, ToolchainError

_MODULE: Final = Path(__file__).parent / "module"


class HelmError(Exception):
    """Helm ended with an error; the message has what it printed."""


def version() -> str:
    """Which one it is, with a `v`."""
    found = re.search(r"helm\.sh/helm/v4 (v\S+)", (_MODULE / "go.mod").read_text())
    if found is None:
        raise ToolchainError(f"{_MODULE / 'go.mod'} does not require helm")
    return found[1]


@cache
def binary() -> Path:
    """The program.

    Raises:
        ToolchainError: it cannot be built.
    """
    programs = GoPrograms(
        name="helm",
        what="helm, once; about 4 minutes on 2 cores",
        modules=((_MODULE, "tool"),),
        flags=("-trimpath", "-ldflags", f"-s -w -X helm.sh/helm/v4/internal/version.version={version()}"),
        packages=1000,
    )
    return programs.folder() / "helm"


def helm(*arguments: str, home: Path, kubeconfig: Path | None = None) -> str:
    """What `helm ARGUMENTS` prints.

    Args:
        arguments: as they are typed.
        home: where it may keep its caches, so that nothing of the user's own is read or written.
        kubeconfig: for what concerns a cluster.

    Raises:
        HelmError: it ended with another exit code than 0.
    """
    places = {f"HELM_{each}_HOME": str(home / each.lower()) for each in ("CACHE", "CONFIG", "DATA")}
    ended = subprocess.run(
        [str(binary()), *arguments],
        env=os.environ | places | {"KUBECONFIG": str(kubeconfig or home / "no-cluster")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise HelmError(f"helm {' '.join(arguments)}: {ended.stderr.strip()}\n{ended.stdout.strip()}".strip())
    return ended.stdout
