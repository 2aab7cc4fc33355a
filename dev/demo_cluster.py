"""The demo's kubectl: what it types is shown, and so is what comes of it."""

import shlex
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml

from dev.controlplane import KubectlError
from dev.controlplane.kubectl import kubectl

_PATIENCE: Final = 120.0


class Cluster:
    """kubectl for one cluster, with the commands shown as they are typed."""

    def __init__(self, binary: Path, kubeconfig: Path) -> None:
        self.binary, self.kubeconfig = binary, kubeconfig

    def run(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl without showing it."""
        return kubectl(self.binary, self.kubeconfig, *arguments, stdin=stdin)

    def apply(self, manifest: Mapping[str, object]) -> None:
        """`kubectl apply -f -`, without showing it."""
        self.run("apply", "-f", "-", stdin=yaml.safe_dump(manifest))

    def show(self, *arguments: str) -> None:
        """Run kubectl as a person would see it."""
        print(f"\n$ kubectl {shlex.join(arguments)}", flush=True)
        print(self.run(*arguments), end="", flush=True)

    def watch(self, states: Mapping[str, str]) -> None:
        """Show a watch of the refs until each of them has had a row with its state.

        Raises:
            KubectlError: one of them had none in time.
        """
        arguments, missing = ("get", "appbackuprefs", "-w"), dict(states)
        print(f"\n$ kubectl {shlex.join(arguments)}", flush=True)
        command = [str(self.binary), f"--kubeconfig={self.kubeconfig}", *arguments]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
            timer = threading.Timer(_PATIENCE, process.terminate)
            timer.start()
            try:
                for line in process.stdout or ():
                    print(line, end="", flush=True)
                    name, *columns = line.split()
                    if missing.get(name) in columns:
                        del missing[name]
                    if not missing:
                        return
            finally:
                timer.cancel()
                process.terminate()
        raise KubectlError(f"the watch ended, after {_PATIENCE:.0f} s at most, without a row for {missing}")
