"""Secrets on the real control plane: what one tenant's do to others, and what the API server does with them."""

import base64
import json
import os
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dev.controlplane import ControlPlane
from dev.simulator import Simulator
from tests.e2e.user import User
from tests.operator_process import Operator, StartOperator, run_operator
from tests.privileges.audit import Audit

_MIB = 1024 * 1024


@pytest.fixture
def tenant(installed: ControlPlane) -> Iterator[Callable[[], User]]:
    """Makes people with a namespace of their own each."""
    made: list[str] = []

    def make() -> User:
        made.append(f"tenant-{secrets.token_hex(4)}")
        installed.kubectl("create", "namespace", made[-1])
        return User(installed, made[-1])

    yield make
    if made:
        installed.kubectl("delete", "namespace", *made, "--wait=false")


@pytest.fixture
def own_control_plane(audit: Audit) -> Iterator[ControlPlane]:
    """A control plane that a test may break."""
    with ControlPlane.start(audit=True) as control_plane:
        control_plane.kubectl("apply", "-k", "manifests/default")
        control_plane.kubectl("wait", "--for=condition=Established", "crd/appbackuprefs.astra-mirror.io")
        yield control_plane
        audit(control_plane)


def test_a_secret_that_cannot_be_decrypted_stops_nobody_else(own_control_plane: ControlPlane, astra: Simulator) -> None:
    """The API server refuses every list of Secrets then: while the operator runs, and over a restart."""
    kubeconfig = own_control_plane.kubeconfig_for("astra-mirror-system", "astra-mirror")
    users = {name: User(own_control_plane, name) for name in ("good", "bad", "late")}
    for name, user in users.items():
        own_control_plane.kubectl("create", "namespace", name)
        user.secret_for(astra)
    operator = run_operator(kubeconfig, "--allowed-url", astra.url)
    try:
        for name in ("good", "bad"):
            users[name].ref("ref", astra.add_backup("completes", seconds=0))
            users[name].wait("ref", "Ready")
        # As it is when the key of the encryption at rest has been lost.
        own_control_plane.etcd.overwrite("secrets/bad/astra-control", b"k8s:enc:aescbc:v1:lost:" + os.urandom(64))
        users["late"].ref("ref", astra.add_backup("completes", seconds=0))
        users["late"].wait("ref", "Ready")
        assert operator.stop() == 0
        for user in users.values():
            user.kubectl("patch", "abr", "ref", "--subresource=status", "--type=merge", "-p", '{"status":null}')
        operator = run_operator(kubeconfig, "--allowed-url", astra.url)
        for name in ("good", "late"):
            users[name].wait("ref", "Ready")
        users["bad"].wait_reason("ref", "SecretUnreadable", condition="Synced")
        assert operator.metric('astra_mirror_secrets{result="ok"}') == "2.0"
        assert operator.metric('astra_mirror_secrets{result="SecretUnreadable"}') == "1.0"
        own_control_plane.etcd.overwrite("secrets/bad/astra-control", None)
        users["bad"].wait_reason("ref", "SecretNotFound", condition="Synced")
        users["bad"].secret_for(astra)
        users["bad"].wait("ref", "Ready")
    finally:
        operator.stop()


def test_a_name_that_the_role_forbids_until_it_is_extended(
    installed: ControlPlane, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """SecretForbidden says what an administrator has to do, and when that is done it counts without a restart."""
    user.secret("mine", url=astra.url, token=astra.token)
    user.ref("ref", astra.add_backup("completes", seconds=0), secretRef={"name": "mine"})
    start_operator()
    status = user.wait_reason("ref", "SecretForbidden", condition="Synced")
    message = next(each["message"] for each in status["conditions"] if each["type"] == "Synced")
    assert "resourceNames in the ClusterRole astra-mirror" in message
    rule = ["--verb=get,list,watch", "--resource=secrets", "--resource-name=mine"]
    installed.kubectl("create", "clusterrole", "test-mine", *rule)
    account = "--serviceaccount=astra-mirror-system:astra-mirror"
    installed.kubectl("create", "clusterrolebinding", "test-mine", "--clusterrole=test-mine", account)
    try:
        user.wait("ref", "Ready")
    finally:
        installed.kubectl("delete", "clusterrole,clusterrolebinding", "test-mine")


def _memory(operator: Operator) -> int:
    """The most memory that it has had so far, in bytes."""
    status = Path(f"/proc/{operator.pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024


@pytest.fixture
def stuffed(installed: ControlPlane) -> Iterator[list[User]]:
    """Fifty people with a namespace and a Secret of 1 MiB each."""
    keys = {
        "url": base64.b64encode(b"https://nowhere.netapp.io").decode(),
        "stuffing": base64.b64encode(os.urandom(_MIB - 1000)).decode(),
    }
    names = [f"stuffed-{secrets.token_hex(4)}" for _ in range(50)]
    namespaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names]
    made = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": name, "name": "astra-control"}, "data": keys}
        for name in names
    ]
    # Created and not applied: apply's annotation would be as large again.
    for documents in (namespaces, *(made[start : start + 10] for start in range(0, len(made), 10))):
        installed.kubectl("create", "-f", "-", stdin="\n".join(map(json.dumps, documents)))
    yield [User(installed, name) for name in names]
    installed.kubectl("delete", "namespace", *names, "--wait=false")


def test_many_secrets_of_a_mebibyte(
    user: User, astra: Simulator, start_operator: StartOperator, stuffed: list[User]
) -> None:
    """They are read in small parts: the operator needs next to no memory for them, and everybody is served."""
    user.secret_for(astra)
    user.ref("ref", astra.add_backup("completes", seconds=0))
    operator = start_operator()
    user.wait("ref", "Ready")
    stuffed[0].ref("ref", astra.add_backup("completes", seconds=0))
    stuffed[0].wait_reason("ref", "SecretInvalid", condition="Synced")
    assert _memory(operator) < 160 * _MIB


def test_a_secret_written_in_a_loop_costs_others_nothing(
    user: User, astra: Simulator, tenant: Callable[[], User], start_operator: StartOperator
) -> None:
    """It counts a few times, and the last content always; another's Secret is changed and counts at once meanwhile."""
    evil = tenant()
    for each in (user, evil):
        each.secret_for(astra)
        each.ref("ref", astra.add_backup("stuck", seconds=0.001), interval="1h")
    operator = start_operator()
    for each in (user, evil):
        each.wait_reason("ref", "BackupInProgress")
    for number in range(40):
        evil.secret(url=astra.url, token=f"no-good-token-{number}")
        if number == 20:
            user.secret(url=astra.url, token="no-good-token")
            user.wait_reason("ref", "Unauthorized", condition="Synced")
            user.secret_for(astra)
            user.wait("ref", "Synced")
    evil.secret_for(astra)
    evil.wait("ref", "Synced")
    assert int(float(operator.metric('astra_mirror_observations_total{kind="ref",result="Unauthorized"}'))) <= 12
