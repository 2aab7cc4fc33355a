"""Each row of the conditions table, seen on the API server with `kubectl get -o yaml`, under the shipped RBAC."""

import socket

import pytest

from dev.simulator import Backup, Simulator
from tests.e2e.user import User, condition, summary
from tests.operator_process import StartOperator

STATES = [
    ("pending", {}, ("False", "BackupInProgress", "Unknown", "False", "Reconciling")),
    ("discovering", {}, ("False", "BackupInProgress", "Unknown", "False", "Reconciling")),
    ("running", {}, ("False", "BackupInProgress", "Unknown", "False", "Reconciling")),
    ("completed", {}, ("True", "BackupCompleted", "True", "True", "")),
    ("failed", {}, ("False", "BackupFailed", "False", "True", "Stalled")),
    ("removed", {}, ("False", "BackupRemoved", "False", "True", "Stalled")),
    ("deleting", {}, ("False", "BackupDeleting", "False", "True", "Stalled")),
    ("unknown", {}, ("Unknown", "BackupStateUnknown", "Unknown", "False", "Reconciling")),
    ("ready", {}, ("Unknown", "BackupStateUnrecognized", "Unknown", "False", "Reconciling")),
    ("running", {"readyWhen": "Observed"}, ("True", "BackupObserved", "Unknown", "False", "")),
    ("failed", {"readyWhen": "Observed"}, ("True", "BackupObserved", "False", "True", "")),
]


def test_every_state(user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """Each state of a backup, hooks and readyWhen included, gives its row."""
    user.secret_for(astra)
    expected: dict[str, tuple[str, str, str, str, str]] = {}
    for state, spec, row in STATES:
        name = "-".join([state, *map(str.lower, spec.values())])
        backup = astra.add_backup("pending")
        backup.set(state=state, stateUnready=["because"])
        user.ref(name, backup, **spec)
        expected[name] = row
    hooks = {"hookState": "failed", "hookStateDetails": [{"type": "t", "title": "x", "detail": "thaw-db failed"}]}
    for ready_when, ready, activity in (("Completed", "True", ""), ("CompletedAndHooksSucceeded", "False", "Stalled")):
        backup = astra.add_backup("pending")
        backup.set(state="completed", **hooks)
        user.ref(f"hooks-{ready_when.lower()}", backup, readyWhen=ready_when)
        expected[f"hooks-{ready_when.lower()}"] = (ready, "BackupCompletedHooksFailed", "True", "True", activity)
    start_operator()
    for name, row in expected.items():
        status = user.wait_reason(name, row[1])
        assert summary(status) == row, name
        assert condition(status, "Synced")["reason"] == "Observed"
    assert "because" in condition(user.status("failed"), "Ready")["message"]
    assert "thaw-db failed" in condition(user.status("hooks-completed"), "Ready")["message"]


def _path(backup: Backup) -> str:
    return f"*/{backup.id}"


def test_nothing_yet(user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """While the first answer is awaited the object says so, and the first answer replaces it."""
    user.secret_for(astra)
    backup = astra.add_backup("stuck", seconds=0.001)
    with astra.fault(_path(backup), kind="hang"):
        user.ref("slow", backup)
        start_operator()
        status = user.wait_reason("slow", "NotObserved", condition="Synced")
        assert summary(status) == ("Unknown", "NotObserved", "Unknown", "False", "Reconciling")
        assert set(status) == {"observedGeneration", "conditions"}
    assert user.wait_reason("slow", "BackupInProgress")["state"] == "running"


FAULTS = [
    ("InvalidRequest", {"status": 400}, "Invalid query parameters", "Stalled"),
    ("ServerError", {"status": 500}, "Backup not retrieved", "Reconciling"),
    ("RateLimited", {"status": 429}, "429", "Reconciling"),
    ("UnexpectedResponse", {"kind": "body", "body": b"<html>"}, "not JSON", "Reconciling"),
    ("Forbidden", {"status": 403}, "Operation not permitted", "Stalled"),
]


@pytest.mark.parametrize(("reason", "fault", "words", "activity"), FAULTS)
def test_a_remote_that_fails(
    user: User,
    astra: Simulator,
    start_operator: StartOperator,
    reason: str,
    fault: dict[str, object],
    words: str,
    activity: str,
) -> None:
    """With nothing observed, Ready has the failure's reason; with an observation, it stands and only Synced tells."""
    user.secret_for(astra)
    new, old = astra.add_backup("stuck", seconds=0.001), astra.add_backup("stuck", seconds=0.001, app=astra.account)
    user.ref("old", old)
    start_operator()
    user.wait_reason("old", "BackupInProgress")
    with astra.fault("*", **fault):
        user.ref("new", new)
        status = user.wait_reason("new", reason)
        assert summary(status) == ("False", reason, "Unknown", "False", activity)
        assert words in condition(status, "Ready")["message"]
        standing = user.wait_reason("old", reason, condition="Synced")
        assert summary(standing) == ("False", "BackupInProgress", "Unknown", "False", "Reconciling")
        assert standing["progress"]["summary"] == "42% of 2.9 GiB"
    recovered = user.wait_reason("new", "BackupInProgress") if reason != "Forbidden" else None
    assert recovered is None or condition(recovered, "Synced")["status"] == "True"


def test_secrets_that_do_not_work(user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """Each fault of a Secret has its reason and a message a person can act on; a mended Secret counts at once."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        dead = f"http://127.0.0.1:{free.getsockname()[1]}"
    start_operator("--allowed-url", dead)
    backup = astra.add_backup("completes", seconds=0)
    user.ref("ref", backup)
    assert "create it with the keys url and token" in _failing(user, "SecretNotFound", "Reconciling")
    user.secret(url=astra.url)
    assert "no key 'token'" in _failing(user, "SecretInvalid", "Stalled")
    user.secret(url="https://evil.example", token="t" * 8)
    assert "--allowed-url" in _failing(user, "URLNotAllowed", "Stalled")
    user.secret(url=dead, token="t" * 8)
    assert dead in _failing(user, "Unreachable", "Reconciling")
    user.secret(url=astra.url, token="wrong-token")
    assert "Invalid bearer token" in _failing(user, "Unauthorized", "Stalled")
    user.secret_for(astra)
    user.wait("ref", "Ready")
    user.ref("other", backup, secretRef={"name": "other"})
    status = user.wait_reason("other", "SecretForbidden")
    assert "resourceNames" in condition(status, "Ready")["message"]


def _failing(user: User, reason: str, activity: str) -> str:
    status = user.wait_reason("ref", reason)
    assert summary(status) == ("False", reason, "Unknown", "False", activity)
    message: str = condition(status, "Synced")["message"]
    return message


def test_not_found_and_back(user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """A backup that vanishes leaves nothing observed, whatever readyWhen says; should it come back, so does the ref."""
    user.secret_for(astra)
    backup = astra.add_backup("completes", seconds=0)
    user.ref("ref", backup, readyWhen="Observed")
    start_operator("--settled-interval", "1s")
    user.wait_reason("ref", "BackupObserved")
    backup.remove()
    status = user.wait_reason("ref", "BackupNotFound")
    assert summary(status) == ("False", "BackupNotFound", "False", "True", "Stalled")
    assert condition(status, "Synced")["status"] == "True"
    assert set(status) == {"observedGeneration", "target", "conditions"}
    backup.set(state="completed")
    user.wait("ref", "Ready")


def test_a_long_outage_makes_ready_unknown(user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """Ready stands until the observation is too old, and recovery restores it."""
    user.secret_for(astra)
    user.ref("ref", astra.add_backup("stuck", seconds=0.001))
    start_operator("--stale-after", "1s")
    user.wait_reason("ref", "BackupInProgress")
    with astra.fault("*", status=503):
        status = user.wait_reason("ref", "ObservationStale")
        assert summary(status) == ("Unknown", "ObservationStale", "Unknown", "False", "Reconciling")
        assert status["state"] == "running"
    user.wait_reason("ref", "BackupInProgress")


def test_suspend_keeps_the_last_status(user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """A suspended ref is not asked for, keeps what was observed, and goes on when it is resumed."""
    user.secret_for(astra)
    backup = astra.add_backup("stuck", seconds=0.001)
    user.ref("ref", backup)
    start_operator("--stale-after", "1s")
    user.wait_reason("ref", "BackupInProgress")
    user.ref("ref", backup, suspend=True)
    status = user.wait_reason("ref", "Suspended", condition="Synced")
    assert summary(status) == ("False", "BackupInProgress", "Unknown", "False", "")
    astra.requests.clear()
    backup.set(state="completed")
    witness = astra.add_backup("stuck", seconds=0.001)
    user.ref("witness", witness)
    astra.requests.wait_for(5, _path(witness))
    assert not astra.requests.matching(_path(backup))
    user.ref("ref", backup, suspend=False)
    user.wait("ref", "Ready")
