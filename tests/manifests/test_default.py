"""manifests/default on the real API server: admitted under `restricted`, with no right more or less than it needs."""

import copy
from typing import Any

import pytest
import yaml

from astra_mirror.settings import Settings
from dev.controlplane import ControlPlane, KubectlError

KINDS = ["appbackuprefs", "appbackupmonitors"]
ACCOUNT = "--as=system:serviceaccount:astra-mirror-system:astra-mirror"


@pytest.fixture(scope="module")
def objects(installed: ControlPlane) -> list[dict[str, Any]]:
    """What kustomize makes of the folder."""
    return list(yaml.safe_load_all(installed.kubectl("kustomize", "manifests/default")))


def _one(objects: list[dict[str, Any]], kind: str, name: str = "") -> dict[str, Any]:
    [found] = [each for each in objects if each["kind"] == kind and each["metadata"]["name"].endswith(name)]
    return found


def test_what_is_installed(objects: list[dict[str, Any]]) -> None:
    """CRD with the users' two roles, namespace, service account, RBAC, Deployment, Service, and nothing else."""
    assert sorted(each["kind"] for each in objects) == sorted(
        [
            *["ClusterRole"] * 4,
            *["ClusterRoleBinding"] * 2,
            *["CustomResourceDefinition"] * 2,
            "Deployment",
            "Namespace",
            "Role",
            "RoleBinding",
            "Service",
            "ServiceAccount",
        ]
    )
    assert _one(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]["image"] == "astra-mirror:0.1.0"


def _pod(objects: list[dict[str, Any]]) -> dict[str, Any]:
    template = copy.deepcopy(_one(objects, "Deployment")["spec"]["template"])
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "operator", "labels": template["metadata"]["labels"]},
        "spec": template["spec"],
    }


def _create(control_plane: ControlPlane, pod: dict[str, Any]) -> str:
    arguments = ["create", "--dry-run=server", "-f", "-", "--namespace=astra-mirror-system"]
    return control_plane.kubectl(*arguments, stdin=yaml.safe_dump(pod))


def test_the_pod_is_admitted_under_restricted(installed: ControlPlane, objects: list[dict[str, Any]]) -> None:
    """The namespace enforces the strictest standard, and the pod passes."""
    labels = _one(objects, "Namespace")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert "created" in _create(installed, _pod(objects))


@pytest.mark.parametrize(
    ("where", "setting"),
    [
        ("pod", "runAsNonRoot"),
        ("pod", "seccompProfile"),
        ("container", "allowPrivilegeEscalation"),
        ("container", "capabilities"),
    ],
)
def test_the_standard_is_enforced(
    installed: ControlPlane, objects: list[dict[str, Any]], where: str, setting: str
) -> None:
    """Without any one of the settings the same pod is refused: the test above can fail."""
    pod = _pod(objects)
    holder = pod["spec"] if where == "pod" else pod["spec"]["containers"][0]
    del holder["securityContext"][setting]
    with pytest.raises(KubectlError, match="restricted"):
        _create(installed, pod)


def test_the_container_is_hardened_beyond_the_standard(objects: list[dict[str, Any]]) -> None:
    """What no admission asks for: a read-only root, a number for the user, requests, a memory limit, probes."""
    spec = _one(objects, "Deployment")["spec"]["template"]["spec"]
    container = spec["containers"][0]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert spec["securityContext"]["runAsUser"] >= 1000
    assert set(container["resources"]["requests"]) == {"cpu", "memory"}
    assert "memory" in container["resources"]["limits"]
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container)
    assert container["args"] == ["run", "--leader-elect"]


def test_rbac_in_full(objects: list[dict[str, Any]]) -> None:
    """The operator's rules are these and no others."""
    assert _one(objects, "ClusterRole", "astra-mirror")["rules"] == [
        {"apiGroups": ["astra-mirror.io"], "resources": KINDS, "verbs": ["get", "list", "watch"]},
        {"apiGroups": ["astra-mirror.io"], "resources": [f"{each}/status" for each in KINDS], "verbs": ["patch"]},
        {
            "apiGroups": [""],
            "resources": ["secrets"],
            "resourceNames": ["astra-control"],
            "verbs": ["get", "list", "watch"],
        },
        {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
    ]
    assert _one(objects, "ClusterRole", "astra-mirror-refs")["rules"] == [
        {"apiGroups": ["astra-mirror.io"], "resources": ["appbackuprefs"], "verbs": ["create", "patch", "delete"]},
    ]
    leases = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    assert _one(objects, "Role")["rules"] == [
        {**leases, "verbs": ["create"]},
        {**leases, "resourceNames": ["astra-mirror"], "verbs": ["get", "update"]},
    ]


@pytest.mark.parametrize(
    ("verb", "resource", "options", "allowed"),
    [
        ("watch", "appbackuprefs.astra-mirror.io", ["--all-namespaces"], True),
        ("patch", "appbackuprefs.astra-mirror.io", ["--subresource=status", "--all-namespaces"], True),
        ("watch", "secrets/astra-control", ["--namespace=default"], True),
        ("create", "events.events.k8s.io", ["--namespace=default"], True),
        ("create", "leases.coordination.k8s.io", ["--namespace=astra-mirror-system"], True),
        ("update", "leases.coordination.k8s.io/astra-mirror", ["--namespace=astra-mirror-system"], True),
        ("update", "leases.coordination.k8s.io/other", ["--namespace=astra-mirror-system"], False),
        ("watch", "appbackupmonitors.astra-mirror.io", ["--all-namespaces"], True),
        ("patch", "appbackupmonitors.astra-mirror.io", ["--subresource=status", "--all-namespaces"], True),
        ("create", "appbackuprefs.astra-mirror.io", ["--all-namespaces"], True),
        ("patch", "appbackuprefs.astra-mirror.io", ["--all-namespaces"], True),
        ("delete", "appbackuprefs.astra-mirror.io", ["--all-namespaces"], True),
        ("patch", "appbackupmonitors.astra-mirror.io", ["--all-namespaces"], False),
        ("create", "appbackupmonitors.astra-mirror.io", ["--all-namespaces"], False),
        ("update", "appbackuprefs.astra-mirror.io", ["--subresource=status", "--all-namespaces"], False),
        ("get", "secrets/other", ["--namespace=default"], False),
        ("list", "secrets", ["--all-namespaces"], False),
        ("create", "secrets", ["--namespace=default"], False),
        ("list", "namespaces", [], False),
        ("list", "customresourcedefinitions.apiextensions.k8s.io", [], False),
        ("update", "leases.coordination.k8s.io/astra-mirror", ["--namespace=default"], False),
    ],
)
def test_what_the_account_may_do(
    installed: ControlPlane, verb: str, resource: str, options: list[str], allowed: bool
) -> None:
    """Asked of the API server itself."""
    try:
        answer = installed.kubectl("auth", "can-i", verb, resource, ACCOUNT, *options).strip()
    except KubectlError as error:
        answer = str(error).split()[-1]
    assert answer == ("yes" if allowed else "no")


def test_only_secrets_of_that_name_can_be_listed(installed: ControlPlane) -> None:
    """In all namespaces by the name, and not without it."""
    installed.kubectl("get", "secrets", "--all-namespaces", "--field-selector=metadata.name=astra-control", ACCOUNT)
    for selector in ([], ["--field-selector=metadata.name=other"]):
        with pytest.raises(KubectlError, match="forbidden"):
            installed.kubectl("get", "secrets", "--all-namespaces", ACCOUNT, *selector)


def test_probes_and_service_use_the_port_of_http_address(objects: list[dict[str, Any]]) -> None:
    """One name for it everywhere, and the number is the option's default, which the arguments leave alone."""
    container = _one(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    [port] = container["ports"]
    assert str(port["containerPort"]) == Settings().http_address.rpartition(":")[2]
    paths = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert {each["port"] for each in paths.values()} == {port["name"]}
    assert {name: each["path"] for name, each in paths.items()} == {
        "startup": "/healthz",
        "liveness": "/healthz",
        "readiness": "/readyz",
    }
    service = _one(objects, "Service")["spec"]
    assert [(each["port"], each["targetPort"]) for each in service["ports"]] == [(8080, port["name"])]
    # A cluster of one family gives it that one; the pod serves both.
    assert service["ipFamilyPolicy"] == "PreferDualStack"
