"""What `kubectl describe` tells of a ref's story."""

import json
from typing import Any

from dev.simulator import Simulator
from tests.e2e.user import User
from tests.operator_process import StartOperator


def _events(user: User, name: str) -> list[dict[str, Any]]:
    found = json.loads(user.kubectl("get", "events.events.k8s.io", "-o", "json"))["items"]
    return [each for each in found if each["regarding"]["name"] == name]


def _wait(user: User, name: str, reason: str, *, times: int = 1) -> None:
    """Wait for an Event, or for its series to be that long."""
    with user.watching("events.events.k8s.io") as versions:
        for event in versions:
            count = (event.get("series") or {}).get("count", 1)
            if (event["regarding"]["name"], event["reason"]) == (name, reason) and count >= times:
                return


def test_describe_tells_the_story(user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """An outage, its end, the completion and the loss: once each, in words; the outage again is the same Event."""
    user.secret_for(astra)
    backup = astra.add_backup("stuck", seconds=0.001)
    user.ref("ref", backup)
    start_operator("--settled-interval", "1s")
    user.wait_reason("ref", "BackupInProgress")
    for times in (1, 2):
        with astra.fault("*", status=503):
            user.wait_reason("ref", "ServerError", condition="Synced")
        user.wait_reason("ref", "Observed", condition="Synced")
        _wait(user, "ref", "SyncRecovered", times=times)
    backup.set(state="completed", percentDone=100)
    user.wait("ref", "Ready")
    backup.remove()
    user.wait_reason("ref", "BackupNotFound")
    _wait(user, "ref", "BackupNotFound")
    told = {each["reason"]: each for each in _events(user, "ref")}
    assert set(told) == {"SyncFailed", "SyncRecovered", "BackupCompleted", "BackupNotFound"}
    assert told["SyncFailed"]["series"]["count"] == 2
    assert told["BackupNotFound"]["type"] == "Warning"
    assert told["BackupCompleted"]["reportingController"] == "astra-mirror.io/operator"
    described = user.kubectl("describe", "abr", "ref")
    for words in ("Normal   BackupCompleted", "The backup is complete", "Warning  SyncFailed", "(x2 over"):
        assert words in described


def test_a_backup_that_is_complete_from_the_first_look_is_no_event(
    user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """Nothing has happened while anybody looked; and a restart tells nothing again."""
    user.secret_for(astra)
    user.ref("complete", astra.add_backup("completes", seconds=0))
    user.ref("failed", astra.add_backup("fails", seconds=0))
    operator = start_operator("--settled-interval", "1s")
    user.wait("complete", "Ready")
    _wait(user, "failed", "BackupFailed")
    operator.stop()
    astra.requests.clear()
    start_operator("--settled-interval", "1s")
    astra.requests.wait_for(3)
    assert not _events(user, "complete")
    [only] = _events(user, "failed")
    assert "series" not in only or only["series"] is None
