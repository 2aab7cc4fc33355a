"""What the status function promises beyond the table: nothing needless is written, and nothing old survives."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from astra_mirror.api.app_backup_ref import AppBackupRefStatus, ReadyWhen
from astra_mirror.core.diff import merge_patch, stamped
from astra_mirror.core.outcome import Failed, NotFound, Outcome, SyncReason
from astra_mirror.core.status import UNSEEN, Event, forget, next_status
from tests.core.cases import (
    COMPLETED,
    MISSING,
    NOW,
    ROWS,
    RUNNING,
    after,
    as_json,
    backup,
    failed,
    observed_before,
    spec,
)


def _event(outcome: Outcome | None, *, minutes: int = 0, generation: int = 1) -> Event:
    return Event(generation, spec(), outcome, NOW + timedelta(minutes=minutes), at=60.0 * minutes)


@pytest.mark.parametrize("outcome", [COMPLETED, RUNNING, MISSING, failed(SyncReason.SERVER_ERROR), None])
def test_learning_nothing_new_writes_nothing(outcome: Outcome | None) -> None:
    """The same answer an hour later gives an empty patch, also after a restart."""
    first = stamped(as_json(next_status(UNSEEN, _event(outcome))), {}, NOW)
    again = as_json(next_status(observed_before(first), _event(outcome, minutes=60)))
    assert merge_patch(first, stamped(again, first, NOW + timedelta(hours=1))) == {}


@pytest.mark.parametrize(
    "words", ["It went wrong: Collection not found.", "Astra Control has no such backup (404): gone."]
)
def test_a_new_correlation_id_alone_is_no_news(words: str) -> None:
    """Each answer has another correlationID, which must not cause a write for each poll."""
    for outcome in (Failed(SyncReason.SERVER_ERROR, words, correlation_id="a"), NotFound(words, "a")):
        first = after([outcome])
        held = observed_before(first)
        status = as_json(next_status(held, _event(replace(outcome, correlation_id="b"), minutes=1)))
        assert merge_patch(first, stamped(status, first, NOW)) == {}


def test_a_transition_time_moves_only_with_the_status_of_its_condition() -> None:
    """Progress changes messages; the time at which Ready became False stays."""
    first = ROWS["running"]
    later = backup("running", percent_done=50.0, bytes_done=1_600_000_000, total_bytes=3_113_851_289)
    wanted = as_json(next_status(observed_before(first), _event(later, minutes=5)))
    status = stamped(wanted, first, NOW + timedelta(minutes=5))
    assert [each["lastTransitionTime"] for each in status["conditions"]] == ["2026-03-01T12:00:00Z"] * 5
    ready = observed_before(status).condition("Ready")
    assert ready is not None
    assert ready.message == "The backup is running: 50% of 2.9 GiB."


@pytest.mark.parametrize(
    "held",
    [{}, {"conditions": None}, {"conditions": "x"}, {"conditions": [7, {}, {"type": "Ready"}, {"type": ["Ready"]}]}],
)
def test_whatever_somebody_else_has_written_is_replaced(held: dict[str, Any]) -> None:
    """With a CRD that is not ours the cluster's status may be anything."""
    status = stamped(as_json(next_status(UNSEEN, _event(COMPLETED))), held, NOW)
    assert {each["lastTransitionTime"] for each in status["conditions"]} == {"2026-03-01T12:00:00Z"}


def test_an_observation_stands_while_refreshing_fails() -> None:
    """What was observed is kept, and only Synced says that it could not be refreshed."""
    before, now = ROWS["running"], after([RUNNING, failed(SyncReason.UNREACHABLE)])
    patch = merge_patch(before, now)
    assert set(patch) == {"conditions"}
    changed = [new for old, new in zip(before["conditions"], now["conditions"], strict=True) if old != new]
    assert [each["type"] for each in changed] == ["Synced"]


def test_nothing_observed_of_another_target_survives() -> None:
    """After an ID has changed the status holds nothing but the echo of the annotation."""
    held = observed_before(ROWS["completed"] | {"lastHandledReconcileAt": "then"})
    status = stamped(as_json(next_status(forget(held), _event(None, generation=2))), as_json(held), NOW)
    assert set(status) == {"observedGeneration", "lastHandledReconcileAt", "conditions"}
    assert status["conditions"][0]["reason"] == "NotObserved"
    gone = merge_patch(ROWS["completed"], status)
    assert gone["state"] is None
    assert gone["progress"] is None


def test_a_missing_backup_leaves_nothing_observed() -> None:
    """A 404 clears what was observed, and the next failure does not forget the 404."""
    assert set(ROWS["not-found"]) == {"observedGeneration", "target", "conditions"}
    assert ROWS["failing-not-found"]["conditions"][0] == ROWS["not-found-observed-wanted"]["conditions"][0]


def test_recovery_after_staleness_restores_ready() -> None:
    """A good answer after a long outage makes the ref Ready again."""
    held = observed_before(ROWS["stale-needs-person"])
    status = next_status(held, _event(COMPLETED, minutes=30))
    ready = status.condition("Ready")
    assert ready is not None
    assert (ready.status, ready.reason) == ("True", "BackupCompleted")


def test_ready_stands_while_suspended() -> None:
    """Suspending a completed ref leaves it Ready, with the new generation."""
    held = observed_before(ROWS["completed"])
    event = replace(_event(None, generation=2), spec=spec(suspend=True))
    status = next_status(held, event)
    ready, synced = status.condition("Ready"), status.condition("Synced")
    assert ready is not None
    assert synced is not None
    assert (ready.status, ready.reason, ready.observed_generation) == ("True", "BackupCompleted", 2)
    assert (synced.status, synced.reason) == ("Unknown", "Suspended")


def test_ready_when_is_applied_to_what_is_held() -> None:
    """A changed readyWhen counts at once, also while the remote is away."""
    held = observed_before(ROWS["running"])
    event = replace(_event(failed(SyncReason.SERVER_ERROR)), spec=spec(readyWhen=ReadyWhen.OBSERVED))
    ready = next_status(held, event).condition("Ready")
    assert ready is not None
    assert ready.reason == "BackupObserved"


def test_the_echo_of_the_annotation_stays() -> None:
    """The status field is set by the poll that answers, and kept by the others."""
    status = next_status(UNSEEN, replace(_event(RUNNING), handled="now"))
    assert status.last_handled_reconcile_at == "now"
    assert next_status(status, _event(RUNNING)).last_handled_reconcile_at == "now"


def test_merge_patch_is_the_smallest_one() -> None:
    """Keys that are gone become null, equal ones are left out, lists are replaced whole."""
    old = {"a": 1, "b": {"c": 1, "d": 2}, "e": [1], "f": "x"}
    new = {"b": {"c": 1, "d": 3}, "e": [1, 2], "f": "x", "g": True}
    assert merge_patch(old, new) == {"a": None, "b": {"d": 3}, "e": [1, 2], "g": True}
    assert merge_patch({"a": 1}, {"a": True}) == {"a": True}


def test_the_crds_default_is_replaced() -> None:
    """From the default status of the CRD to the first one is one patch that sets everything."""
    patch = merge_patch({"observedGeneration": -1}, ROWS["running"])
    assert patch == ROWS["running"]
    assert AppBackupRefStatus.model_validate(patch).state == "running"
