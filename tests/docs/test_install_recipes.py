"""The recipes of docs/recipes.md about installing: overlays built by kustomize and taken by the real API server."""

from pathlib import Path

import pytest
import yaml

from dev.controlplane import ControlPlane, KubectlError
from tests.docs.newcomer import settle
from tests.docs.recipes import PAGE, marked_block, run_script
from tests.e2e.user import User
from tests.manifests.foreign import install, install_prometheus
from tests.manifests.kustomize import built, overlay, pod_of


def test_another_name_for_the_secret(tmp_path: Path) -> None:
    """The patch adds the name to the role's Secrets, and nothing else; for namespaces by the other target."""
    for folder, role, target in (
        ("default", "ClusterRole astra-mirror", "{kind: ClusterRole, name: astra-mirror}"),
        (
            "namespaced",
            "Role astra-mirror-system/astra-mirror-namespace",
            "{kind: Role, name: astra-mirror-namespace}",
        ),
    ):
        assert target in PAGE
        patch = marked_block("secret-name").replace("{kind: ClusterRole, name: astra-mirror}", target)
        text = f"resources: [../manifests/{folder}]\npatches:\n{patch}"
        before = built(f"manifests/{folder}")
        after = built(overlay(tmp_path, {"kustomization.yaml": text}))
        assert before[role]["rules"][2].pop("resourceNames") == ["astra-control"]
        assert after[role]["rules"][2].pop("resourceNames") == ["astra-control", "astra-control-config"]
        assert after == before


@pytest.mark.parametrize(
    ("base", "kind"), [("default", "Deployment"), ("ha", "Deployment"), ("sharded", "StatefulSet")]
)
def test_a_private_registry(tmp_path: Path, base: str, kind: str) -> None:
    """The pods of each folder name the Secret that the page creates, and nothing else is different."""
    plain = f"resources: [../manifests/{base}]\n"
    before = built(overlay(tmp_path, {"kustomization.yaml": plain}))
    after = built(overlay(tmp_path, {"kustomization.yaml": f"{plain}patches:\n{marked_block('pull-secret')}"}))
    pod = after[f"{kind} astra-mirror-system/astra-mirror"]["spec"]["template"]["spec"]
    assert pod.pop("imagePullSecrets") == [{"name": "registry"}]
    assert after == before
    assert "kubectl -n astra-mirror-system create secret docker-registry registry " in PAGE


def test_a_secret_made_by_kustomize(tmp_path: Path) -> None:
    """It has the name that the role includes; without the option it has another one, which no ref learns of."""
    block = marked_block("secret-generator")
    ref = yaml.safe_dump(
        {
            "apiVersion": "astra-mirror.io/v1",
            "kind": "AppBackupRef",
            "metadata": {"name": "r"},
            "spec": {"secretRef": {"name": "astra-control"}},
        }
    )
    files = {"token": "a-token", "ref.yaml": ref, "kustomization.yaml": f"resources: [ref.yaml]\n{block}"}
    made = built(overlay(tmp_path, files))
    assert set(made["Secret astra-control"]["data"]) == {"url", "token"}
    hashed = built(overlay(tmp_path, {"kustomization.yaml": files["kustomization.yaml"].replace("true}", "false}")}))
    assert "Secret astra-control" not in hashed
    assert hashed["AppBackupRef r"]["spec"]["secretRef"] == {"name": "astra-control"}
    [role] = [each["rules"] for name, each in built("manifests/default").items() if name == "ClusterRole astra-mirror"]
    assert [rule["resourceNames"] for rule in role if rule["resources"] == ["secrets"]] == [["astra-control"]]


def test_a_quota_on_cpu(installed: ControlPlane, user: User, tmp_path: Path) -> None:
    """It refuses the pod as it is shipped, in the words on the page, and takes it with the patch."""
    hard = {"limits.cpu": "4"}
    user.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": hard}})
    user.kubectl("wait", "--for=jsonpath={.status.hard}", "resourcequota/q", "--timeout=60s")
    del installed

    def create(folder: Path) -> str:
        pod = pod_of(built(folder)["Deployment astra-mirror-system/astra-mirror"])
        return user.kubectl("create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(pod))

    plain = "resources: [../manifests/default]\n"
    with pytest.raises(KubectlError, match=r"must specify limits\.cpu"):
        create(overlay(tmp_path, {"kustomization.yaml": plain}))
    patched = f"{plain}patches:\n{marked_block('cpu-limit')}"
    assert "created" in create(overlay(tmp_path, {"kustomization.yaml": patched}))


def test_a_network_policy(installed: ControlPlane, tmp_path: Path) -> None:
    """Off by default; the API server takes it, it is for these pods, and their port, DNS and HTTPS are open."""
    text = f"resources: [../manifests/default]\n{marked_block('network-policy')}"
    mine = overlay(tmp_path, {"kustomization.yaml": text})
    installed.kubectl("apply", "--dry-run=server", "-k", str(mine))
    objects = built(mine)
    policy = objects.pop("NetworkPolicy astra-mirror-system/astra-mirror")["spec"]
    workload = objects["Deployment astra-mirror-system/astra-mirror"]["spec"]
    assert policy["podSelector"] == workload["selector"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    ports = {each["containerPort"] for each in workload["template"]["spec"]["containers"][0]["ports"]}
    assert {port["port"] for rule in policy["ingress"] for port in rule["ports"]} == ports == {8080}
    out = [[(port["protocol"], port["port"]) for port in rule["ports"]] for rule in policy["egress"]]
    assert out == [[("UDP", 53), ("TCP", 53)], [("TCP", 443), ("TCP", 6443), ("TCP", 8443)]]
    assert objects == built("manifests/default")


def test_monitoring(installed: ControlPlane, tmp_path: Path) -> None:
    """The steps as pasted, where the Prometheus operator's CRDs are: all is there, and Prometheus finds the pods."""
    install_prometheus(installed)
    installed.kubectl("create", "namespace", "monitoring")
    settle(installed, tmp_path, "default").types(marked_block("monitoring"))
    there = ["--namespace=monitoring", "--selector=release=prometheus"]
    shown = installed.kubectl("get", "servicemonitor,prometheusrule,configmap", "-o", "name", *there)
    assert shown.split() == [
        "servicemonitor.monitoring.coreos.com/astra-mirror",
        "prometheusrule.monitoring.coreos.com/astra-mirror",
        "configmap/astra-mirror-kube-state-metrics",
    ]
    arguments = ["auth", "can-i", "watch", "appbackuprefs.astra-mirror.io", "--all-namespaces"]
    assert "yes" in installed.kubectl(*arguments, "--as=system:serviceaccount:monitoring:kube-state-metrics")
    [monitor] = yaml.safe_load(installed.kubectl("get", "servicemonitor", "-o", "yaml", *there))["items"]
    service = built("manifests/default")["Service astra-mirror-system/astra-mirror"]
    assert monitor["spec"]["namespaceSelector"]["matchNames"] == [service["metadata"]["namespace"]]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    ports = {each["name"] for each in service["spec"]["ports"]}
    assert {each["port"] for each in monitor["spec"]["endpoints"]} == ports


def test_what_kube_state_metrics_mounts() -> None:
    """The ConfigMap has a name that does not change, and the file's name is the one on the page."""
    data = built("manifests/monitoring")["ConfigMap astra-mirror-system/astra-mirror-kube-state-metrics"]["data"]
    assert data == {"kube-state-metrics.yaml": Path("manifests/monitoring/kube-state-metrics.yaml").read_text()}
    assert "name the file, `kube-state-metrics.yaml`" in PAGE


ARGO = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: argocd-cm, namespace: argocd, labels: {app.kubernetes.io/part-of: argocd}}
data: {url: https://argo}
"""
HEALTH = {f"resource.customizations.health.astra-mirror.io_AppBackup{each}" for each in ("Ref", "Monitor")}


def test_argo_cd(control_plane: ControlPlane) -> None:
    """As pasted, and once more: the health checks stand beside what the ConfigMap has."""
    control_plane.kubectl("create", "namespace", "argocd")
    control_plane.kubectl("apply", "-f", "-", stdin=ARGO)
    for _ in range(2):
        ended = run_script(control_plane, control_plane.kubeconfig, marked_block("argocd-health"), "argocd")
        assert ended.returncode == 0, ended.stderr
    found = yaml.safe_load(control_plane.kubectl("get", "configmap", "argocd-cm", "--namespace=argocd", "-o", "yaml"))
    assert set(found["data"]) == {"url", *HEALTH}
    assert found["metadata"]["labels"] == {"app.kubernetes.io/part-of": "argocd"}


def test_argo_cd_installed_by_kustomize(tmp_path: Path) -> None:
    """The component does the same."""
    text = "resources: [argo.yaml]\ncomponents: [../manifests/gitops/argocd]\n"
    found = built(overlay(tmp_path, {"kustomization.yaml": text, "argo.yaml": ARGO}))
    assert set(found["ConfigMap argocd/argocd-cm"]["data"]) == {"url", *HEALTH}


def test_flux(control_plane: ControlPlane) -> None:
    """Its CRD takes the objects."""
    install(control_plane, "kustomize.toolkit.fluxcd.io_kustomizations")
    control_plane.kubectl("create", "namespace", "flux-system")
    control_plane.kubectl("apply", "-k", "manifests/gitops")
    shown = ["get", "kustomizations.kustomize.toolkit.fluxcd.io", "--namespace=flux-system", "-o", "name"]
    names = {each.partition("/")[2] for each in control_plane.kubectl(*shown).split()}
    assert names == {"backups", "migration", "backup-monitors"}
