"""No pod of ours is given variables for the Services of its namespace, which look like options."""

from typing import Any

import pytest
import yaml

from dev.controlplane import ControlPlane


@pytest.mark.parametrize("folder", ["default", "ha", "sharded"])
def test_no_service_links(folder: str, control_plane: ControlPlane) -> None:
    """One of them is ASTRA_MIRROR_PORT."""
    objects: list[dict[str, Any]] = list(yaml.safe_load_all(control_plane.kubectl("kustomize", f"manifests/{folder}")))
    pods = [each["spec"]["template"]["spec"] for each in objects if "template" in each.get("spec", {})]
    assert [each["enableServiceLinks"] for each in pods] == [False]
