"""The demo: what a user sees, on a real API server, in about a minute. `make demo` runs it.

It types the commands that it shows; nothing is pretended but Astra Control itself, which is the simulator.
"""

import argparse
import contextlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import yaml

from dev.controlplane import ControlPlane, KubectlError
from dev.controlplane.kubectl import kubectl
from dev.controlplane.processes import StartError
from dev.controlplane.toolchain import kubectl_binary
from dev.gobuild import ToolchainError
from dev.simulator import Simulator

_NAMESPACE: Final = "astra-mirror-demo"
_SYSTEM: Final = "astra-mirror-system"
_CRD: Final = "crd/appbackuprefs.astra-mirror.io"
_ROOT: Final = Path(__file__).parents[1]
_BACKUPS: Final = {
    "nightly-shop": ("completes", "completed"),
    "nightly-billing": ("fails", "failed"),
    "weekly-archive": ("gets-lost", "removed"),
}
"""What becomes of each backup: the simulator's scenario, and the state in the end."""
_SECONDS: Final = 20.0
_PATIENCE: Final = 120.0


class Cluster:
    """kubectl for one cluster, with the commands shown as they are typed."""

    def __init__(self, binary: Path, kubeconfig: Path) -> None:
        self.binary, self.kubeconfig = binary, kubeconfig

    def run(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl without showing it."""
        return kubectl(self.binary, self.kubeconfig, *arguments, stdin=stdin)

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


def main() -> None:
    """Run the demo; exit with 1 when something does not come out as it should."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave everything running until Ctrl-C")
    parser.add_argument("--context", help="use this context of your kubeconfig; nothing is built")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with (
            Simulator.start() as astra,
            _cluster(arguments.context) as (cluster, operator_kubeconfig),
            _operator(operator_kubeconfig, astra),
        ):
            cluster.run("config", "set-context", "--current", f"--namespace={_NAMESPACE}")
            _play(cluster, astra)
            if arguments.keep:
                _keep(cluster, astra)
    except (ToolchainError, StartError, KubectlError) as error:
        sys.exit(f"demo: {error}")
    except KeyboardInterrupt:
        print("\n== stopped")


@contextlib.contextmanager
def _cluster(context: str | None) -> Iterator[tuple[Cluster, Path]]:
    """A cluster with the CRD and an empty namespace, and the kubeconfig for the operator."""
    if context is None:
        _say("starting etcd, kube-apiserver and kube-controller-manager")
        with ControlPlane.start() as control_plane:
            cluster = Cluster(control_plane.binaries / "kubectl", control_plane.kubeconfig)
            _say("installing: kubectl apply -k manifests/default")
            cluster.run("apply", "-k", str(_ROOT / "manifests/default"))
            cluster.run("wait", "--for=condition=Established", _CRD, "--timeout=30s")
            cluster.run("create", "namespace", _NAMESPACE)
            yield cluster, control_plane.kubeconfig_for(_SYSTEM, "astra-mirror")
        return
    with tempfile.TemporaryDirectory() as folder:
        kubeconfig = Path(folder) / "kubeconfig"
        kubeconfig.touch(mode=0o600)
        kubeconfig.write_text(_minified(context))
        cluster = Cluster(kubectl_binary(), kubeconfig)
        with _borrowed(cluster, context):
            yield cluster, kubeconfig


def _minified(context: str) -> str:
    command = [str(kubectl_binary()), "config", "view", "--minify", "--flatten", f"--context={context}"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise KubectlError(f"the context {context!r} cannot be used: {ended.stderr.strip()}")
    return ended.stdout


@contextlib.contextmanager
def _borrowed(cluster: Cluster, context: str) -> Iterator[None]:
    """The CRD and a namespace in somebody's cluster; what was not there before is removed at the end."""
    _say(f"using the context {context}: the CRD and the namespace {_NAMESPACE}, removed at the end")
    had_crd = bool(cluster.run("get", _CRD, "--ignore-not-found"))
    cluster.run("create", "namespace", _NAMESPACE)
    try:
        if not had_crd:
            cluster.run("create", "-f", str(_ROOT / "crds/appbackupref.yaml"))
        cluster.run("wait", "--for=condition=Established", _CRD, "--timeout=30s")
        yield
    finally:
        _say("removing what was created")
        cluster.run("delete", "namespace", _NAMESPACE, "--timeout=120s")
        if not had_crd:
            cluster.run("delete", _CRD, "--timeout=60s")


@contextlib.contextmanager
def _operator(kubeconfig: Path, astra: Simulator) -> Iterator[None]:
    options = ["--allowed-url", astra.url, "--namespace", _NAMESPACE, "--settled-interval", "2s"]
    options += ["--http-address", "127.0.0.1:0", "--log-level", "warning"]
    _say(f"astra-mirror run {shlex.join(options)}")
    command = [str(Path(sys.executable).parent / "astra-mirror"), "run", *options]
    with subprocess.Popen(command, env=os.environ | {"KUBECONFIG": str(kubeconfig)}, start_new_session=True) as process:
        try:
            yield
        finally:
            process.terminate()


def _play(cluster: Cluster, astra: Simulator) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "astra-control", "namespace": _NAMESPACE},
        "stringData": {"url": astra.url, "token": astra.token},
    }
    _apply(cluster, secret)
    manifests = []
    for name, (scenario, _) in _BACKUPS.items():
        backup = astra.add_backup(scenario, seconds=_SECONDS, name=name)
        spec = {"accountID": backup.account, "appID": backup.app, "backupID": backup.id, "interval": "2s"}
        metadata = {"name": name, "namespace": _NAMESPACE}
        manifests.append(
            {"apiVersion": "astra-mirror.io/v1", "kind": "AppBackupRef", "metadata": metadata, "spec": spec}
        )
    print(f"\n$ kubectl apply -f -\n{yaml.safe_dump(manifests[0], sort_keys=False)}", end="", flush=True)
    for manifest in manifests:
        _apply(cluster, manifest)
    cluster.watch({name: state for name, (_, state) in _BACKUPS.items()})
    cluster.show("wait", "--for=condition=Succeeded", "abr/nightly-shop", "--timeout=10s")
    cluster.show("wait", "--for=condition=Succeeded=False", "abr/nightly-billing", "--timeout=10s")
    cluster.show("get", "abr", "-o", "wide")


def _apply(cluster: Cluster, manifest: Mapping[str, object]) -> None:
    cluster.run("apply", "-f", "-", stdin=yaml.safe_dump(manifest))


def _keep(cluster: Cluster, astra: Simulator) -> None:
    print(f"\n== all of it runs until Ctrl-C; in another terminal:\nexport KUBECONFIG={cluster.kubeconfig}")
    print(f"export ASTRA={astra.url}   # curl $ASTRA/_control/backups\nexport PATH={cluster.binary.parent}:$PATH")
    print("kubectl get abr -w", flush=True)
    threading.Event().wait()


def _say(text: str) -> None:
    print(f"== {text}", flush=True)


if __name__ == "__main__":
    main()
