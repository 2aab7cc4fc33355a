"""Properties of the status function that hold for every history, searched for counterexamples by hypothesis."""

import json
import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astra_mirror.api.app_backup_ref import AppBackupRefStatus, ReadyWhen
from astra_mirror.astra.answers import AnswerError, parse_backup
from astra_mirror.core.diff import merge_patch, stamped
from astra_mirror.core.outcome import Failed, NotFound, Observed, Outcome, SyncReason
from astra_mirror.core.progress import next_sample
from astra_mirror.core.status import UNSEEN, Event, next_status
from tests.core.cases import BACKUP, NOW, as_json, spec
from tests.invariants import check_status

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=40) | st.dictionaries(st.text(max_size=12), inner, max_size=6),
    max_leaves=60,
)
_STATES = ["pending", "discovering", "running", "completed", "failed", "removed", "deleting", "unknown", "ready", ""]
_FIELDS = [
    "name", "version", "bucketID", "snapshotID", "scheduleID", "stateUnready", "stateDetails", "hookState",
    "hookStateDetails", "backupCreationTimestamp", "totalBytes", "bytesDone", "percentDone", "metadata",
]  # fmt: skip
_numbers = (
    st.integers(-5, 200) | st.floats(-5, 200) | st.sampled_from(["99.9", "1e3", "NaN", "1_0", 2**70, 10**400, 1e308])
)
documents = st.fixed_dictionaries(
    {"id": st.just(BACKUP) | st.just(BACKUP.upper()), "state": st.sampled_from(_STATES) | st.text(max_size=300)},
    optional={
        **dict.fromkeys(_FIELDS, json_values),
        "percentDone": _numbers | json_values,
        "bytesDone": _numbers | json_values,
        "totalBytes": _numbers | json_values,
        "hookState": st.sampled_from(["failed", "success"]),
        "stateUnready": st.lists(st.text(max_size=400), max_size=50),
    },
)


def _outcome(document: Any) -> Outcome:
    try:
        return Observed(parse_backup(json.dumps(document).encode(errors="replace"), BACKUP))
    except AnswerError as error:
        return Failed(error.reason, str(error))


failures = st.builds(
    Failed, st.sampled_from([each for each in SyncReason if each is not SyncReason.OBSERVED]), st.text(min_size=1)
)
outcomes = st.none() | documents.map(_outcome) | failures | st.builds(NotFound, st.text(min_size=1))


@dataclass
class Step:
    """One event of a history."""

    outcome: Outcome | None
    suspend: bool
    ready_when: ReadyWhen
    stale: bool


steps = st.builds(Step, outcomes, st.booleans(), st.sampled_from(ReadyWhen), st.booleans())


def _play(history: list[Step]) -> list[dict[str, Any]]:
    held, sample = UNSEEN, None
    cluster: dict[str, Any] = {}
    written = []
    for number, step in enumerate(history):
        at, now = 15.0 * number, NOW + timedelta(seconds=15 * number)
        event = Event(
            generation=number + 1,
            spec=spec(suspend=step.suspend, readyWhen=step.ready_when),
            outcome=step.outcome,
            now=now,
            at=at,
            sample=sample,
            stale_since=NOW if step.stale else None,
        )
        held = next_status(held, event)
        if isinstance(step.outcome, Observed):
            sample = next_sample(sample, step.outcome.backup.bytes_done, at)
        cluster = stamped(as_json(held), cluster, now)
        written.append(cluster)
    return written


@given(st.lists(steps, min_size=1, max_size=6))
@settings(deadline=None)
def test_no_history_gives_a_status_that_contradicts_itself(history: list[Step]) -> None:
    """Whatever happens in whatever order, each status holds the invariants and moves no time without need."""
    before: dict[str, Any] = {}
    for number, status in enumerate(_play(history)):
        check_status(status, generation=number + 1)
        old = {each["type"]: each for each in before.get("conditions", [])}
        for each in status["conditions"]:
            was = old.get(each["type"])
            if was and was["status"] == each["status"]:
                assert each["lastTransitionTime"] == was["lastTransitionTime"]
        before = status


@given(st.lists(steps, min_size=1, max_size=4))
@settings(deadline=None)
def test_the_same_input_gives_an_empty_patch(history: list[Step]) -> None:
    """A status that is computed again from what was read back is the one that was read."""
    last = _play(history)[-1]
    held = AppBackupRefStatus.model_validate(last)
    step = history[-1]
    event = Event(
        generation=len(history),
        spec=spec(suspend=step.suspend, readyWhen=step.ready_when),
        outcome=step.outcome,
        now=NOW + timedelta(days=1),
        stale_since=NOW if step.stale else None,
    )
    again = stamped(as_json(next_status(held, event)), last, event.now)
    assert merge_patch(last, again) == {}


@given(json_values | documents)
@settings(deadline=None)
def test_any_json_as_the_answer_gives_a_status_or_a_clear_error(document: Any) -> None:
    """No answer of the remote is an exception."""
    outcome = _outcome(document)
    status = stamped(as_json(next_status(UNSEEN, Event(1, spec(), outcome, NOW))), {}, NOW)
    check_status(status, generation=1)
    if isinstance(outcome, Failed):
        assert outcome.reason is SyncReason.UNEXPECTED_RESPONSE
        assert 0 < len(outcome.message) < 500


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_any_bytes_as_the_answer_give_a_clear_error(body: bytes) -> None:
    """Garbage is an UnexpectedResponse."""
    with pytest.raises(AnswerError) as caught:
        parse_backup(body, BACKUP)
    assert caught.value.reason is SyncReason.UNEXPECTED_RESPONSE


@given(st.dictionaries(st.text(), json_values), st.dictionaries(st.text(), json_values))
def test_a_merge_patch_leads_from_one_to_the_other(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Applied as RFC 7396 says, the patch gives the wanted object."""
    old, new = _plain(old), _plain(new)
    assert _merged(old, merge_patch(old, new)) == new


def _plain(value: Any) -> Any:
    """A merge patch can carry no null, and NaN equals nothing."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return 0.0 if isinstance(value, float) and math.isnan(value) else value


def _merged(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value)
    return merged
