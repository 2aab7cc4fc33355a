"""Each value of the chart once: what it makes, and that a wrong one is refused in words that help."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from astra_mirror.settings import Settings
from dev.controlplane import ControlPlane
from dev.helm import HelmError
from tests.docs.recipes import PAGE
from tests.helm.chart import CHART, SYSTEM, container, leaves, pod_spec, rendered, workload_of
from tests.manifests.foreign import install_prometheus
from tests.manifests.kustomize import Objects, pod_of

DIGEST: Final = f"sha256:{'0' * 64}"
ENV: Final = [{"name": "TZ", "value": "Europe/Zurich"}]
TOLERATIONS: Final = [{"key": "role", "operator": "Equal", "value": "infra", "effect": "NoSchedule"}]
WEIGHED: Final = {"weight": 1, "preference": {"matchExpressions": [{"key": "zone", "operator": "Exists"}]}}
AFFINITY: Final = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [WEIGHED]}}
KUBE_STATE_METRICS: Final = "kube-state-metrics-appbackuprefs"
CA: Final = "/etc/astra-mirror/ca"

Look = Callable[[Objects], object]
"""What is looked at in the objects."""


@dataclass(frozen=True)
class Case:
    """One value.

    Attributes:
        path: its name, with dots.
        value: another one than the default.
        look: what it makes.
        expected: what that is.
        beside: other values that it needs.
    """

    path: str
    value: Any
    look: Look
    expected: object
    beside: Mapping[str, Any] = field(default_factory=dict)


def _metadata(kind: str, name: str = "astra-mirror", key: str = "labels") -> Look:
    return lambda objects: objects[f"{kind} {name if '/' in name else f'{SYSTEM}/{name}'}"]["metadata"][key]


def _holds(look: Look, wanted: Mapping[str, str]) -> Look:
    """Whether the mapping that is looked at has all of that."""
    return lambda objects: wanted.items() <= dict(look(objects)).items()  # type: ignore[call-overload]


def _pod(key: str) -> Look:
    return lambda objects: pod_spec(objects).get(key)


def _template(key: str) -> Look:
    return lambda objects: workload_of(objects)["spec"]["template"]["metadata"][key]


def _container(key: str) -> Look:
    return lambda objects: container(objects).get(key)


def _arguments(objects: Objects) -> list[str]:
    """Beside what is always there."""
    return [each for each in container(objects)["args"] if each not in {"run", "--leader-elect"}]


def _rule(objects: Objects) -> object:
    return objects["ClusterRole astra-mirror"]["rules"][2]["resourceNames"]


def _there(*names: str) -> Look:
    return lambda objects: [name in objects for name in names]


def _ports(rule: int) -> Look:
    policy = f"NetworkPolicy {SYSTEM}/astra-mirror"
    return lambda objects: {port["port"] for port in objects[policy]["spec"]["egress"][rule]["ports"]}


OPTIONS: Final = {
    "interval": "30s",
    "settled-interval": "1h",
    "monitor-interval": "1m30s",
    "stale-after": "2h",
    "request-timeout": "5s",
    "require-tls-verification": True,
    "log-level": "debug",
    "log-format": "json",
}
METRICS: Final = "metrics.{}.enabled".format
CASES: Final = [
    Case("image.repository", "r.example/it", _container("image"), "r.example/it:0.1.0"),
    Case("image.tag", "mine", _container("image"), "astra-mirror:mine"),
    Case("image.digest", DIGEST, _container("image"), f"astra-mirror@{DIGEST}", {"image.tag": "other"}),
    Case("image.pullPolicy", "Always", _container("imagePullPolicy"), "Always"),
    Case("imagePullSecrets", [{"name": "registry"}], _pod("imagePullSecrets"), [{"name": "registry"}]),
    Case("replicas", 2, lambda it: workload_of(it)["spec"]["replicas"], 2),
    Case("shards", 4, lambda it: (workload_of(it)["kind"], workload_of(it)["spec"]["replicas"]), ("StatefulSet", 4)),
    Case(
        "options",
        OPTIONS,
        _arguments,
        [
            "--interval=30s",
            "--log-format=json",
            "--log-level=debug",
            "--monitor-interval=1m30s",
            "--request-timeout=5s",
            "--require-tls-verification",
            "--settled-interval=1h",
            "--stale-after=2h",
        ],
    ),
    Case(
        "allowedURLs", ["https://a.example", "http://b:80"], _arguments, ["--allowed-url=https://a.example,http://b:80"]
    ),
    Case("secretNames", ["mine", "astra-control"], _rule, ["astra-control", "mine"]),
    Case("scope", "namespaces", _there("ClusterRole astra-mirror"), [False], {"namespaces": ["shop"]}),
    Case(
        "namespaces",
        ["shop", "billing"],
        _there("Role shop/astra-mirror-namespace", "RoleBinding billing/astra-mirror-refs"),
        [True, True],
        {"scope": "namespaces"},
    ),
    Case(
        "mirror.enabled",
        False,
        _there("ClusterRole astra-mirror-refs", "ClusterRoleBinding astra-mirror-refs"),
        [False] * 2,
    ),
    Case(
        "crds.install",
        False,
        _there("CustomResourceDefinition appbackuprefs.astra-mirror.io", "ClusterRole astra-mirror-view"),
        [False, False],
    ),
    Case(
        "crds.keep",
        False,
        lambda it: [name for name, each in it.items() if "annotations" in each["metadata"]],
        [],
        {"crds.confirmDeletion": True},
    ),
    Case("crds.confirmDeletion", True, _there("ClusterRole astra-mirror-edit"), [True], {"crds.keep": False}),
    Case("proxy.url", "http://proxy.example:3128", _arguments, ["--proxy-url=http://proxy.example:3128"]),
    Case(
        "proxy.existingSecret.name",
        "proxy",
        _container("env"),
        [{"name": "ASTRA_MIRROR_PROXY_URL", "valueFrom": {"secretKeyRef": {"name": "proxy", "key": "url"}}}],
    ),
    Case(
        "proxy.existingSecret.key",
        "address",
        _container("env"),
        [{"name": "ASTRA_MIRROR_PROXY_URL", "valueFrom": {"secretKeyRef": {"name": "proxy", "key": "address"}}}],
        {"proxy.existingSecret.name": "proxy"},
    ),
    Case("proxy.noProxy", [".svc", "10.0.0.1:8443"], _arguments, ["--no-proxy=.svc,10.0.0.1:8443"]),
    Case(
        "caConfigMap.name",
        "ca",
        lambda it: [_arguments(it), container(it)["volumeMounts"], pod_spec(it)["volumes"]],
        [
            [f"--ca-file={CA}/ca.crt"],
            [{"name": "ca", "mountPath": CA, "readOnly": True}],
            [{"name": "ca", "configMap": {"name": "ca"}}],
        ],
    ),
    Case("caConfigMap.key", "bundle.pem", _arguments, [f"--ca-file={CA}/bundle.pem"], {"caConfigMap.name": "ca"}),
    Case(METRICS("serviceMonitor"), True, _there(f"ServiceMonitor {SYSTEM}/astra-mirror"), [True]),
    Case(
        "metrics.serviceMonitor.labels",
        {"release": "prometheus"},
        _holds(_metadata("ServiceMonitor"), {"release": "prometheus"}),
        True,
        {METRICS("serviceMonitor"): True},
    ),
    Case(
        "metrics.serviceMonitor.interval",
        "1m",
        lambda it: it[f"ServiceMonitor {SYSTEM}/astra-mirror"]["spec"]["endpoints"],
        [{"port": "http", "interval": "1m"}],
        {METRICS("serviceMonitor"): True},
    ),
    Case(METRICS("prometheusRule"), True, _there(f"PrometheusRule {SYSTEM}/astra-mirror"), [True]),
    Case(
        "metrics.prometheusRule.labels",
        {"release": "prometheus"},
        _holds(_metadata("PrometheusRule"), {"release": "prometheus"}),
        True,
        {METRICS("prometheusRule"): True},
    ),
    Case(METRICS("kubeStateMetrics"), True, _there(f"ClusterRole {KUBE_STATE_METRICS}"), [True]),
    Case(
        "metrics.kubeStateMetrics.namespace",
        "monitoring",
        _there("ConfigMap monitoring/astra-mirror-kube-state-metrics"),
        [True],
        {METRICS("kubeStateMetrics"): True},
    ),
    Case(
        "metrics.kubeStateMetrics.serviceAccount",
        "ksm",
        lambda it: it[f"ClusterRoleBinding {KUBE_STATE_METRICS}"]["subjects"],
        [{"kind": "ServiceAccount", "name": "ksm", "namespace": SYSTEM}],
        {METRICS("kubeStateMetrics"): True},
    ),
    Case("networkPolicy.enabled", True, _there(f"NetworkPolicy {SYSTEM}/astra-mirror"), [True]),
    Case("networkPolicy.dnsPorts", [5353], _ports(0), {5353}, {"networkPolicy.enabled": True}),
    Case("networkPolicy.egressPorts", [443, 3128], _ports(1), {443, 3128}, {"networkPolicy.enabled": True}),
    Case(
        "resources",
        {"limits": {"cpu": "1"}},
        _container("resources"),
        {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}},
    ),
    Case("nodeSelector", {"pool": "infra"}, _pod("nodeSelector"), {"kubernetes.io/os": "linux", "pool": "infra"}),
    Case("tolerations", TOLERATIONS, _pod("tolerations"), TOLERATIONS),
    Case("affinity", AFFINITY, _pod("affinity"), AFFINITY),
    Case("priorityClassName", "system-cluster-critical", _pod("priorityClassName"), "system-cluster-critical"),
    Case("podLabels", {"team": "backup"}, _holds(_template("labels"), {"team": "backup"}), True),
    Case("podAnnotations", {"note": "mine"}, _template("annotations"), {"note": "mine"}),
    Case("extraEnv", ENV, _container("env"), ENV),
    Case("serviceAccount.create", False, _there(f"ServiceAccount {SYSTEM}/astra-mirror"), [False]),
    Case(
        "serviceAccount.name",
        "mine",
        lambda it: [pod_spec(it)["serviceAccountName"], it["ClusterRoleBinding astra-mirror"]["subjects"][0]["name"]],
        ["mine", "mine"],
    ),
    Case(
        "serviceAccount.annotations", {"note": "mine"}, _metadata("ServiceAccount", key="annotations"), {"note": "mine"}
    ),
]
# test_template.py has these, which need a chart with a dashboard in it.
DASHBOARD: Final = {METRICS("dashboard"), "metrics.dashboard.labels"}


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by their paths, as a file has them."""
    found: dict[str, Any] = {}
    for path, value in values.items():
        *parents, last = path.split(".")
        inner = found
        for name in parents:
            inner = inner.setdefault(name, {})
        inner[last] = value
    return found


def test_each_value_has_a_case() -> None:
    """A value that is added needs one."""
    values = leaves(yaml.safe_load(Path(f"{CHART}/values.yaml").read_text()))
    assert {case.path for case in CASES} | DASHBOARD == set(values)
    assert all(case.value != values[case.path] for case in CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.path)
def test_each_value_once(tmp_path: Path, case: Case) -> None:
    """It does what it says."""
    objects = rendered(tmp_path, _nested({**case.beside, case.path: case.value}))
    assert case.look(objects) == case.expected


def test_the_options_are_those_of_the_operator() -> None:
    """All but those that have a value of their own in the chart, or that it needs for itself."""
    own = {"namespace", "allowed-url", "shard", "proxy-url", "no-proxy", "ca-file"}
    fixed = {"leader-elect", "lease-namespace", "http-address"}
    assert {each.replace("_", "-") for each in Settings.model_fields} - own - fixed == set(OPTIONS)


def test_the_operator_reads_the_options(tmp_path: Path) -> None:
    """With the values above, of the types that YAML gives them, and in a file with each on and off."""
    for flag in (True, False):
        options = {**OPTIONS, "require-tls-verification": flag}
        arguments = _arguments(rendered(tmp_path, {"options": options}))
        expected = "--require-tls-verification" if flag else "--no-require-tls-verification"
        assert expected in arguments
        given: dict[str, Any] = {}
        for name, _, value in (each.removeprefix("--").partition("=") for each in arguments if each != expected):
            given[name.replace("-", "_")] = value
        settings = Settings(**given)
        assert (settings.interval, settings.monitor_interval, settings.log_format) == (30, 90, "json")


def test_the_values_in_the_recipes(tmp_path: Path) -> None:
    """What docs/recipes.md says of Helm is taken by the chart: names of values, and values."""
    names = set(leaves(yaml.safe_load(Path(f"{CHART}/values.yaml").read_text())))
    named = {part for path in names for part in (path, *path.split("."))}
    sentences = re.findall(r"With Helm, [^.]*(?:\.\w[^.]*)*\.(?=\s)", " ".join(PAGE.split()))
    assert len(sentences) == 6
    for span in re.findall(r"`([^`]+)`", " ".join(sentences)):
        values = yaml.safe_load(span)
        if isinstance(values, str):
            assert values in named, span
            continue
        found = _nested(values)
        if "namespaces" in found:
            found["scope"] = "namespaces"
        if found.get("scope") == "namespaces":
            found.setdefault("namespaces", ["shop"])
        assert rendered(tmp_path, found), span


def _all_at_once(**changes: Any) -> dict[str, Any]:
    """Every case's value, but those that exclude another one."""
    excluded = {"image.digest", "proxy.url", "crds.install", "serviceAccount.create", *changes}
    values = {case.path: case.value for case in CASES if case.path not in excluded}
    return _nested({**values, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"shards": 1, "scope": "cluster", "namespaces": []},
        {"replicas": 1, "scope": "cluster", "namespaces": []},
        {"shards": 1, "replicas": 1},
    ],
    ids=["two replicas", "shards", "namespaces"],
)
def test_the_api_server_takes_all_of_them(
    control_plane: ControlPlane, namespace: str, tmp_path: Path, changes: dict[str, Any]
) -> None:
    """All values together, each object by the API server's own validation, the pod where `restricted` is enforced."""
    install_prometheus(control_plane)
    control_plane.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    # All in one namespace, which is there.
    values = _all_at_once(**{"metrics.kubeStateMetrics.namespace": namespace, **changes})
    values["namespaces"] = [namespace] if values["namespaces"] else []
    objects = rendered(tmp_path, values, namespace=namespace)
    text = yaml.safe_dump_all([*objects.values(), pod_of(workload_of(objects))])
    shown = control_plane.kubectl(
        "apply",
        "--server-side",
        "--dry-run=server",
        "--force-conflicts",
        f"--namespace={namespace}",
        "-f",
        "-",
        stdin=text,
    )
    assert len(shown.splitlines()) == len(objects) + 1
    assert "pod/astra-mirror serverside-applied (server dry run)" in shown


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"replica": 2}, "additional properties 'replica' not allowed"),
        ({"image": {"name": "x"}}, "at '/image': additional properties 'name' not allowed"),
        ({"image": {"digest": "sha256:1"}}, "at '/image/digest'"),
        ({"replicas": "two"}, "at '/replicas': got string, want integer"),
        ({"shards": 0}, "at '/shards': minimum"),
        ({"replicas": 2, "shards": 2}, "replicas must be 1 with more than one shard"),
        ({"options": {"intervall": "30s"}}, "at '/options': additional properties 'intervall' not allowed"),
        ({"options": {"interval": 30}}, "at '/options/interval': got number, want string"),
        ({"options": {"leader-elect": False}}, "additional properties 'leader-elect' not allowed"),
        ({"allowedURLs": ["acc.example.com"]}, "at '/allowedURLs/0'"),
        ({"secretNames": ["A"]}, "at '/secretNames/0'"),
        ({"scope": "some"}, "at '/scope': value must be one of 'cluster', 'namespaces'"),
        ({"scope": "namespaces"}, "no namespace is named: set namespaces"),
        ({"namespaces": ["shop"]}, "set scope to namespaces, or leave namespaces empty"),
        ({"crds": {"keep": False}}, "would delete every AppBackupRef .* Set crds.confirmDeletion to true"),
        ({"proxy": {"url": "http://user:hunter2@proxy:3128"}}, "name it in proxy.existingSecret"),
        ({"proxy": {"url": "https://proxy:3128"}}, "it must be http://host:port, or env"),
        ({"proxy": {"url": "env", "existingSecret": {"name": "s"}}}, "are both set: set one of them"),
        ({"networkPolicy": {"egressPorts": [0]}}, "at '/networkPolicy/egressPorts/0': minimum"),
        ({"podLabels": {"app.kubernetes.io/name": "other"}}, "podLabels contains app.kubernetes.io/name"),
        ({"extraEnv": [{"value": "x"}]}, "at '/extraEnv/0': missing property 'name'"),
        ({"metrics": {"serviceMonitor": {"enabled": "yes"}}}, "got string, want boolean"),
    ],
)
def test_a_wrong_value_is_refused(tmp_path: Path, values: dict[str, Any], words: str) -> None:
    """By its path, and with what would be right; a password is not repeated."""
    with pytest.raises(HelmError, match=words) as refused:
        rendered(tmp_path, values)
    assert "hunter2" not in str(refused.value)
