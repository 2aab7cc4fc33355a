"""What holds for every object of every folder, however it is put together: labels, selectors, pods, restricted."""

import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from dev.controlplane import ControlPlane
from tests.manifests.kustomize import Objects, built, folders, overlay, pod_of

VERSION: Final = tomllib.loads(Path("pyproject.toml").read_text())["project"]["version"]
NAME: Final = "app.kubernetes.io/name"
LABELS: Final = {
    NAME: "astra-mirror",
    "app.kubernetes.io/version": VERSION,
    "app.kubernetes.io/managed-by": "kustomize",
}
FOLDERS: Final = folders()
WORKLOADS: Final = {"Deployment", "StatefulSet"}
COMPONENTS: Final = """\
resources: [../manifests/default]
components: [../manifests/components/disruption-budget, ../manifests/components/network-policy]
"""


def _all(tmp_path: Path) -> dict[str, Objects]:
    """The objects of each folder, and of the components in an overlay."""
    found = {folder: built(folder) for folder in FOLDERS}
    found["an overlay"] = built(overlay(tmp_path, {"kustomization.yaml": COMPONENTS}))
    return found


def _missing(metadata: dict[str, Any]) -> set[str]:
    return {key for key, value in LABELS.items() if metadata.get("labels", {}).get(key) != value}


def test_the_folders_that_can_be_applied() -> None:
    """So that none is forgotten here, nor one that is taken away."""
    assert [each.removeprefix("manifests/") for each in FOLDERS] == [
        "crds",
        "base",
        "default",
        "gitops",
        "ha",
        "monitoring",
        "namespaced",
        "namespaced/operator",
        "namespaced/roles",
        "sharded",
    ]


def test_name_version_and_managed_by(tmp_path: Path) -> None:
    """On every object and every pod, with the version that is built; what names manifests/base adds them."""
    seen = set()
    for folder, objects in _all(tmp_path).items():
        if folder == "manifests/base":
            continue
        for name, each in objects.items():
            assert not _missing(each["metadata"]), (folder, name)
            assert each["kind"] not in WORKLOADS or not _missing(each["spec"]["template"]["metadata"]), (folder, name)
            seen.add(each["kind"])
    cluster = {"CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "Namespace"}
    assert seen >= WORKLOADS | cluster | {"NetworkPolicy", "PodDisruptionBudget", "ServiceMonitor", "PrometheusRule"}


def test_selectors_are_those_of_0_1_0(tmp_path: Path) -> None:
    """They cannot be changed where the operator is installed: an upgrade would be refused."""
    found = []
    for objects in _all(tmp_path).values():
        for each in objects.values():
            spec = each.get("spec", {})
            selector = spec.get("selector", spec.get("podSelector"))
            if each["apiVersion"] != "apiextensions.k8s.io/v1" and selector is not None:
                found.append(selector.get("matchLabels", selector))
    assert len(found) > len(FOLDERS)
    assert all(each == {NAME: "astra-mirror"} for each in found)


def test_every_pod(tmp_path: Path) -> None:
    """Runs on Linux, is this release's image, and gets no variable from a Service, which would look like an option."""
    for folder, objects in _all(tmp_path).items():
        for workload in (each for each in objects.values() if each["kind"] in WORKLOADS):
            pod = workload["spec"]["template"]["spec"]
            assert pod["enableServiceLinks"] is False
            assert pod["nodeSelector"] == {"kubernetes.io/os": "linux"}
            [container] = pod["containers"]
            assert container["image"] == ("astra-mirror" if folder == "manifests/base" else f"astra-mirror:{VERSION}")


@pytest.mark.parametrize("folder", [each for each in FOLDERS if "crds" not in each and "gitops" not in each])
def test_restricted_everywhere(installed: ControlPlane, namespace: str, folder: str) -> None:
    """Whatever a folder runs is admitted where the strictest standard is enforced."""
    installed.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    pods = [pod_of(each) for each in built(folder).values() if "template" in each.get("spec", {})]
    for pod in pods:
        arguments = ["create", "--dry-run=server", "-f", "-", f"--namespace={namespace}"]
        assert "created" in installed.kubectl(*arguments, stdin=yaml.safe_dump(pod))
    has_none = folder in {"manifests/monitoring", "manifests/namespaced/roles"}
    assert len(pods) == (0 if has_none else 1)


def test_the_namespace_enforces_audits_and_warns() -> None:
    """All three by the same standard: who looks at warnings or at the audit log sees what is refused."""
    for folder in ("manifests/default", "manifests/ha", "manifests/sharded"):
        labels = built(folder)["Namespace astra-mirror-system"]["metadata"]["labels"]
        for mode in ("enforce", "audit", "warn"):
            assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"


def test_a_budget_where_there_is_more_than_one_pod() -> None:
    """And none where there is one: it would keep a node from being drained, or be of no use."""
    for folder in FOLDERS:
        objects = built(folder)
        replicas = [each["spec"]["replicas"] for each in objects.values() if each["kind"] in WORKLOADS]
        budgets = [each["spec"] for each in objects.values() if each["kind"] == "PodDisruptionBudget"]
        assert len(budgets) == (1 if replicas and replicas[0] > 1 else 0), folder
        assert all(each["maxUnavailable"] == 1 for each in budgets)
