"""Shards split the apps between them, each with a Lease of its own."""

from dev.controlplane import ControlPlane
from dev.simulator import Simulator
from dev.simulator.model import uuid_of
from tests.e2e.user import User
from tests.operator_process import StartOperator

# What manifests/sharded allows for its three shards, for the two here.
LEASES = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: two-shards, namespace: astra-mirror-system}
rules:
  - apiGroups: [coordination.k8s.io]
    resources: [leases]
    resourceNames: [astra-mirror-0-of-2, astra-mirror-1-of-2]
    verbs: [get, update]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: two-shards, namespace: astra-mirror-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: two-shards}
subjects: [{kind: ServiceAccount, name: astra-mirror}]
"""


def test_two_shards_share_the_apps(
    installed: ControlPlane, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """Each ref is polled by one of them, the refs of an app by the same one, and both hold their Lease."""
    installed.kubectl("apply", "--server-side", "-f", "-", stdin=LEASES)
    user.secret_for(astra)
    for app in range(6):
        for number in range(2):
            backup = astra.add_backup("completes", seconds=0, app=uuid_of(f"app {app}"))
            user.ref(f"app-{app}-{number}", backup)
    options = ["--leader-elect", "--namespace", user.namespace]
    shards = [start_operator(*options, "--shard", f"{index}/2") for index in range(2)]
    user.kubectl("wait", "--for=condition=Ready", "abr", "--all", "--timeout=60s")
    for index, shard in enumerate(shards):
        shard.wait_for_log(f"Holding the Lease astra-mirror-system/astra-mirror-{index}-of-2")
    asked = [request.path for request in astra.requests.matching("*/apps/*")]
    # The refs of an app share a list: were they split, each would be asked for by itself.
    assert all(path.endswith("/appBackups") for path in asked)
    polled = [float(shard.metric('astra_mirror_refs{state="completed"}')) for shard in shards]
    assert sum(polled) == 12
    assert all(0 < each < 12 for each in polled)
    leases = installed.kubectl("get", "leases", "--namespace=astra-mirror-system", "-o", "name")
    assert "astra-mirror-0-of-2" in leases
    assert "astra-mirror-1-of-2" in leases
