"""The kinds of other programs, on a control plane of the tests."""

from dev.controlplane import ControlPlane
from dev.judges import crds


def install(control_plane: ControlPlane, *names: str) -> None:
    """Make the API server serve these kinds, `GROUP_PLURAL` each; nothing happens where it does."""
    for name in names:
        control_plane.kubectl("apply", "--server-side", "-f", str(crds.folder() / f"{name}.yaml"))
        group, _, plural = name.partition("_")
        control_plane.kubectl("wait", "--for=condition=Established", f"crd/{plural}.{group}", "--timeout=30s")


def install_prometheus(control_plane: ControlPlane) -> None:
    """Those of the Prometheus operator."""
    install(control_plane, "monitoring.coreos.com_prometheusrules", "monitoring.coreos.com_servicemonitors")
