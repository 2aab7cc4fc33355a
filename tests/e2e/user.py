"""What a user types: Secrets, refs and kubectl, as functions."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import yaml

from dev.controlplane import ControlPlane
from dev.simulator import Backup, Simulator
from tests.e2e.history import History
from tests.invariants import check_status

_TIMEOUT = "--timeout=60s"


class User:
    """Somebody with kubectl and a namespace."""

    def __init__(self, control_plane: ControlPlane, namespace: str) -> None:
        self._control_plane = control_plane
        self.namespace = namespace

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """`kubectl` in the namespace."""
        return self._control_plane.kubectl(f"--namespace={self.namespace}", *arguments, stdin=stdin)

    def apply(self, manifest: dict[str, Any]) -> None:
        """`kubectl apply -f -`."""
        self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(manifest))

    def secret(self, name: str = "astra-control", **keys: str) -> None:
        """Write a Secret; an underscore in a key stands for a dot."""
        content = {key.replace("_", "."): value for key, value in keys.items()}
        self.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": content})

    def secret_for(self, astra: Simulator) -> None:
        """The Secret for a simulator."""
        self.secret(url=astra.url, token=astra.token)

    def ref(self, name: str, backup: Backup, **spec: Any) -> None:
        """Write a ref to a backup, polled every second unless `spec` says otherwise."""
        ids = {"accountID": backup.account, "appID": backup.app, "backupID": backup.id}
        self.apply(
            {
                "apiVersion": "astra-mirror.io/v1",
                "kind": "AppBackupRef",
                "metadata": {"name": name},
                "spec": {**ids, "interval": "1s", **spec},
            }
        )

    @contextmanager
    def watching(self, kind: str, *, seconds: float = 60.0) -> Iterator[Iterator[dict[str, Any]]]:
        """`kubectl get --watch`: each version of each object of that kind, from those of now on.

        Raises:
            TimeoutError: while iterating, when nobody has stopped after `seconds`.
        """
        command = self._control_plane.kubectl_command(f"--namespace={self.namespace}", "get", kind, "--watch")
        with subprocess.Popen([*command, "--output=json"], stdout=subprocess.PIPE, text=True) as process:
            timer = threading.Timer(seconds, process.kill)
            timer.start()
            try:
                yield _documents(process.stdout)
            finally:
                timer.cancel()
                process.kill()

    @contextmanager
    def watch_table(self, *arguments: str) -> Iterator[IO[str]]:
        """What `kubectl get --watch` prints for people, as it prints it."""
        command = self._control_plane.kubectl_command(f"--namespace={self.namespace}", "get", *arguments, "--watch")
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            timer = threading.Timer(60.0, process.kill)
            timer.start()
            try:
                if process.stdout is not None:
                    yield process.stdout
            finally:
                timer.cancel()
                process.kill()

    @contextmanager
    def history(self, name: str) -> Iterator[History]:
        """Record every version of a ref, for the time of a `with` block."""
        arguments = ["get", "abr", "--watch", "--output-watch-events", "--output=json"]
        command = self._control_plane.kubectl_command(f"--namespace={self.namespace}", *arguments)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield History(process, name)
            finally:
                process.kill()

    def get(self, name: str) -> dict[str, Any]:
        """`kubectl get -o yaml`, with the status checked."""
        found: dict[str, Any] = yaml.safe_load(self.kubectl("get", "abr", name, "-o", "yaml"))
        if found["status"]["observedGeneration"] >= 0:
            check_status(found["status"])
        return found

    def status(self, name: str) -> dict[str, Any]:
        """The ref's status."""
        status: dict[str, Any] = self.get(name)["status"]
        return status

    def wait(self, name: str, condition: str) -> None:
        """`kubectl wait --for=condition=...`."""
        self.kubectl("wait", f"--for=condition={condition}", f"abr/{name}", _TIMEOUT)

    def wait_reason(self, name: str, reason: str, *, condition: str = "Ready") -> dict[str, Any]:
        """Wait until a condition has that reason; the status then."""
        path = f'{{.status.conditions[?(@.type=="{condition}")].reason}}'
        self.kubectl("wait", f"--for=jsonpath={path}={reason}", f"abr/{name}", _TIMEOUT)
        return self.status(name)


def _documents(stream: IO[str] | None) -> Iterator[dict[str, Any]]:
    """The JSON documents of a stream, one after the other; kubectl writes each over many lines."""
    text = ""
    for line in stream or ():
        text += line
        if line == "}\n":
            yield json.loads(text)
            text = ""
    raise TimeoutError("the watch has ended before what was waited for")


def condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    """One condition of a status."""
    found: dict[str, Any] = next(each for each in status["conditions"] if each["type"] == kind)
    return found


def summary(status: dict[str, Any]) -> tuple[str, str, str, str, str]:
    """A status in the columns of the conditions table: Ready, its reason, Succeeded, Finished, and the rest."""
    ready = condition(status, "Ready")
    others = {each["type"] for each in status["conditions"]} & {"Reconciling", "Stalled"}
    return (
        ready["status"],
        ready["reason"],
        condition(status, "Succeeded")["status"],
        condition(status, "Finished")["status"],
        "".join(others),
    )
