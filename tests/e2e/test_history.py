"""What a watch sees: every version that a ref ever had is right, and none is there without a reason."""

from itertools import pairwise
from typing import Any

from dev.simulator import Simulator
from tests.e2e.history import changes, check_history
from tests.e2e.user import User, condition
from tests.operator_process import StartOperator


def _reason(kind: str, reason: str) -> Any:
    def holds(version: dict[str, Any]) -> bool:
        conditions = version["status"].get("conditions", ())
        return any(each["type"] == kind and each["reason"] == reason for each in conditions)

    return holds


def _has_done(number: int) -> Any:
    def holds(version: dict[str, Any]) -> bool:
        return bool(version["status"].get("progress", {}).get("bytesDone") == number)

    return holds


def test_a_life_has_no_version_too_many(user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """Each condition goes one way, and each version differs from the one before."""
    user.secret_for(astra)
    backup = astra.add_backup("completes", seconds=8)
    with user.history("ref") as history:
        user.ref("ref", backup)
        start_operator()
        versions = history.until(_reason("Ready", "BackupCompleted"))
    check_history(versions, {1: backup.document()["name"]})  # type: ignore[index]
    assert changes(versions, "Ready") == [("False", "BackupInProgress"), ("True", "BackupCompleted")]
    assert changes(versions, "Finished") == [("False", "BackupInProgress"), ("True", "BackupCompleted")]
    assert changes(versions, "Synced") == [("True", "Observed")]
    statuses = [each["status"] for each in versions]
    assert all(before != after for before, after in pairwise(statuses))
    # One version for the creation, and then at most one for each poll.
    assert len(versions) <= 1 + len(astra.requests.matching("/accounts/*"))
    shown = [each.get("progress", {}).get("percentDone", 0) for each in statuses]
    assert shown == sorted(shown)


def test_edits_leave_no_wrong_version(user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """Another backup, another Secret, another interval, another readyWhen: no data of the old under the new."""
    user.secret_for(astra)
    user.secret("other", url=astra.url, token=astra.token)
    first, second = astra.add_backup("completes", seconds=0), astra.add_backup("stuck", seconds=0.001)
    names = {each.id: each.document()["name"] for each in (first, second)}  # type: ignore[index]
    with user.history("ref") as history:
        user.ref("ref", first)
        start_operator()
        user.wait("ref", "Ready")
        user.ref("ref", second)
        user.wait_reason("ref", "BackupInProgress")
        user.ref("ref", second, readyWhen="Observed")
        user.wait("ref", "Ready")
        user.ref("ref", second, readyWhen="Observed", interval="2s")
        user.kubectl("wait", "--for=jsonpath={.status.observedGeneration}=4", "abr/ref", "--timeout=60s")
        user.ref("ref", second, secretRef={"name": "other"})
        versions = history.until(_reason("Synced", "SecretForbidden"))
    targets = {1: names[first.id], 2: names[second.id], 3: names[second.id], 4: names[second.id]}
    check_history(versions, targets | {5: "nothing: the operator may not read the other Secret"})
    assert "backup" not in versions[-1]["status"]
    assert "state" not in versions[-1]["status"]
    generations = [each["status"]["observedGeneration"] for each in versions]
    assert generations == sorted(generations)
    assert generations[-1] == 5


def test_a_short_outage_changes_nothing_but_synced(user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """Ready, Succeeded and Finished do not move while the observation is young, nor when it is renewed."""
    user.secret_for(astra)
    backup = astra.add_backup("stuck", seconds=0.001)
    with user.history("ref") as history:
        user.ref("ref", backup)
        start_operator()
        history.until(_reason("Synced", "Observed"))
        with astra.fault("*", status=503):
            history.until(_reason("Synced", "ServerError"))
        versions = history.until(_reason("Synced", "Observed"))
    check_history(versions, {1: backup.document()["name"]})  # type: ignore[index]
    assert changes(versions, "Synced") == [("True", "Observed"), ("False", "ServerError"), ("True", "Observed")]
    for kind in ("Ready", "Succeeded", "Finished"):
        assert len(changes(versions, kind)) == 1


def test_a_long_outage_is_shown_once_and_taken_back_once(
    user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """Ready becomes Unknown when the observation is too old, and what it was when there is a new one."""
    user.secret_for(astra)
    backup = astra.add_backup("completes", seconds=0)
    with user.history("ref") as history:
        user.ref("ref", backup)
        start_operator("--stale-after", "1s", "--settled-interval", "1s")
        history.until(_reason("Ready", "BackupCompleted"))
        with astra.fault("*", status=503):
            history.until(_reason("Ready", "ObservationStale"))
        versions = history.until(_reason("Ready", "BackupCompleted"))
    check_history(versions, {1: backup.document()["name"]})  # type: ignore[index]
    stale = ("Unknown", "ObservationStale")
    assert changes(versions, "Ready") == [("True", "BackupCompleted"), stale, ("True", "BackupCompleted")]
    assert changes(versions, "Succeeded") == [("True", "BackupCompleted")]


def test_suspend_and_resume(user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """Ready stands, Reconciling goes and comes back; a requestedAt is not answered before the resumption."""
    user.secret_for(astra)
    backup = astra.add_backup("stuck", seconds=0.001)
    with user.history("ref") as history:
        user.ref("ref", backup)
        start_operator("--stale-after", "1s")
        history.until(_reason("Synced", "Observed"))
        user.ref("ref", backup, suspend=True)
        history.until(_reason("Synced", "Suspended"))
        user.kubectl("annotate", "abr", "ref", "astra-mirror.io/requestedAt=now")
        user.ref("ref", backup, suspend=False)
        versions = history.until(lambda version: version["status"].get("lastHandledReconcileAt") == "now")
    check_history(versions, {1: backup.document()["name"]})  # type: ignore[index]
    assert len(changes(versions, "Ready")) == 1
    assert [status for status, _ in changes(versions, "Synced")] == ["True", "Unknown", "True"]
    for version in versions:
        kinds = {each["type"] for each in version["status"].get("conditions", ())}
        if kinds and condition(version["status"], "Synced")["reason"] == "Suspended":
            assert not kinds & {"Reconciling", "Stalled"}
            assert "lastHandledReconcileAt" not in version["status"]


def test_requested_at_is_answered_when_the_poll_fails_too(
    user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """Whoever asks has an answer: the echo, and Synced."""
    user.secret_for(astra)
    user.ref("ref", astra.add_backup("completes", seconds=0))
    start_operator()
    user.wait("ref", "Ready")
    with astra.fault("*", status=500), user.history("ref") as history:
        user.kubectl("annotate", "abr", "ref", "astra-mirror.io/requestedAt=1")
        versions = history.until(lambda version: version["status"].get("lastHandledReconcileAt") == "1")
    assert condition(versions[-1]["status"], "Synced")["reason"] == "ServerError"
    assert condition(versions[-1]["status"], "Ready")["status"] == "True"


def test_progress_that_misbehaves(user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """Totals that come late, shrink or go; 100% before the end: each version is one that a person can read."""
    user.secret_for(astra)
    backup = astra.add_backup("pending")
    name = backup.document()["name"]  # type: ignore[index]
    steps: list[dict[str, Any]] = [
        {"state": "running", "bytesDone": 1000, "percentDone": 10.9},
        {"bytesDone": 5000, "totalBytes": 4000, "percentDone": 50},
        {"bytesDone": 6000, "totalBytes": 10_000, "percentDone": 100},
        {"bytesDone": 10_000, "totalBytes": 9000, "percentDone": 250},
        {"bytesDone": "9000", "totalBytes": -1, "percentDone": None},
        {"state": "completed", "bytesDone": 10_000, "totalBytes": 10_000, "percentDone": 100},
    ]
    with user.history("ref") as history:
        user.ref("ref", backup)
        start_operator()
        history.until(_reason("Ready", "BackupInProgress"))
        for step in steps:
            backup.set(**step)
            done = int(step["bytesDone"])
            history.until(_has_done(done))
        versions = history.until(_reason("Ready", "BackupCompleted"))
    check_history(versions, {1: name})
    summaries = [each["status"]["progress"]["summary"] for each in versions if "progress" in each["status"]]
    assert summaries == ["10%", "50%", "99% of 9.8 KiB", "9.8 KiB", "8.8 KiB", "100% of 9.8 KiB"]
    assert any("bytesPerSecond" in each["status"].get("progress", {}) for each in versions)
    assert "estimatedCompletionTime" not in versions[-1]["status"]["progress"]
