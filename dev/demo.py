"""The demo: what a user sees, on a real API server, in about two minutes. `make demo` runs it.

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
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml

from dev.controlplane import ControlPlane, KubectlError
from dev.controlplane.processes import StartError
from dev.controlplane.toolchain import kubectl_binary
from dev.demo_cluster import Cluster
from dev.demo_monitor import play_monitor
from dev.gobuild import ToolchainError
from dev.simulator import Simulator

_NAMESPACE: Final = "astra-mirror-demo"
_SYSTEM: Final = "astra-mirror-system"
_CRDS: Final = {
    "crd/appbackuprefs.astra-mirror.io": "crds/appbackupref.yaml",
    "crd/appbackupmonitors.astra-mirror.io": "crds/appbackupmonitor.yaml",
}
_ROOT: Final = Path(__file__).parents[1]
_BACKUPS: Final = {
    "nightly-shop": ("completes", "completed"),
    "nightly-billing": ("fails", "failed"),
    "weekly-archive": ("gets-lost", "removed"),
}
"""What becomes of each backup: the simulator's scenario, and the state in the end."""
_SECONDS: Final = 20.0


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
            cluster.run("wait", "--for=condition=Established", *_CRDS, "--timeout=30s")
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
    """The CRDs and a namespace in somebody's cluster; what was not there before is removed at the end."""
    _say(f"using the context {context}: the CRDs and the namespace {_NAMESPACE}, removed at the end")
    new = [crd for crd in _CRDS if not cluster.run("get", crd, "--ignore-not-found")]
    cluster.run("create", "namespace", _NAMESPACE)
    try:
        for crd in new:
            cluster.run("create", "-f", str(_ROOT / _CRDS[crd]))
        cluster.run("wait", "--for=condition=Established", *_CRDS, "--timeout=30s")
        yield
    finally:
        _say("removing what was created")
        cluster.run("delete", "namespace", _NAMESPACE, "--timeout=120s")
        if new:
            cluster.run("delete", *new, "--timeout=60s")


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
    cluster.apply(secret)
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
        cluster.apply(manifest)
    cluster.watch({name: state for name, (_, state) in _BACKUPS.items()})
    cluster.show("wait", "--for=condition=Succeeded", "abr/nightly-shop", "--timeout=10s")
    cluster.show("wait", "--for=condition=Succeeded=False", "abr/nightly-billing", "--timeout=10s")
    cluster.show("get", "abr", "-o", "wide")
    play_monitor(cluster, astra, _NAMESPACE)


def _keep(cluster: Cluster, astra: Simulator) -> None:
    print(f"\n== all of it runs until Ctrl-C; in another terminal:\nexport KUBECONFIG={cluster.kubeconfig}")
    print(f"export ASTRA={astra.url}   # curl $ASTRA/_control/backups\nexport PATH={cluster.binary.parent}:$PATH")
    print("kubectl get abr -w; kubectl get abm -w", flush=True)
    threading.Event().wait()


def _say(text: str) -> None:
    print(f"== {text}", flush=True)


if __name__ == "__main__":
    main()
