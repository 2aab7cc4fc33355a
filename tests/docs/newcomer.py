"""Somebody with a fresh clone, kubectl, helm and an empty cluster, who types what the pages say."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dev import helm
from dev.controlplane import ControlPlane


@dataclass
class Newcomer:
    """Somebody at a shell in a fresh clone, with a home, a namespace chosen in the kubeconfig, and kubectl."""

    clone: Path
    environment: dict[str, str]

    def types(self, text: str) -> str:
        """What the shell prints.

        Raises:
            AssertionError: a line failed, or a file of the project was edited.
        """
        ended = subprocess.run(
            ["sh", "-eu", "-c", text], cwd=self.clone, env=self.environment, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, f"{text}\n{ended.stdout}\n{ended.stderr}"
        edited = subprocess.run(
            ["git", "status", "--porcelain"], cwd=self.clone, capture_output=True, text=True, check=True
        )
        assert edited.stdout == ""
        return ended.stdout


def settle(cluster: ControlPlane, folder: Path, namespace: str) -> Newcomer:
    """With a clone of the project as it is now, and kubectl and helm beside what a system has.

    Args:
        cluster: the one that kubectl and helm talk to.
        folder: for the clone, the home and the programs; it is empty.
        namespace: the one that is chosen in the kubeconfig; it is there.
    """
    clone, home, programs = folder / "clone", folder / "home", folder / "bin"
    home.mkdir()
    programs.mkdir()
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], capture_output=True, check=True
    ).stdout.split(b"\0")
    for name in map(os.fsdecode, filter(None, files)):
        if Path(name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            (clone / name).write_bytes(Path(name).read_bytes())
    committer = ["-c", "user.name=Newcomer", "-c", "user.email=newcomer@example.com"]
    for command in (["init", "--quiet"], ["add", "--all"], [*committer, "commit", "--quiet", "-m", "a clone"]):
        subprocess.run(["git", *command], cwd=clone, check=True, capture_output=True)
    (programs / "kubectl").symlink_to(cluster.binaries / "kubectl")
    (programs / "helm").symlink_to(helm.binary())
    kubeconfig = yaml.safe_load(cluster.kubeconfig.read_text())
    kubeconfig["contexts"][0]["context"]["namespace"] = namespace
    (home / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    system = f"{os.pathsep}".join(each for each in ("/usr/bin", "/bin") if Path(each).is_dir())
    environment = {"HOME": str(home), "KUBECONFIG": str(home / "kubeconfig"), "PATH": f"{programs}{os.pathsep}{system}"}
    return Newcomer(clone, environment)


def deployed(cluster: ControlPlane, kind: str, namespace: str = "astra-mirror-system") -> dict[str, Any]:
    """The container of the operator as the API server has it."""
    found = yaml.safe_load(cluster.kubectl("get", kind, "astra-mirror", f"--namespace={namespace}", "-o", "yaml"))
    [container] = found["spec"]["template"]["spec"]["containers"]
    return dict(container)
