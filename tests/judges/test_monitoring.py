"""kube-state-metrics makes series of the refs, and promtool reads the alerts: both the real programs."""

import re
import shutil
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.controlplane import ControlPlane
from dev.judges import folder
from dev.simulator import Simulator
from tests.e2e.user import User
from tests.operator_process import StartOperator

MONITORING = Path("manifests/monitoring")


@pytest.fixture(scope="module")
def metrics(installed: ControlPlane, rows: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of kube-state-metrics, under the rights that are shipped for it."""
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
    kubeconfig = installed.kubeconfig_for("default", "kube-state-metrics")
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        port, telemetry = one.getsockname()[1], other.getsockname()[1]
    log = tmp_path_factory.mktemp("kube-state-metrics") / "log"
    command = [
        str(folder() / "kube-state-metrics"),
        f"--kubeconfig={kubeconfig}",
        "--resources=leases",
        f"--custom-resource-state-config-file={MONITORING / 'kube-state-metrics.yaml'}",
        "--host=127.0.0.1",
        f"--port={port}",
        "--telemetry-host=127.0.0.1",
        f"--telemetry-port={telemetry}",
    ]
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        yield f"http://127.0.0.1:{port}/metrics"
        process.terminate()


Series = dict[tuple[tuple[str, str], ...], float]


def _series(address: str, name: str, *, until: Callable[[Series], object] = bool, **labels: str) -> Series:
    """The series of that name with these labels, once `until` says so; the program tells nobody when it has looked."""
    pause = threading.Event()
    found: Series = {}
    for _ in range(600):
        found = {}
        for line in re.findall(rf"^{name}{{(.*)}} (\S+)$", _get(address), re.MULTILINE):
            pairs = tuple(re.findall(r'(\w+)="([^"]*)"', line[0]))
            if labels.items() <= dict(pairs).items():
                found[pairs] = float(line[1])
        if until(found):
            return found
        pause.wait(0.1)
    raise AssertionError(f"{name} with {labels}: {found}")


def _get(address: str) -> str:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def test_series_of_a_ref(metrics: str) -> None:
    """Its IDs and state, each condition with its reason, and the progress."""
    [info] = _series(metrics, "kube_appbackupref_info", appbackupref="row-running")
    assert dict(info)["state"] == "running"
    assert {"account", "app", "backup", "namespace"} <= set(dict(info))
    conditions = _series(metrics, "kube_appbackupref_condition", appbackupref="row-failed")
    true = {
        (dict(each)["type"], dict(each)["status"], dict(each)["reason"]) for each, value in conditions.items() if value
    }
    assert ("Succeeded", "False", "BackupFailed") in true
    assert ("Stalled", "True", "BackupFailed") in true
    [percent] = _series(metrics, "kube_appbackupref_progress_percent", appbackupref="row-running").values()
    assert percent == 41
    [done] = _series(metrics, "kube_appbackupref_bytes_done", appbackupref="row-running").values()
    assert done == 1_288_490_188
    [suspended] = _series(metrics, "kube_appbackupref_suspended", appbackupref="row-suspended").values()
    assert suspended == 1


def test_the_operators_lease_is_a_series(metrics: str, user: User, start_operator: StartOperator) -> None:
    """What the alert for an operator that is down is made of."""
    del user
    start_operator("--leader-elect").wait_for_log("Holding the Lease")
    renewed = _series(metrics, "kube_lease_renew_time", namespace="astra-mirror-system", lease="astra-mirror")
    assert min(renewed.values()) > 1_700_000_000


def test_every_series_in_the_alerts_exists(metrics: str) -> None:
    """An alert on a series that nobody makes would never fire."""
    rules = yaml.safe_load((MONITORING / "prometheusrule.yaml").read_text())["spec"]["groups"][0]["rules"]
    used = {name for rule in rules for name in re.findall(r"\bkube_\w+", rule["expr"])}
    assert used == {"kube_appbackupref_condition", "kube_lease_renew_time"}
    for name in used:
        assert _series(metrics, name)


def test_the_alerts_do_what_they_say(tmp_path: Path) -> None:
    """Promtool checks them and runs their unit tests."""
    spec = yaml.safe_load((MONITORING / "prometheusrule.yaml").read_text())["spec"]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(spec))
    shutil.copy("tests/judges/rules_test.yaml", tmp_path)
    for arguments in (["check", "rules", "rules.yaml"], ["test", "rules", "rules_test.yaml"]):
        ended = subprocess.run(
            [folder() / "promtool", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_alerts_unit_tests_can_fail(tmp_path: Path) -> None:
    """With another threshold they do."""
    spec = yaml.safe_load((MONITORING / "prometheusrule.yaml").read_text())["spec"]
    for rule in spec["groups"][0]["rules"]:
        rule["expr"] = rule["expr"].replace("> 60", "> 6000").replace("== 1", "== 2")
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(spec))
    shutil.copy("tests/judges/rules_test.yaml", tmp_path)
    command = [str(folder() / "promtool"), "test", "rules", "rules_test.yaml"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode != 0


def test_a_ref_that_fails_is_seen_by_kube_state_metrics(
    metrics: str, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """The way from Astra's answer to the series that the alert reads."""
    user.secret_for(astra)
    user.ref("broken", astra.add_backup("fails", seconds=0))
    start_operator()
    user.wait("broken", "Finished")
    labels = {"namespace": user.namespace, "type": "Succeeded", "status": "False"}
    _series(metrics, "kube_appbackupref_condition", until=lambda found: 1.0 in found.values(), **labels)
