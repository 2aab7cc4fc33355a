"""The chart, rendered by the real helm, and what of it differs from the manifests on purpose."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from dev.helm import helm
from tests.manifests.kustomize import Objects, by_name

CHART: Final = "charts/astra-mirror"
SYSTEM: Final = "astra-mirror-system"
DIFFERENT_LABELS: Final = ("app.kubernetes.io/managed-by", "helm.sh/chart")
"""Who manages an object, and by which chart: what helm asks for, and kustomize has no word for."""
DIFFERENT_ANNOTATION: Final = "helm.sh/resource-policy"
"""That helm leaves the CRDs and the users' roles; kubectl has no such thing."""


def rendered(home: Path, values: Mapping[str, Any], *, chart: str = CHART, namespace: str = SYSTEM) -> Objects:
    """What `helm template` makes of the chart with these values.

    Raises:
        HelmError: it refuses them; the message says why.
    """
    file = home / "values.yaml"
    file.write_text(yaml.safe_dump(dict(values)))
    text = helm("template", "astra-mirror", chart, f"--namespace={namespace}", f"--values={file}", home=home)
    return by_name(yaml.safe_load_all(text))


def comparable(objects: Objects) -> Objects:
    """The objects without what differs on purpose."""
    found = copy.deepcopy(objects)
    for each in found.values():
        for metadata in (each["metadata"], each.get("spec", {}).get("template", {}).get("metadata", {})):
            for label in DIFFERENT_LABELS:
                metadata.get("labels", {}).pop(label, None)
            metadata.get("annotations", {}).pop(DIFFERENT_ANNOTATION, None)
            if metadata.get("annotations") == {}:
                del metadata["annotations"]
    return found


def workload_of(objects: Objects) -> dict[str, Any]:
    """The Deployment or the StatefulSet."""
    [found] = [each for each in objects.values() if each["kind"] in {"Deployment", "StatefulSet"}]
    return found


def pod_spec(objects: Objects) -> dict[str, Any]:
    """The spec of its pods."""
    spec: dict[str, Any] = workload_of(objects)["spec"]["template"]["spec"]
    return spec


def container(objects: Objects) -> dict[str, Any]:
    """Its container."""
    [found] = pod_spec(objects)["containers"]
    return dict(found)


def leaves(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values that have no values in them, by their paths; an empty mapping is one."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        path = f"{prefix}{name}"
        is_branch = isinstance(value, dict) and value and path not in OPAQUE
        found |= leaves(value, f"{path}.") if is_branch else {path: value}
    return found


OPAQUE: Final = {"resources", "nodeSelector", "metrics.dashboard.labels"}
"""What Kubernetes defines, and not the chart."""
