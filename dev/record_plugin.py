"""Records the kubectl plugin as pictures: `python -m dev.record_plugin docs` writes docs/kubectl-abr-*.svg.

The real kubectl runs the real plugin in a terminal, on a real API server, with the operator and the simulator.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any, Final

import yaml
from rich.console import Console
from rich.text import Text

from dev.controlplane import ControlPlane
from dev.pictures import write_picture
from dev.simulator import Simulator, over_days
from dev.simulator.model import uuid_of
from dev.terminal import Terminal

_ROOT: Final = Path(__file__).parents[1]
_NAMESPACE: Final = "shop"
_APP: Final = uuid_of("app with a schedule")
_COLUMNS: Final = 132
_BACKUPS: Final = {
    "nightly-shop": ("completes", 45.0),
    "nightly-billing": ("fails", 30.0),
    "weekly-archive": ("completes", 75.0),
}
"""What becomes of each backup, and how many seconds it takes."""


def main() -> None:
    """Record `list` and `watch`."""
    parser = argparse.ArgumentParser(prog="python -m dev.record_plugin", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures are written")
    folder = parser.parse_args().folder
    with ControlPlane.start() as cluster, Simulator.start() as astra, _installed(cluster, astra):
        _apply(cluster, astra)
        cluster.kubectl("wait", "--for=condition=ObjectivesMet", "abm/shop", f"-n={_NAMESPACE}", "--timeout=60s")
        # Until the bars have come some way, and one backup has failed.
        cluster.kubectl("wait", "--for=condition=Finished", "abr/nightly-billing", f"-n={_NAMESPACE}", "--timeout=90s")
        _record(cluster, folder / "kubectl-abr-list.svg", "list")
        _record(cluster, folder / "kubectl-abr-watch.svg", "watch", *_BACKUPS)


@contextmanager
def _installed(cluster: ControlPlane, astra: Simulator) -> Iterator[None]:
    cluster.kubectl("apply", "-k", str(_ROOT / "manifests/default"))
    names = ("crd/appbackuprefs.astra-mirror.io", "crd/appbackupmonitors.astra-mirror.io")
    cluster.kubectl("wait", "--for=condition=Established", *names, "--timeout=30s")
    cluster.kubectl("create", "namespace", _NAMESPACE)
    cluster.kubectl("config", "set-context", "--current", f"--namespace={_NAMESPACE}")
    kubeconfig = cluster.kubeconfig_for("astra-mirror-system", "astra-mirror")
    options = ["--allowed-url", astra.url, "--http-address", "127.0.0.1:0", "--log-level", "warning"]
    command = [str(Path(sys.executable).parent / "astra-mirror"), "run", *options]
    with subprocess.Popen(command, env=os.environ | {"KUBECONFIG": str(kubeconfig)}) as operator:
        try:
            yield
        finally:
            operator.terminate()


def _apply(cluster: ControlPlane, astra: Simulator) -> None:
    def apply(kind: str, name: str, **content: Any) -> None:  # noqa: ANN401 - any part of a manifest
        version = "v1" if kind == "Secret" else "astra-mirror.io/v1"
        manifest = {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": _NAMESPACE}, **content}
        cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(manifest))

    apply("Secret", "astra-control", stringData={"url": astra.url, "token": astra.token})
    astra.add_schedule(over_days("nightly", days=200, now=astra.wall_clock(), keep=30, seconds=5), app=_APP)
    objectives = [{"name": "daily", "maxAge": "26h"}]
    apply("AppBackupMonitor", "shop", spec={"accountID": astra.account, "appID": _APP, "objectives": objectives})
    for name, (scenario, seconds) in _BACKUPS.items():
        backup = astra.add_backup(scenario, seconds=seconds, name=name)
        ids = {"accountID": backup.account, "appID": backup.app, "backupID": backup.id}
        apply("AppBackupRef", name, spec={**ids, "interval": "2s"})
    backup = astra.add_backup("completes", seconds=300, name="monthly")
    ids = {"accountID": backup.account, "appID": backup.app, "backupID": backup.id}
    apply("AppBackupRef", "monthly", spec={**ids, "suspend": True})


def _record(cluster: ControlPlane, target: Path, *arguments: str) -> None:
    """Run the plugin in a terminal, and draw what is on the screen after some seconds, or at its end."""
    path = os.pathsep.join((str(cluster.binaries), str(Path(sys.executable).parent), os.environ["PATH"]))
    environment = {**os.environ, "PATH": path, "KUBECONFIG": str(cluster.kubeconfig)}
    with Terminal.run(["kubectl", "abr", *arguments], environment, columns=_COLUMNS) as terminal:
        terminal.wait_for("MiB/s")
        shown = terminal.picture(len(terminal.text.splitlines()))
    console = Console(record=True, width=_COLUMNS, file=StringIO(), force_terminal=True)
    console.print(Text(f"$ kubectl abr {' '.join(arguments)}", "bold green"))
    console.print(shown)
    write_picture(target, console, "kubectl abr")
    print(f"{target}: written")


if __name__ == "__main__":
    main()
