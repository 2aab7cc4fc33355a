"""Shards split the apps between them, each with a Lease of its own."""

import json
import shutil
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import yaml

from astra_mirror.core.shard import Shard
from dev.controlplane import ControlPlane
from dev.simulator import Simulator
from dev.simulator.model import uuid_of
from tests.e2e.monitors import OPERATOR, Monitors, add_backup, until
from tests.e2e.user import User
from tests.operator_process import Operator, run_operator

_TOKEN: Final = "authentication.kubernetes.io/credential-id"

# What manifests/sharded allows for its three shards, for the two here.
LEASES = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: two-shards, namespace: astra-mirror-system}
rules:
  - apiGroups: [coordination.k8s.io]
    resources: [leases]
    resourceNames: [astra-mirror-0-of-2, astra-mirror-1-of-2]
    verbs: [get, update]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: two-shards, namespace: astra-mirror-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: two-shards}
subjects: [{kind: ServiceAccount, name: astra-mirror}]
"""


class Shards:
    """Two operators that share the apps. Each has a token of its own, by which the audit log tells who has written."""

    def __init__(self, control_plane: ControlPlane, user: User, astra: Simulator, folder: Path) -> None:
        self.operators: list[Operator] = []
        self._control_plane = control_plane
        self._user = user
        self._astra = astra
        self._folder = folder
        self._tokens: dict[str, int] = {}

    def start(self, *options: str) -> None:
        """Start both."""
        for index in range(2):
            made = self._control_plane.kubeconfig_for("astra-mirror-system", "astra-mirror")
            # The next token is written into the same file.
            kubeconfig = Path(shutil.copy(made, self._folder / f"shard-{index}"))
            self._tokens[_token_id(kubeconfig)] = index
            about = ["--allowed-url", self._astra.url, "--namespace", self._user.namespace, "--shard", f"{index}/2"]
            self.operators.append(run_operator(kubeconfig, *about, *options))

    def metrics(self, series: str) -> list[float]:
        """The value of that series, of each."""
        return [float(each.metric(series)) for each in self.operators]

    def owner(self, app: str) -> set[int]:
        """Which of them owns an app."""
        return {index for index in range(2) if Shard(index, 2).owns(self._astra.account, app)}

    def writers(self) -> dict[str, set[int]]:
        """Who has written each object in the user's namespace, by its resource and name."""
        found: dict[str, set[int]] = {}
        for each in self._control_plane.audit_events(of=OPERATOR):
            about = each.get("objectRef", {})
            is_write = each["verb"] not in {"get", "list", "watch"} and about.get("apiGroup") == "astra-mirror.io"
            if is_write and about["namespace"] == self._user.namespace:
                [token] = each["user"]["extra"][_TOKEN]
                found.setdefault(f"{about['resource']}/{about['name']}", set()).add(self._tokens[token])
        return found


def _token_id(kubeconfig: Path) -> str:
    """What the audit log calls the token in a kubeconfig."""
    token: str = yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]["token"]
    claims = token.split(".")[1]
    return f"JTI={json.loads(urlsafe_b64decode(claims + '=' * (-len(claims) % 4)))['jti']}"


@pytest.fixture
def shards(installed: ControlPlane, user: User, astra: Simulator, tmp_path: Path) -> Iterator[Shards]:
    """Under the shipped RBAC, for the user's namespace."""
    shards = Shards(installed, user, astra, tmp_path)
    yield shards
    for each in shards.operators:
        each.stop()


def test_two_shards_share_the_apps(installed: ControlPlane, user: User, astra: Simulator, shards: Shards) -> None:
    """Each ref is polled and written by one of them, the refs of an app by the same one, and both hold their Lease."""
    installed.kubectl("apply", "--server-side", "-f", "-", stdin=LEASES)
    user.secret_for(astra)
    owners = dict[str, set[int]]()
    for app in range(6):
        for number in range(2):
            backup = astra.add_backup("completes", seconds=0, app=uuid_of(f"app {app}"))
            user.ref(f"app-{app}-{number}", backup)
            owners[f"appbackuprefs/app-{app}-{number}"] = shards.owner(backup.app)
    shards.start("--leader-elect")
    user.kubectl("wait", "--for=condition=Ready", "abr", "--all", "--timeout=60s")
    for index, shard in enumerate(shards.operators):
        shard.wait_for_log(f"Holding the Lease astra-mirror-system/astra-mirror-{index}-of-2")
    asked = [request.path for request in astra.requests.matching("*/apps/*")]
    # The refs of an app share a list: were they split, each would be asked for by itself.
    assert all(path.endswith("/appBackups") for path in asked)
    polled = shards.metrics('astra_mirror_refs{state="completed"}')
    assert sum(polled) == 12
    assert all(0 < each < 12 for each in polled)
    until(lambda: shards.writers().keys() == owners.keys(), 10)
    assert shards.writers() == owners
    leases = installed.kubectl("get", "leases", "--namespace=astra-mirror-system", "-o", "name")
    assert "astra-mirror-0-of-2" in leases
    assert "astra-mirror-1-of-2" in leases


def test_two_shards_share_the_monitors(monitors: Monitors, user: User, astra: Simulator, shards: Shards) -> None:
    """Each is written by the one that the refs of its app belong to, and so are the refs that it makes."""
    owners = dict[str, set[int]]()
    for number in range(8):
        backup = add_backup(astra, app=uuid_of(f"sharded app {number}"))
        monitors.apply(f"shop-{number}", app=backup.app, mirror={"newest": 1})
        user.ref(f"by-hand-{number}", backup)
        owners[f"appbackupmonitors/shop-{number}"] = shards.owner(backup.app)
    shards.start()
    for number in range(8):
        monitors.wait("RefsCurrent", "RefsCurrent", f"shop-{number}")
    counted = shards.metrics("astra_mirror_monitors")
    assert (sum(counted), min(counted) > 0) == (8, True)
    user.kubectl("wait", "--for=condition=Ready", "abr", "--all", "--timeout=60s")
    refs = monitors.refs()
    assert len(refs) == 16
    owners |= {f"appbackuprefs/{name}": shards.owner(each["spec"]["appID"]) for name, each in refs.items()}
    until(lambda: shards.writers().keys() == owners.keys(), 10)
    assert shards.writers() == owners
