"""Astra Control and operators restarted, slow or frozen: cells of the matrix in docs/reliability.md."""

import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from dev.controlplane import ControlPlane
from dev.simulator import Simulator
from tests.e2e.user import User
from tests.operator_process import StartOperator

_AGAIN: Final = "--timeout=5s"
_TAKEN_OVER: Final = 20.0
"""Seconds from a leader's last sign of life to its successor's first."""


def test_an_astra_that_is_restarted(user: User, start_operator: StartOperator) -> None:
    """Unreachable while it is down, and observed again after the backoff."""
    with Simulator.start() as first:
        port = int(first.url.rpartition(":")[2])
        user.secret_for(first)
        backup = first.add_backup("stuck", seconds=0.001)
        user.ref("ref", backup)
        start_operator("--allowed-url", first.url)
        user.wait_reason("ref", "BackupInProgress")
    user.wait_reason("ref", "Unreachable", condition="Synced")
    with Simulator.start(port=port) as second:
        second.add_token(first.token)
        second.add_backup("completes", seconds=0, id=backup.id)
        user.wait("ref", "Ready")
        assert user.wait_reason("ref", "Observed", condition="Synced")["state"] == "completed"


def test_an_astra_that_is_slow(
    user: User, astra: Simulator, tenant_of: Callable[[], User], start_operator: StartOperator
) -> None:
    """Its refs are observed as late as it answers, and others on the same server with another token are not."""
    other, token = tenant_of(), astra.add_token()
    user.secret(url=astra.url, token=token)
    other.secret_for(astra)
    start_operator()
    with astra.fault("*", status=200, latency=6.0, token=token):
        user.ref("ref", astra.add_backup("completes", seconds=0))
        astra.requests.wait_for(1)
        other.ref("ref", astra.add_backup("completes", seconds=0))
        other.kubectl("wait", "--for=condition=Ready", "abr/ref", _AGAIN)
        user.kubectl("wait", "--for=condition=Ready", "abr/ref", "--timeout=10s")


@pytest.fixture
def tenant_of(installed: ControlPlane) -> Iterator[Callable[[], User]]:
    """Makes people with a namespace of their own."""
    made: list[str] = []

    def make() -> User:
        made.append(f"tenant-{secrets.token_hex(4)}")
        installed.kubectl("create", "namespace", made[-1])
        return User(installed, made[-1])

    yield make
    if made:
        installed.kubectl("delete", "namespace", *made, "--wait=false")


def test_an_operator_that_is_frozen(user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """As a laptop that sleeps: it asks for nothing meanwhile, and when it wakes all is right within five seconds."""
    user.secret_for(astra)
    backup = astra.add_backup("stuck", seconds=0.001)
    user.ref("ref", backup)
    operator = start_operator("--namespace", user.namespace)
    user.wait_reason("ref", "BackupInProgress")
    os.kill(operator.pid, signal.SIGSTOP)
    try:
        backup.set(state="completed", percentDone=100)
        user.ref("new", backup)
        astra.requests.clear()
        with pytest.raises(TimeoutError):
            astra.requests.wait_for(1, seconds=5)
    finally:
        os.kill(operator.pid, signal.SIGCONT)
    user.kubectl("wait", "--for=condition=Ready", "abr/ref", "abr/new", _AGAIN)


def test_a_leader_that_was_frozen_overwrites_nothing(
    user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """The other leads within 20 seconds; the first wakes up with what it knew, and finds that it leads no more."""
    user.secret_for(astra)
    backup = astra.add_backup("stuck", seconds=0.001)
    user.ref("ref", backup)
    options = ("--leader-elect", "--namespace", user.namespace)
    first = start_operator(*options)
    first.wait_for_log("Holding the Lease")
    user.wait_reason("ref", "BackupInProgress")
    second = start_operator(*options)
    second.wait_for_log("Waiting for the Lease")
    os.kill(first.pid, signal.SIGSTOP)
    frozen = time.monotonic()
    try:
        second.wait_for_log("Holding the Lease")
        assert time.monotonic() - frozen < _TAKEN_OVER
        backup.set(state="completed", percentDone=100)
        user.wait("ref", "Ready")
        version = user.get("ref")["metadata"]["resourceVersion"]
    finally:
        os.kill(first.pid, signal.SIGCONT)
    first.wait_for_log("The Lease .* was lost")
    user.ref("new", backup)
    user.wait("new", "Ready")
    assert user.get("ref")["metadata"]["resourceVersion"] == version
    assert first.metric("astra_mirror_leader ") == "0.0"
