"""What a process finds when it starts counts only where an operator can have written it."""

from datetime import datetime
from typing import Any

import pytest

from astra_mirror.api.app_backup_ref import ReadyWhen
from astra_mirror.core.diff import difference
from astra_mirror.core.inherited import inherited, own
from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.status import UNSEEN, Event, next_status
from tests.core.cases import COMPLETED, HOOKS_FAILED, MISSING, NOW, RUNNING, as_json, spec

_REFUSED = Failed(SyncReason.UNAUTHORIZED, "The token was refused.")
_BEYOND: dict[str, Any] = {
    "state": "s" * 257,
    "stateUnready": ["reason"] * 33,
    "stateDetails": [{}] * 17,
    "hookState": "s" * 1025,
    "hookStateDetails": [{"title": "t" * 1025}],
    "progress": {"percentDone": 101},
    "backup": {"labels": [{"name": "n", "value": "v"}] * 65},
    "lastHandledReconcileAt": "a" * 1025,
}


def _event(outcome: Any, stale_since: datetime | None, **fields: Any) -> Event:
    return Event(generation=1, spec=spec(**fields), outcome=outcome, now=NOW, stale_since=stale_since)


def _status(outcome: Any = RUNNING) -> dict[str, Any]:
    desired = next_status(UNSEEN, _event(outcome, None))
    return dict(difference(as_json(desired), {}, {}, NOW).status)


@pytest.mark.parametrize("field", _BEYOND)
def test_what_the_crd_does_not_admit_counts_as_none(field: str) -> None:
    """It could not be written again: the API server would refuse each status that is made of it."""
    assert own(_status()) is not UNSEEN
    assert own(_status() | {field: _BEYOND[field]}) is UNSEEN


@pytest.mark.parametrize("generation", [1, 2])
def test_an_observation_without_a_target_gets_the_one_of_its_generation(generation: int) -> None:
    """An older release has written none; whoever takes the status over says what it is about."""
    found = {key: value for key, value in _status().items() if key != "target"}
    taken_over = inherited(own(found), spec(), generation)
    if generation == 1:
        assert as_json(taken_over)["target"] == _status()["target"]
    else:
        assert taken_over.state is None
        assert taken_over.target is None


@pytest.mark.parametrize(
    "ready",
    [
        {"reason": "99.5"},
        {"reason": "Completed"},
        {"reason": "Unauthorized"},
        {"status": "True"},
        {"status": "True", "reason": "BackupCompleted"},
        {"message": ""},
        {"message": "m" * 1025},
    ],
)
@pytest.mark.parametrize("outcome", [RUNNING, None])
def test_a_ready_that_no_operator_writes_beside_this_observation_counts_as_none(
    outcome: Any, ready: dict[str, str]
) -> None:
    """A suspended ref keeps its Ready, so that it would stay."""
    status = _status(outcome)
    conditions = [each | ready if each["type"] == "Ready" else each for each in status["conditions"]]
    assert own(status | {"conditions": conditions}) is UNSEEN


@pytest.mark.parametrize("ready_when", list(ReadyWhen))
@pytest.mark.parametrize("stale_since", [None, NOW])
@pytest.mark.parametrize("outcome", [RUNNING, COMPLETED, HOOKS_FAILED, MISSING, _REFUSED, None])
def test_each_ready_of_an_operators_is_taken_over(outcome: Any, stale_since: datetime | None, ready_when: str) -> None:
    """Whatever readyWhen asks for, fresh or stale, observed or not, and then suspended."""
    before = next_status(UNSEEN, _event(outcome, None, readyWhen=ready_when))
    after = next_status(before, _event(_REFUSED, stale_since, readyWhen=ready_when))
    suspended = next_status(after, _event(None, None, suspend=True, readyWhen=ready_when))
    for each in (before, after, suspended):
        assert own(difference(as_json(each), {}, {}, NOW).status) is not UNSEEN
