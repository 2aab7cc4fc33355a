"""The operator's promises about writes, deletion, edits, restarts and exits, on the real control plane."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from dev.controlplane import ControlPlane
from dev.simulator import Simulator
from tests.e2e.user import User, condition
from tests.operator_process import StartOperator, run_operator

_OPERATOR = "system:serviceaccount:astra-mirror-system:astra-mirror"
_POLLS = int(os.environ.get("QUIET_POLLS", "8"))


def _writes(control_plane: ControlPlane) -> list[dict[str, Any]]:
    return [
        each
        for each in control_plane.audit_events()
        if each["user"].get("username") == _OPERATOR and each["verb"] not in {"get", "list", "watch"}
    ]


def test_polls_that_learn_nothing_write_nothing(
    installed: ControlPlane, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """A hundred refs, half of them settled: one write each, and none after that, over a restart as well.

    QUIET_POLLS=300 makes this five minutes long.
    """
    user.secret_for(astra)
    before = len(_writes(installed))
    for number in range(100):
        backup = astra.add_backup("completes" if number % 2 else "stuck", seconds=0.001)
        user.ref(f"ref-{number}", backup, suspend=False)
    operator = start_operator("--settled-interval", "1s")
    user.kubectl("wait", "--for=condition=Synced", "abr", "--all", "--timeout=60s")
    written = len(_writes(installed)) - before
    assert written == 100
    for _ in range(2):
        astra.requests.clear()
        astra.requests.wait_for(_POLLS, seconds=60 + 2 * _POLLS)
        assert len(_writes(installed)) - before == written
        assert operator.stop() == 0
        operator = start_operator("--settled-interval", "1s")


def test_deletion_waits_for_nobody(user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """With the operator stopped, a ref and a namespace full of refs go in the API server's own time."""
    user.secret_for(astra)
    for number in range(20):
        user.ref(f"ref-{number}", astra.add_backup("completes", seconds=0))
    operator = start_operator()
    user.kubectl("wait", "--for=condition=Ready", "abr", "--all", "--timeout=60s")
    assert operator.stop() == 0
    assert "finalizers" not in user.get("ref-0")["metadata"]
    user.kubectl("delete", "abr", "ref-0", "--timeout=10s")
    user.kubectl("delete", "namespace", user.namespace, "--timeout=60s")
    user.kubectl("create", "namespace", user.namespace)


def test_an_edited_id_leaves_nothing_of_the_old_target(
    user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """No version of the object shows the old backup's data under the new generation, also while the new one hangs."""
    user.secret_for(astra)
    old, new = astra.add_backup("completes", seconds=0), astra.add_backup("stuck", seconds=0.001)
    user.ref("ref", old)
    start_operator()
    user.wait("ref", "Ready")
    with astra.fault(f"*/{new.id}", kind="hang"):
        user.ref("ref", new)
        status = user.wait_reason("ref", "NotObserved", condition="Synced")
        assert set(status) == {"observedGeneration", "conditions"}
        assert status["observedGeneration"] == 2
    assert user.wait_reason("ref", "BackupInProgress")["progress"]["percentDone"] == 42


def test_requested_at_polls_now(user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """The annotation brings the next poll forward, and its value is echoed."""
    user.secret_for(astra)
    backup = astra.add_backup("stuck", seconds=0.001)
    user.ref("ref", backup, interval="1h")
    start_operator()
    user.wait_reason("ref", "BackupInProgress")
    backup.set(state="completed", percentDone=100)
    user.kubectl("annotate", "abr", "ref", "astra-mirror.io/requestedAt=first")
    user.wait("ref", "Ready")
    user.kubectl("wait", "--for=jsonpath={.status.lastHandledReconcileAt}=first", "abr/ref", "--timeout=60s")


def test_waiting_as_a_job_does(user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """`kubectl wait` sees a whole life: completion, failure, the end of either."""
    user.secret_for(astra)
    user.ref("good", astra.add_backup("completes", seconds=3))
    user.ref("bad", astra.add_backup("fails", seconds=3))
    start_operator()
    user.wait("good", "Succeeded")
    user.wait("bad", "Finished")
    user.wait("bad", "Succeeded=False")
    assert "Bucket is unreachable; Data mover gave up" in condition(user.status("bad"), "Ready")["message"]
    table = user.kubectl("get", "abr")
    narrow = ["NAME", "STATE", "PROGRESS", "READY", "SYNCED", "AGE"]
    assert table.splitlines()[0].split() == narrow
    wide = user.kubectl("get", "astra", "-o", "wide").splitlines()
    assert wide[0].split() == [*narrow, "REASON", "SYNC-REASON", "TAKEN", "BACKUP", "MESSAGE"]
    assert "BackupFailed" in wide[1]


def test_the_table_that_people_watch(user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """`kubectl get abr -w` has a line for each step, from the beginning to the end."""
    user.secret_for(astra)
    user.ref("ref", astra.add_backup("completes", seconds=6))
    start_operator()
    lines = []
    with user.watch_table("abr") as table:
        for line in table:
            lines.append(line.split())
            if "completed" in line:
                break
    assert lines[0] == ["NAME", "STATE", "PROGRESS", "READY", "SYNCED", "AGE"]
    assert any(line[1] == "running" and "%" in line[2] and "False" in line for line in lines)
    assert lines[-1][1:6] == ["completed", "100%", "of", "2.9", "GiB"]
    assert lines[-1][6] == "True"


def test_an_api_server_that_goes_away(
    installed: ControlPlane, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """The operator outlives a restart of the API server and writes what it learned meanwhile."""
    user.secret_for(astra)
    backup = astra.add_backup("stuck", seconds=0.001)
    user.ref("ref", backup)
    operator = start_operator("--settled-interval", "1s")
    user.wait_reason("ref", "BackupInProgress")
    installed.stop_apiserver()
    try:
        backup.set(state="completed", percentDone=100)
        astra.requests.clear()
        astra.requests.wait_for(3)
    finally:
        installed.start_apiserver()
    user.kubectl("wait", "--for=condition=Ready", "abr/ref", "--timeout=5s")
    user.ref("new", astra.add_backup("completes", seconds=0))
    user.wait("new", "Ready")
    assert operator.stop() == 0


def test_one_of_two_works_and_the_other_takes_over(
    installed: ControlPlane, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """Only the holder of the Lease polls; when it is killed, the other one goes on."""
    user.secret_for(astra)
    first = start_operator("--leader-elect")
    first.wait_for_log("Holding the Lease")
    second = start_operator("--leader-elect")
    second.wait_for_log("Waiting for the Lease")
    assert "astra_mirror_leader 0.0" in second.http("/metrics")
    user.ref("ref", astra.add_backup("completes", seconds=2))
    user.wait("ref", "Ready")
    killed = time.monotonic()
    first.stop(signal.SIGKILL)
    second.wait_for_log("Holding the Lease")
    assert time.monotonic() - killed < 20
    user.ref("new", astra.add_backup("completes", seconds=0))
    user.wait("new", "Ready")
    holder = installed.kubectl(
        "get", "lease", "astra-mirror", "--namespace=astra-mirror-system", "-o", "jsonpath={.spec.holderIdentity}"
    )
    assert second.stop() == 0
    released = installed.kubectl(
        "get", "lease", "astra-mirror", "--namespace=astra-mirror-system", "-o", "jsonpath={.spec.holderIdentity}"
    )
    assert holder
    assert not released


def test_a_refused_token_costs_few_requests_and_is_in_no_log(
    user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """Many refs with a bad token make one probe a minute, of a list and one backup; the token appears nowhere."""
    token = "a-token-that-nobody-may-see"
    user.secret(url=astra.url, token=token)
    for number in range(30):
        user.ref(f"ref-{number}", astra.add_backup("completes", seconds=0))
    operator = start_operator("--log-level", "debug", "--log-format", "json")
    user.kubectl("wait", "--for=condition=Stalled", "abr", "--all", "--timeout=60s")
    assert len(astra.requests.matching("/accounts/*")) == 2
    assert "astra_mirror_breakers_open 1.0" in operator.http("/metrics")
    assert token not in operator.log + operator.http("/metrics") + user.kubectl("get", "abr", "-o", "yaml")
    user.secret_for(astra)
    user.kubectl("wait", "--for=condition=Ready", "abr", "--all", "--timeout=60s")


def test_probes_and_exit_code(start_operator: StartOperator) -> None:
    """Healthy, ready, and 0 after either signal."""
    for number in (signal.SIGTERM, signal.SIGINT):
        operator = start_operator()
        operator.wait_for_log("Serving HTTP")
        assert operator.http("/healthz") == "ok\n"
        assert operator.stop(number) == 0


def test_an_operator_for_one_namespace(user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """--namespace leaves the others alone."""
    user.secret_for(astra)
    user.ref("mine", astra.add_backup("completes", seconds=0))
    operator = start_operator("--namespace", "default")
    other = start_operator("--namespace", user.namespace)
    user.wait("mine", "Ready")
    assert 'astra_mirror_refs{state="completed"}' in other.http("/metrics")
    assert "astra_mirror_refs{" not in operator.http("/metrics")


def test_a_cluster_without_the_crd() -> None:
    """The operator says what is missing and what to apply, and ends with 1 for Kubernetes to try again."""
    with ControlPlane.start() as bare:
        operator = run_operator(bare.kubeconfig)
        assert operator.wait() == 1
    assert "apply crds/appbackupref.yaml" in operator.log


def test_an_unreachable_cluster(installed: ControlPlane, tmp_path: Path) -> None:
    """A kubeconfig that leads nowhere is named, and no reason to end: the API server may be on its way."""
    broken = tmp_path / "kubeconfig"
    broken.write_text(installed.kubeconfig.read_text().replace(installed.url, "https://127.0.0.1:1"))
    operator = run_operator(broken)
    operator.wait_for_log("The API server https://127.0.0.1:1 is away")
    assert operator.http("/healthz") == "ok\n"
    assert operator.stop() == 0
