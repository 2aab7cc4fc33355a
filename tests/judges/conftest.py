"""Each row of the conditions table as an object on the API server, and kube-state-metrics beside it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.controlplane import ControlPlane
from tests.core.cases import ACCOUNT, APP, BACKUP, ROWS
from tests.judges.monitors import monitors
from tests.judges.scraping import MONITORING, kube_state_metrics

_SPECS: dict[str, dict[str, object]] = {
    "suspended": {"suspend": True},
    "suspended-at-once": {"suspend": True},
    "completed-hooks-failed-wanted": {"readyWhen": "CompletedAndHooksSucceeded"},
    "completed-no-hooks-wanted": {"readyWhen": "CompletedAndHooksSucceeded"},
    "not-found-observed-wanted": {"readyWhen": "Observed"},
    "observed-wanted": {"readyWhen": "Observed"},
}


def _row(name: str) -> str:
    return f"row-{name.lower()}"


def _create(control_plane: ControlPlane, namespace: str) -> dict[str, dict[str, Any]]:
    ids: dict[str, object] = {"accountID": ACCOUNT, "appID": APP, "backupID": BACKUP}
    manifests = [
        {
            "apiVersion": "astra-mirror.io/v1",
            "kind": "AppBackupRef",
            "metadata": {"name": _row(name), "namespace": namespace},
            "spec": {**ids, **_SPECS.get(name, {})},
        }
        for name in [*ROWS, "untouched"]
    ]
    control_plane.kubectl("create", "-f", "-", stdin=yaml.safe_dump_all(manifests))
    for name, status in ROWS.items():
        patch = json.dumps({"status": status})
        arguments = ["patch", "abr", _row(name), f"--namespace={namespace}", "--subresource=status", "--type=merge"]
        control_plane.kubectl(*arguments, "--patch", patch)
    found = json.loads(control_plane.kubectl("get", "abr", f"--namespace={namespace}", "-o", "json"))["items"]
    by_name = {each["metadata"]["name"]: each for each in found}
    return {name: by_name[_row(name)] for name in [*ROWS, "untouched"]}


@pytest.fixture(scope="session")
def rows(installed: ControlPlane) -> Iterator[dict[str, dict[str, Any]]]:
    """The rows' names, and the objects as the API server gives them back; `untouched` has no status of ours.

    An operator that a test starts may write over what the cluster holds of them; the objects here stay.
    """
    installed.kubectl("create", "namespace", "rows")
    yield _create(installed, "rows")
    installed.kubectl("delete", "namespace", "rows", "--wait=false")


@pytest.fixture
def fresh_rows(installed: ControlPlane, namespace: str) -> dict[str, dict[str, Any]]:
    """The same in a namespace of the test's own, as no operator has seen them: for what reads the cluster itself."""
    return _create(installed, namespace)


@pytest.fixture
def monitor_rows(installed: ControlPlane, namespace: str) -> dict[str, dict[str, Any]]:
    """A monitor in each of its states, in a namespace of the test's own."""
    rows = monitors()
    shown = ("apiVersion", "kind", "spec")
    manifests = [
        {**{key: each[key] for key in shown}, "metadata": {"name": each["metadata"]["name"]}} for each in rows.values()
    ]
    installed.kubectl("create", "-f", "-", f"--namespace={namespace}", stdin=yaml.safe_dump_all(manifests))
    for each in rows.values():
        arguments = ["abm", each["metadata"]["name"], f"--namespace={namespace}", "--subresource=status"]
        installed.kubectl("patch", *arguments, "--type=merge", "--patch", json.dumps({"status": each["status"]}))
    return rows


@pytest.fixture(scope="session")
def account(installed: ControlPlane, rows: dict[str, Any]) -> Path:
    """The kubeconfig of kube-state-metrics, with the rights that are shipped for it."""
    del rows
    installed.kubectl("apply", "-f", str(MONITORING / "rbac.yaml"))
    installed.kubectl("create", "serviceaccount", "kube-state-metrics", "--namespace=default")
    installed.kubectl(
        "create",
        "clusterrolebinding",
        "kube-state-metrics",
        "--clusterrole=kube-state-metrics-appbackuprefs",
        "--serviceaccount=default:kube-state-metrics",
    )
    return installed.kubeconfig_for("default", "kube-state-metrics")


@pytest.fixture(scope="module")
def metrics(account: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of kube-state-metrics."""
    with kube_state_metrics(account, tmp_path_factory.mktemp("kube-state-metrics") / "log") as address:
        yield address
