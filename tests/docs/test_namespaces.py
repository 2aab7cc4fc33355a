"""manifests/namespaced as docs/recipes.md installs it: the operator runs with Roles alone, and asks for no more."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from dev.controlplane import ControlPlane, KubectlError
from dev.simulator import Simulator
from tests.docs.newcomer import Newcomer, deployed
from tests.docs.recipes import PAGE, marked_block
from tests.e2e.monitors import Monitors, add_backup, until
from tests.e2e.user import User
from tests.manifests.kustomize import Objects, built, overlay
from tests.operator_process import Operator, run_operator

_IMAGE: Final = "registry.example/astra-mirror:0.1.0"
_RULES: Final = "astra-mirror-namespace", "astra-mirror-refs"


@contextmanager
def _operator(cluster: ControlPlane, namespace: str, astra: Simulator) -> Iterator[Operator]:
    """As the Deployment in that namespace starts it, and allowed to call the simulator."""
    container = deployed(cluster, "deployment", namespace)
    assert container["image"] == _IMAGE
    [variable] = container["env"]
    assert variable["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.namespace"
    # Outside of a pod nothing says which namespace is the pod's own.
    environment = {variable["name"]: namespace, "ASTRA_MIRROR_LEASE_NAMESPACE": namespace}
    options = [*container["args"][1:], "--allowed-url", astra.url]
    operator = run_operator(cluster.kubeconfig_for(namespace, "astra-mirror"), *options, environment=environment)
    try:
        operator.wait_for_log(f"Holding the Lease {namespace}/astra-mirror\n")
        yield operator
    finally:
        operator.stop()


def _works(cluster: ControlPlane, namespace: str, astra: Simulator) -> None:
    """A ref becomes ready, and a monitor makes the ref of its backup."""
    user = User(cluster, namespace)
    user.secret_for(astra)
    user.ref("mine", astra.add_backup("completes", seconds=0))
    user.wait("mine", "Ready")
    monitors = Monitors(user, astra)
    add_backup(astra)
    monitors.apply(objectives=[{"name": "daily", "maxAge": "26h"}], mirror={"newest": 1})
    monitors.wait("RefsCurrent", "RefsCurrent")
    monitors.wait("ObjectivesMet")


def _asked(cluster: ControlPlane, account: str) -> list[dict[str, Any]]:
    """The requests of a ServiceAccount for objects."""
    user = f"system:serviceaccount:{account}"
    return [each for each in cluster.audit_events(of=user) if each["user"]["username"] == user and "objectRef" in each]


def _refused_to_its_owner(cluster: ControlPlane, newcomer: Newcomer) -> None:
    """Of all that it grants, the right to write statuses is the one that nobody but the cluster's administrator has."""
    cluster.kubectl("create", "rolebinding", "owner", "--clusterrole=admin", "--user=owner", "--namespace=shop")

    def missing() -> list[tuple[str, str]]:
        with pytest.raises(KubectlError, match="attempting to grant RBAC permissions not currently held") as refused:
            cluster.kubectl("apply", "-k", str(newcomer.clone / "my-cluster"), "--as=owner")
        return re.findall(r'^\{APIGroups:.*Resources:\["(.*)"\], Verbs:\["(.*)"\]\}$', str(refused.value), re.MULTILINE)

    # The cluster's own role admin learns of the kinds a moment after crds/ was applied.
    until(lambda: missing() == [("appbackupmonitors/status", "patch"), ("appbackuprefs/status", "patch")])


def test_one_namespace(cluster: ControlPlane, newcomer: Newcomer, astra: Simulator) -> None:
    """The steps as pasted, by an administrator alone: it works there, and nothing outside is looked at or asked for."""
    steps, apply, _ = marked_block("one-namespace").partition("kubectl apply -k my-cluster\n")
    newcomer.types(steps)
    _refused_to_its_owner(cluster, newcomer)
    newcomer.types(apply)
    cluster.kubectl("create", "namespace", "elsewhere")
    other = User(cluster, "elsewhere")
    other.secret_for(astra)
    other.ref("not-mine", astra.add_backup("completes", seconds=0))
    with _operator(cluster, "shop", astra) as operator:
        _works(cluster, "shop", astra)
        assert operator.http("/readyz")
    assert other.status("not-mine") == {"observedGeneration": -1}
    asked = _asked(cluster, "shop:astra-mirror")
    assert {each["objectRef"].get("namespace") for each in asked} == {"shop"}
    assert not [each for each in asked if each["annotations"].get("authorization.k8s.io/decision") == "forbid"]


def test_several_namespaces(cluster: ControlPlane, newcomer: Newcomer, astra: Simulator) -> None:
    """One operator beside them, whose Roles are in each of them, and none for its own but the Lease's."""
    cluster.kubectl("create", "namespace", "billing")
    newcomer.types(marked_block("several-namespaces"))
    with _operator(cluster, "astra-mirror-system", astra):
        for namespace in ("shop", "billing"):
            _works(cluster, namespace, astra)
    asked = _asked(cluster, "astra-mirror-system:astra-mirror")
    assert {each["objectRef"].get("namespace") for each in asked} == {"shop", "billing", "astra-mirror-system"}
    own = [each["objectRef"] for each in asked if each["objectRef"].get("namespace") == "astra-mirror-system"]
    assert {each["resource"] for each in own} == {"leases"}
    assert not [each for each in asked if each["annotations"].get("authorization.k8s.io/decision") == "forbid"]


def test_the_overlays_are_as_short_as_the_page_says() -> None:
    """Ten lines for several."""
    files = [each.split("END\n")[0] for each in marked_block("several-namespaces").split("<<'END'\n")[1:]]
    assert (len(files), sum(len(each.splitlines()) for each in files)) == (3, 10)
    assert "The overlay has ten lines, in three files" in PAGE


def _rights(objects: Objects, kind: str, *names: str) -> list[Any]:
    return [rule for name in names for rule in objects[f"{kind} {name}"]["rules"]]


def test_the_roles_are_those_of_the_cluster() -> None:
    """What the two ClusterRoles allow everywhere, the two Roles allow there; and nothing is the cluster's."""
    default, namespaced = built("manifests/default"), built("manifests/namespaced")
    there = [f"astra-mirror-system/{each}" for each in _RULES]
    assert _rights(namespaced, "Role", *there) == _rights(default, "ClusterRole", "astra-mirror", "astra-mirror-refs")
    lease = "astra-mirror-system/astra-mirror"
    assert _rights(namespaced, "Role", lease) == _rights(default, "Role", lease)
    kinds = {"Deployment", "Role", "RoleBinding", "Service", "ServiceAccount"}
    assert {each["kind"] for each in namespaced.values()} == kinds
    account = default[f"ServiceAccount {lease}"]
    for binding in (each for each in namespaced.values() if each["kind"] == "RoleBinding"):
        [subject] = binding["subjects"]
        assert (subject["namespace"], subject["name"]) == (
            account["metadata"]["namespace"],
            account["metadata"]["name"],
        )
        assert binding["roleRef"]["name"] == binding["metadata"]["name"]


def test_without_mirror(tmp_path: Path) -> None:
    """The patch on the page takes out the Role for refs and its binding, and nothing else."""
    plain = "namespace: shop\nresources: [../manifests/namespaced]\n"
    before = built(overlay(tmp_path, {"kustomization.yaml": plain}))
    after = built(overlay(tmp_path, {"kustomization.yaml": plain + marked_block("no-mirror")}))
    assert set(before) - set(after) == {f"{kind} shop/astra-mirror-refs" for kind in ("Role", "RoleBinding")}
    assert after == {name: before[name] for name in after}
