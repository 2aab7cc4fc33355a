"""The monitors of a user, on the real API server."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from dev.simulator import Backup, Simulator
from tests.e2e.user import User

APP_LIST = "/accounts/*/k8s/v1/apps/*/appBackups"
SINGLE = f"{APP_LIST}/*"
OPERATOR = "system:serviceaccount:astra-mirror-system:astra-mirror"
DAILY = {"name": "daily", "maxAge": "26h"}


def ago(**age: float) -> str:
    """A time so long ago."""
    return (datetime.now(UTC) - timedelta(**age)).strftime("%Y-%m-%dT%H:%M:%SZ")


def add_backup(astra: Simulator, state: str = "completed", *, app: str | None = None, **age: float) -> Backup:
    """A backup that was taken so long ago; a minute if nothing is said."""
    backup = astra.add_backup("stuck", seconds=0.001, app=app or astra.app)
    backup.set(state=state, backupCreationTimestamp=ago(**age or {"minutes": 1}))
    return backup


def until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until it holds.

    Raises:
        AssertionError: it has not within `seconds`.
    """
    pause = threading.Event()
    for _ in range(int(seconds * 5)):
        if holds():
            return
        pause.wait(0.2)
    raise AssertionError("it has not come")


class Monitors:
    """The monitors of a user."""

    def __init__(self, user: User, astra: Simulator) -> None:
        self._user = user
        self._astra = astra

    def manifest(self, name: str = "shop", *, app: str | None = None, **spec: Any) -> dict[str, Any]:
        """One, whose list is read every ten seconds unless `spec` says otherwise."""
        ids = {"accountID": self._astra.account, "appID": app or self._astra.app}
        manifest = {"apiVersion": "astra-mirror.io/v1", "kind": "AppBackupMonitor", "metadata": {"name": name}}
        return {**manifest, "spec": {**ids, "interval": "10s", **spec}}

    def apply(self, name: str = "shop", *, app: str | None = None, **spec: Any) -> None:
        """Write it."""
        self._user.apply(self.manifest(name, app=app, **spec))

    def get(self, name: str = "shop") -> dict[str, Any]:
        """It, as it is."""
        found: dict[str, Any] = yaml.safe_load(self._user.kubectl("get", "abm", name, "-o", "yaml"))
        return found

    def status(self, name: str = "shop") -> dict[str, Any]:
        """Its status."""
        status: dict[str, Any] = self.get(name)["status"]
        return status

    def wait(self, reason: str, kind: str = "Ready", name: str = "shop") -> dict[str, Any]:
        """Wait until a condition has that reason."""
        path = f'{{.status.conditions[?(@.type=="{kind}")].reason}}'
        self._user.kubectl("wait", f"--for=jsonpath={path}={reason}", f"abm/{name}", "--timeout=90s")
        return self.status(name)

    def refs(self) -> dict[str, dict[str, Any]]:
        """The refs in the namespace, by name."""
        found = json.loads(self._user.kubectl("get", "abr", "-o", "json"))["items"]
        return {each["metadata"]["name"]: each for each in found}

    def versions(self) -> dict[str, str]:
        """The resourceVersion of each monitor and ref."""
        found = json.loads(self._user.kubectl("get", "abm,abr", "-o", "json"))["items"]
        return {f"{each['kind']} {each['metadata']['name']}": each["metadata"]["resourceVersion"] for each in found}
