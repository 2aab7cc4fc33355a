"""What kustomize makes of the folders, and of overlays beside them; kubectl builds it without an API server."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from dev.controlplane.toolchain import kubectl_binary

_ROOT: Final = Path(__file__).parents[2]
_SHIPPED: Final = ("crds", "manifests")

Objects = dict[str, dict[str, Any]]
"""Objects by `Kind namespace/name`, or `Kind name` for those of the cluster."""


def built(folder: Path | str) -> Objects:
    """What `kubectl kustomize FOLDER` prints."""
    ended = subprocess.run(
        [str(kubectl_binary()), "kustomize", str(_ROOT / folder)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return by_name(yaml.safe_load_all(ended.stdout))


def by_name(documents: Iterator[Any]) -> Objects:
    """The objects in a stream of YAML; none may be there twice."""
    found: Objects = {}
    for each in filter(None, documents):
        metadata = each["metadata"]
        place = f"{metadata['namespace']}/" if "namespace" in metadata else ""
        key = f"{each['kind']} {place}{metadata['name']}"
        assert key not in found
        found[key] = each
    return found


def overlay(folder: Path, files: dict[str, str]) -> Path:
    """A clone's manifests in `folder`, with an overlay beside them; the path of its my-cluster.

    Args:
        folder: an empty folder.
        files: the overlay's, by their paths under my-cluster.
    """
    for shipped in _SHIPPED:
        shutil.copytree(_ROOT / shipped, folder / shipped, dirs_exist_ok=True)
    mine = folder / "my-cluster"
    for name, content in files.items():
        (mine / name).parent.mkdir(parents=True, exist_ok=True)
        (mine / name).write_text(content)
    return mine


def folders() -> list[str]:
    """Every folder that can be applied: those with a kustomization that is no component."""
    files = [each for shipped in _SHIPPED for each in (_ROOT / shipped).rglob("kustomization.yaml")]
    applied = [each for each in files if yaml.safe_load(each.read_text())["kind"] == "Kustomization"]
    return sorted(str(each.parent.relative_to(_ROOT)) for each in applied)


def pod_of(workload: dict[str, Any]) -> dict[str, Any]:
    """The pod that a Deployment, a StatefulSet or a Job makes."""
    template = workload["spec"]["template"]
    metadata = {"name": workload["metadata"]["name"], "labels": template["metadata"].get("labels", {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
