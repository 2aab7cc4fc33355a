"""The blocks of docs/recipes.md, and a shell that runs them as a user would."""

import os
import re
import subprocess
from pathlib import Path

import yaml

from dev.controlplane import ControlPlane

PAGE = Path("docs/recipes.md").read_text()
NAME = "nightly-shop"


def marked_block(name: str) -> str:
    """The block that is marked with this name on the page."""
    found = re.search(rf"<!-- tested: {name} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def run_script(
    control_plane: ControlPlane, kubeconfig: Path, script: str, namespace: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The script with kubectl on its path, as a user who has chosen a namespace."""
    chosen = yaml.safe_load(kubeconfig.read_text())
    chosen["contexts"][0]["context"]["namespace"] = namespace
    mine = control_plane.folder / f"kubeconfig-of-{namespace}-{kubeconfig.name}"
    mine.write_text(yaml.safe_dump(chosen))
    path = f"{control_plane.binaries}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-euc", script],
        env=os.environ | {"KUBECONFIG": str(mine), "PATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
