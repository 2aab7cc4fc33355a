"""manifests/ha and manifests/sharded: admitted by the real API server, and what they say they are."""

from typing import Any

import pytest
import yaml

from astra_mirror.core.shard import Shard
from dev.controlplane import ControlPlane


def _objects(control_plane: ControlPlane, folder: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(control_plane.kubectl("kustomize", f"manifests/{folder}")))


def _one(objects: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    [found] = [each for each in objects if each["kind"] == kind]
    return found


@pytest.mark.parametrize("folder", ["ha", "sharded"])
def test_the_api_server_accepts_all_of_it(installed: ControlPlane, folder: str) -> None:
    """Each object, and the pods under the namespace's `restricted`."""
    installed.kubectl("apply", "--dry-run=server", "-k", f"manifests/{folder}")
    objects = _objects(installed, folder)
    workload = _one(objects, "StatefulSet" if folder == "sharded" else "Deployment")
    template = workload["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": folder}, "spec": template["spec"]}
    arguments = ["create", "--dry-run=server", "-f", "-", "--namespace=astra-mirror-system"]
    assert "created" in installed.kubectl(*arguments, stdin=yaml.safe_dump(pod))


def test_ha_is_two_replicas_with_a_lease(installed: ControlPlane) -> None:
    """And one of them at least is left when nodes are drained."""
    objects = _objects(installed, "ha")
    deployment = _one(objects, "Deployment")["spec"]
    assert deployment["replicas"] == 2
    assert deployment["template"]["spec"]["containers"][0]["args"] == ["run", "--leader-elect"]
    assert _one(objects, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_sharded_covers_every_app_once(installed: ControlPlane) -> None:
    """As many shards as replicas, each with its own number, and no Deployment beside them."""
    objects = _objects(installed, "sharded")
    assert not [each for each in objects if each["kind"] == "Deployment"]
    workload = _one(objects, "StatefulSet")["spec"]
    container = workload["template"]["spec"]["containers"][0]
    environment = {each["name"]: each for each in container["env"]}
    assert environment["SHARD"]["valueFrom"]["fieldRef"]["fieldPath"].endswith("['apps.kubernetes.io/pod-index']")
    template = environment["ASTRA_MIRROR_SHARD"]["value"]
    shards = [Shard.parse(template.replace("$(SHARD)", str(index))) for index in range(workload["replicas"])]
    for app in range(100):
        assert sum(shard.owns("account", f"app-{app}") for shard in shards) == 1


def test_sharded_may_hold_the_leases_of_its_shards_and_no_other(installed: ControlPlane) -> None:
    """The names in the role are those that the shards ask for."""
    objects = _objects(installed, "sharded")
    replicas = _one(objects, "StatefulSet")["spec"]["replicas"]
    create, hold = _one(objects, "Role")["rules"]
    assert (create["verbs"], create.get("resourceNames")) == (["create"], None)
    assert hold["verbs"] == ["get", "update"]
    assert hold["resourceNames"] == [f"astra-mirror-{index}-of-{replicas}" for index in range(replicas)]


def test_the_sharded_pods_are_those_of_the_default_but_for_the_shard(installed: ControlPlane) -> None:
    """The one template is a copy of the other, and must not fall behind."""
    default = _one(_objects(installed, "default"), "Deployment")["spec"]["template"]
    sharded = _one(_objects(installed, "sharded"), "StatefulSet")["spec"]["template"]
    del sharded["spec"]["containers"][0]["env"]
    assert sharded == default
