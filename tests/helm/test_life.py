"""The life of a release on a real control plane: 0.1.0, this one, back, forward again, gone. What users have stays.

tests/helm/astra-mirror-0.1.0.tgz is manifests/default as of commit f04a105 as a chart, an object a template, without
the Namespace. tests/helm/statuses-0.1.0.yaml has refs as the operator of that commit left them, with statuses that lack
`target`.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from dev.controlplane import ControlPlane, KubectlError
from dev.helm import HelmError, helm
from dev.simulator import Simulator
from tests.docs.newcomer import deployed
from tests.docs.recipes import marked_block
from tests.e2e.monitors import until
from tests.e2e.user import User, condition
from tests.helm.chart import CHART, SYSTEM
from tests.operator_process import run_operator

OLD: Final = "tests/helm/astra-mirror-0.1.0.tgz"
REFS: Final = list(yaml.safe_load_all(Path("tests/helm/statuses-0.1.0.yaml").read_text()))
OBSERVED: Final = ("state", "stateUnready", "stateDetails", "progress", "hookState", "hookStateDetails", "backup")
ACCOUNT: Final = f"system:serviceaccount:{SYSTEM}:astra-mirror"
CRDS: Final = ("appbackuprefs.astra-mirror.io", "appbackupmonitors.astra-mirror.io")


class Release:
    """The release `astra-mirror` on a cluster."""

    def __init__(self, cluster: ControlPlane, home: Path) -> None:
        self._cluster, self._home = cluster, home

    def __call__(self, command: str, *arguments: str, **values: Any) -> str:
        """`helm COMMAND astra-mirror ARGUMENTS`, with values where there are any."""
        options = ["--namespace", SYSTEM]
        if values:
            file = self._home / "values.yaml"
            file.write_text(yaml.safe_dump(values))
            options += ["--values", str(file)]
        return helm(command, "astra-mirror", *arguments, *options, home=self._home, kubeconfig=self._cluster.kubeconfig)

    def revisions(self) -> list[tuple[int, str]]:
        """The revisions and what has become of them."""
        return [(each["revision"], each["status"]) for each in json.loads(self("history", "--output=json"))]


@pytest.fixture(scope="module")
def cluster() -> Iterator[ControlPlane]:
    """One of their own, on which nothing is installed."""
    with ControlPlane.start(audit=True) as control_plane:
        control_plane.kubectl("create", "namespace", "shop")
        control_plane.kubectl("create", "namespace", SYSTEM)
        control_plane.kubectl("label", "namespace", SYSTEM, "pod-security.kubernetes.io/enforce=restricted")
        yield control_plane


@pytest.fixture
def release(cluster: ControlPlane, tmp_path: Path) -> Release:
    """Helm for it."""
    return Release(cluster, tmp_path)


def _refs(cluster: ControlPlane) -> dict[str, dict[str, Any]]:
    found = json.loads(cluster.kubectl("get", "abr", "--namespace=shop", "-o", "json"))["items"]
    return {each["metadata"]["name"]: each for each in found}


def _left_by_0_1_0(cluster: ControlPlane) -> None:
    """The refs as its operator left them."""
    cluster.kubectl("create", "--namespace=shop", "-f", "-", stdin=yaml.safe_dump_all(REFS))
    for ref in REFS:
        patch = ["--subresource=status", "--type=merge", "--patch", json.dumps({"status": ref["status"]})]
        cluster.kubectl("patch", "abr", ref["metadata"]["name"], "--namespace=shop", *patch)


def _settled(cluster: ControlPlane, *crds: str) -> None:
    """The API server serves these CRDs: it does so a moment after it says that it will."""
    cluster.kubectl("wait", "--for=condition=Established", *(f"crd/{each}" for each in crds), "--timeout=30s")

    def is_served(crd: str) -> bool:
        with suppress(KubectlError):
            return cluster.kubectl("get", crd, "--all-namespaces", "-o", "name") is not None
        return False

    until(lambda: all(map(is_served, crds)))


def _looked_at(cluster: ControlPlane, astra: Simulator) -> dict[str, dict[str, Any]]:
    """The refs after the operator, as the Deployment starts it, has tried to poll each while Astra Control is down."""
    options = deployed(cluster, "deployment")["args"][1:]
    User(cluster, "shop").secret_for(astra)
    with astra.fault("*", status=503):
        operator = run_operator(cluster.kubeconfig_for(SYSTEM, "astra-mirror"), *options, "--allowed-url", astra.url)
        try:
            reason = '{.status.conditions[?(@.type=="Synced")].reason}'
            wait = ["wait", f"--for=jsonpath={reason}=ServerError", "abr", "--all", "--namespace=shop", "--timeout=60s"]
            cluster.kubectl(*wait)
            operator.wait_for_log(f"Holding the Lease {SYSTEM}/astra-mirror\n")
        finally:
            operator.stop()
    return _refs(cluster)


def _shown(ref: dict[str, Any]) -> dict[str, Any]:
    """All that was ever observed of the backup, and what follows from it, with the times since when."""
    status = ref["status"]
    kept = {key: status[key] for key in OBSERVED if key in status}
    return kept | {kind: condition(status, kind) for kind in ("Ready", "Succeeded", "Finished")}


def test_the_life_of_a_release(cluster: ControlPlane, release: Release, astra: Simulator) -> None:
    """From 0.1.0 to this release with nothing lost, back with every object kept, forward again, and gone."""
    release("install", OLD)
    _settled(cluster, CRDS[0])
    _left_by_0_1_0(cluster)
    assert not [ref for ref in REFS if "target" in ref["status"]]

    release("upgrade", CHART)
    _settled(cluster, *CRDS)
    after = _looked_at(cluster, astra)
    assert {name: _shown(each) for name, each in after.items()} == {
        each["metadata"]["name"]: _shown(each) for each in REFS
    }
    assert all("target" in each["status"] for each in after.values())

    manifest = {"apiVersion": "astra-mirror.io/v1", "kind": "AppBackupMonitor", "metadata": {"name": "shop"}}
    ids = {key: REFS[0]["spec"][key] for key in ("accountID", "appID")}
    cluster.kubectl("create", "--namespace=shop", "-f", "-", stdin=yaml.safe_dump({**manifest, "spec": ids}))
    release("rollback", "1")
    there = partial(cluster.kubectl, "get", "--namespace=shop", "-o", "name")
    assert there("abm").split() == ["appbackupmonitor.astra-mirror.io/shop"]
    assert {name: _shown(each) for name, each in _refs(cluster).items()} == {
        name: _shown(each) for name, each in after.items()
    }
    assert "nodeSelector" not in cluster.kubectl("get", "deployment", f"--namespace={SYSTEM}", "-o", "yaml")

    release("upgrade", CHART)
    assert release.revisions() == [(1, "superseded"), (2, "superseded"), (3, "superseded"), (4, "deployed")]
    release("uninstall")
    assert len(there("abr,abm").split()) == len(REFS) + 1
    roles = cluster.kubectl("get", "clusterroles,clusterrolebindings", "-o", "name").split()
    assert {each.partition("/")[2] for each in roles if "/astra-mirror" in each} == {
        "astra-mirror-view",
        "astra-mirror-edit",
    }
    assert not cluster.kubectl("get", "deployments,roles,services", f"--namespace={SYSTEM}", "-o", "name")


def _workloads(cluster: ControlPlane) -> list[str]:
    kinds = "deployments,statefulsets,poddisruptionbudgets"
    return [
        each.partition(".")[0] for each in cluster.kubectl("get", kinds, f"--namespace={SYSTEM}", "-o", "name").split()
    ]


def test_another_number_of_pods(cluster: ControlPlane, release: Release) -> None:
    """What one number needs and the next does not is gone after an upgrade: the budget, the Deployment."""
    release("install", CHART, replicas=2)
    assert _workloads(cluster) == ["deployment", "poddisruptionbudget"]
    release("upgrade", CHART, replicas=1)
    assert _workloads(cluster) == ["deployment"]
    release("upgrade", CHART, shards=3)
    assert _workloads(cluster) == ["statefulset", "poddisruptionbudget"]
    release("uninstall")
    assert not _workloads(cluster)


def test_some_namespaces(cluster: ControlPlane, release: Release, astra: Simulator) -> None:
    """The operator runs with the Roles that the chart makes there, and is refused nothing."""
    release("install", CHART, scope="namespaces", namespaces=["shop"])
    _settled(cluster, *CRDS)
    began = datetime.now(UTC).isoformat()
    options = deployed(cluster, "deployment")["args"][1:]
    user = User(cluster, "shop")
    user.secret_for(astra)
    user.ref("new", astra.add_backup("completes", seconds=0))
    operator = run_operator(cluster.kubeconfig_for(SYSTEM, "astra-mirror"), *options, "--allowed-url", astra.url)
    try:
        user.wait("new", "Ready")
    finally:
        operator.stop()
    asked = [each for each in cluster.audit_events(of=ACCOUNT) if each["user"]["username"] == ACCOUNT]
    latest = [each for each in asked if each["requestReceivedTimestamp"] >= began and "objectRef" in each]
    assert {each["objectRef"].get("namespace") for each in latest} == {"shop", SYSTEM}
    assert {each["annotations"]["authorization.k8s.io/decision"] for each in latest} == {"allow"}
    release("uninstall")


def test_another_release(cluster: ControlPlane, release: Release, tmp_path: Path) -> None:
    """It takes over what one of another name and namespace has left, if it is told to, and nothing otherwise."""
    release("install", CHART)
    release("uninstall")
    other = ["install", "other", CHART, "--namespace=shop"]
    with pytest.raises(HelmError, match="invalid ownership metadata"):
        helm(*other, home=tmp_path, kubeconfig=cluster.kubeconfig)
    helm(*other, "--take-ownership", home=tmp_path, kubeconfig=cluster.kubeconfig)
    for command in (["upgrade", "other", CHART, "--set=mirror.enabled=false"], ["uninstall", "other"]):
        helm(*command, "--namespace=shop", home=tmp_path, kubeconfig=cluster.kubeconfig)
    release("install", CHART, "--take-ownership")
    release("uninstall")


def test_crds_that_are_not_kept(cluster: ControlPlane, release: Release) -> None:
    """Out of a release they stay, while they are kept; confirmed, an uninstallation takes them, and every ref."""
    release("install", CHART)
    release("upgrade", CHART, crds={"install": False})
    cluster.kubectl("get", *(f"crd/{each}" for each in CRDS), "clusterrole/astra-mirror-edit")
    release("upgrade", CHART, **yaml.safe_load(marked_block("crds-not-kept")))
    release("uninstall")
    cluster.kubectl("wait", "--for=delete", *(f"crd/{each}" for each in CRDS), "--timeout=60s")
    assert "astra-mirror" not in cluster.kubectl("get", "clusterroles", "-o", "name")


def test_an_upgrade_by_kubectl(cluster: ControlPlane, tmp_path: Path) -> None:
    """The same objects of 0.1.0, installed by kubectl: no selector has changed, and what was observed stays."""
    cluster.kubectl("apply", "-f", "-", stdin=helm("template", "astra-mirror", OLD, home=tmp_path))
    _settled(cluster, CRDS[0])
    _left_by_0_1_0(cluster)
    before = _refs(cluster)
    cluster.kubectl("apply", "-k", "manifests/default")
    assert {name: _shown(each) for name, each in _refs(cluster).items()} == {
        name: _shown(each) for name, each in before.items()
    }
    cluster.kubectl("delete", "-k", "manifests/default", "--wait=false")
