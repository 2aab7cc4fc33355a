"""The chart makes what the manifests are: object by object, for each of the folders."""

import json
import shutil
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from dev import chart as dev_chart
from dev.helm import HelmError, helm
from tests.docs.recipes import marked_block as recipe
from tests.helm.chart import CHART, DIFFERENT_ANNOTATION, DIFFERENT_LABELS, SYSTEM, comparable, leaves, rendered
from tests.manifests.kustomize import Objects, built, overlay

NAMESPACE: Final = f"Namespace {SYSTEM}"
METRICS: Final = {"serviceMonitor", "prometheusRule", "kubeStateMetrics"}


def _manifests(objects: Objects) -> Objects:
    """Without the Namespace, which is helm's to create or the administrator's."""
    return {name: each for name, each in comparable(objects).items() if name != NAMESPACE}


@pytest.mark.parametrize(("folder", "values"), [("default", {}), ("ha", {"replicas": 2}), ("sharded", {"shards": 3})])
def test_the_objects_are_those_of_the_folder(tmp_path: Path, folder: str, values: dict[str, Any]) -> None:
    """Each of them, in every field, but for the Namespace and the labels that are listed."""
    objects = built(f"manifests/{folder}")
    assert NAMESPACE in objects
    assert comparable(rendered(tmp_path, values)) == _manifests(objects)


def test_what_differs_on_purpose(tmp_path: Path) -> None:
    """The labels and the annotation that are left out above: no more than there are, on no more than there must be."""
    objects = rendered(tmp_path, {})
    for each in objects.values():
        assert each["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"
        assert set(DIFFERENT_LABELS) <= set(each["metadata"]["labels"])
    kept = {
        name for name, each in objects.items() if each["metadata"].get("annotations") == {DIFFERENT_ANNOTATION: "keep"}
    }
    assert kept == set(built("crds"))


def test_monitoring(tmp_path: Path) -> None:
    """All of manifests/monitoring, and the binding that its page tells to create."""
    metrics = {each: {"enabled": True} for each in METRICS}
    both = _manifests(built("manifests/default")) | comparable(built("manifests/monitoring"))
    assert comparable(rendered(tmp_path, {"metrics": metrics})) == both


def test_the_component(tmp_path: Path) -> None:
    """The NetworkPolicy is that of the component."""
    text = "resources: [../manifests/default]\ncomponents: [../manifests/components/network-policy]\n"
    objects = built(overlay(tmp_path, {"kustomization.yaml": text}))
    assert comparable(rendered(tmp_path, {"networkPolicy": {"enabled": True}})) == _manifests(objects)


def test_several_namespaces(tmp_path: Path) -> None:
    """Those of the recipe, where the CRDs are the administrator's; its variable is for overlays without the option."""
    files = recipe("several-namespaces").split("cat > my-cluster/")[1:]
    named = {name: text.split("END\n")[0] for name, _, text in (each.partition(" <<'END'\n") for each in files)}
    objects = _manifests(built(overlay(tmp_path, named)))
    del objects[f"Deployment {SYSTEM}/astra-mirror"]["spec"]["template"]["spec"]["containers"][0]["env"]
    values = {
        "scope": "namespaces",
        "namespaces": ["shop", "billing"],
        "crds": {"install": False},
        "image": {"repository": "registry.example/astra-mirror"},
    }
    assert comparable(rendered(tmp_path, values)) == objects


def test_another_namespace(tmp_path: Path) -> None:
    """Everything goes there, the alert for an operator that is down as well."""
    metrics = {each: {"enabled": True} for each in METRICS}
    objects = rendered(tmp_path, {"metrics": metrics}, namespace="backups")
    assert SYSTEM not in json.dumps(objects)
    assert {each["metadata"].get("namespace", "backups") for each in objects.values()} == {"backups"}


def test_the_versions_are_the_projects() -> None:
    """The chart's and the operator's, in one release."""
    version = tomllib.loads(Path("pyproject.toml").read_text())["project"]["version"]
    found = yaml.safe_load(Path(f"{CHART}/Chart.yaml").read_text())
    assert (found["version"], found["appVersion"]) == (version, version)
    assert found["kubeVersion"] == ">=1.32.0-0"


def test_the_copies_in_the_chart_are_current() -> None:
    """`make chart` writes them."""
    copies = dev_chart.copies()
    assert {each for each in Path(f"{CHART}/files").resolve().rglob("*") if each.is_file()} == set(copies)
    for target, source in copies.items():
        assert target.read_bytes() == source.read_bytes(), f"{target.name} is not current: make chart"


def test_lint(tmp_path: Path) -> None:
    """Helm's own, without a warning: with the defaults, and packed."""
    assert "0 chart(s) failed" in helm("lint", "--strict", CHART, home=tmp_path)
    assert "astra-mirror-" in helm("package", CHART, f"--destination={tmp_path}", home=tmp_path)
    [package] = tmp_path.glob("*.tgz")
    assert rendered(tmp_path, {}, chart=str(package)) == rendered(tmp_path, {})


def test_a_dashboard(tmp_path: Path) -> None:
    """What lies beside the alerts as JSON becomes a ConfigMap for Grafana; without any, the value is refused."""
    copy = tmp_path / "astra-mirror"
    shutil.copytree(CHART, copy)
    for each in (copy / "files" / "monitoring").glob("*.json"):
        each.unlink()
    values = {"metrics": {"dashboard": {"enabled": True, "labels": {"grafana_dashboard": "yes"}}}}
    with pytest.raises(HelmError, match="this chart has no dashboard"):
        rendered(tmp_path, values, chart=str(copy))
    (copy / "files" / "monitoring" / "dashboard.json").write_text('{"title": "{{ not a template }}"}\n')
    found = rendered(tmp_path, values, chart=str(copy))[f"ConfigMap {SYSTEM}/astra-mirror-dashboard"]
    assert found["data"] == {"dashboard.json": '{"title": "{{ not a template }}"}\n'}
    assert found["metadata"]["labels"]["grafana_dashboard"] == "yes"


def _described(schema: dict[str, Any], path: str = "") -> dict[str, str]:
    """The description of each value in the schema."""
    found: dict[str, str] = {}
    for name, each in schema.get("properties", {}).items():
        found |= {f"{path}{name}": each.get("description", "")} | _described(each, f"{path}{name}.")
    return found


def test_every_value_is_described() -> None:
    """In the schema, and by a comment above it or above what it is in."""
    text = Path(f"{CHART}/values.yaml").read_text()
    described = _described(json.loads(Path(f"{CHART}/values.schema.json").read_text()))
    for path in leaves(yaml.safe_load(text)):
        assert path.startswith(("nodeSelector", "resources")) or described[path], path
    for group in filter(None, text.split("\n\n")):
        assert group.lstrip().startswith("#"), group
