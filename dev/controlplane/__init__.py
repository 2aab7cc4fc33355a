"""A real control plane for tests, the demo and the benchmarks: etcd, kube-apiserver, kube-controller-manager, kubectl.

What an operator does is decided by the API server's validation, authorisation and watch; no imitation has all of them.

    with ControlPlane.start() as control_plane:
        control_plane.kubectl("get", "namespaces")
"""

from dev.controlplane.cluster import ControlPlane
from dev.controlplane.kubectl import KubectlError

__all__ = ["ControlPlane", "KubectlError"]
