"""Fuzzes the building of statuses: whatever is observed, and whatever somebody else writes, the next one is right."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from hypothesis import example, given, settings
from hypothesis import strategies as st

from astra_mirror.api.app_backup_ref import AppBackupRefSpec, AppBackupRefStatus
from astra_mirror.core.diff import difference, merge_patch
from astra_mirror.core.inherited import inherited, own
from astra_mirror.core.outcome import Observed
from astra_mirror.core.progress import Sample, next_sample
from astra_mirror.core.status import UNSEEN, Event, next_status
from tests.core.cases import ACCOUNT, NOW, as_json, spec
from tests.fuzz import schema
from tests.fuzz.bounds import IN_SECONDS
from tests.fuzz.mutation import Change, changes, json_values
from tests.fuzz.statuses import Step, outcomes, steps
from tests.invariants import check_status

SLOWER: Final = settings(IN_SECONDS, max_examples=80)


def _event(step: Step, *, generation: int, seconds: float, sample: Sample | None) -> Event:
    return Event(
        generation=generation,
        spec=spec(suspend=step.suspend, readyWhen=step.ready_when),
        outcome=step.outcome,
        now=NOW + timedelta(seconds=seconds),
        at=seconds,
        sample=sample,
        stale_since=NOW if step.stale else None,
        handled=step.handled,
        keeps_message=step.keeps_message,
        is_young=step.is_young,
    )


def _merged(target: Any, patch: Any) -> Any:
    """RFC 7396, as the API server applies a merge patch."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value)
    return merged


def _check_times(before: Mapping[str, Any], after: Mapping[str, Any], now: datetime) -> None:
    """A transition has a time, that of our own last one or of somebody else's within the last minute; none moves it."""
    old = {each["type"]: each for each in before.get("conditions", ())}
    for each in after["conditions"]:
        was, time = old.get(each["type"]), each["lastTransitionTime"]
        if was is not None and was["status"] == each["status"]:
            assert time == was["lastTransitionTime"]
        else:
            assert -60 <= (datetime.fromisoformat(time) - now).total_seconds() <= 6


def _check(status: dict[str, Any], generation: int) -> None:
    check_status(status, generation=generation)
    schema.check(status, schema.STATUS)


@SLOWER
@given(st.lists(steps, min_size=1, max_size=6))
def test_every_history_ends_in_the_right_status(history: list[Step]) -> None:
    """The patch leads from the actual status to the desired one, whoever meddled with it; once more it is empty."""
    held, sample = UNSEEN, None
    mine: dict[str, Any] = {}
    actual: dict[str, Any] = {}
    seconds = 0.0
    for number, step in enumerate(history, 1):
        seconds += step.seconds
        event = _event(step, generation=number, seconds=seconds, sample=sample)
        desired = next_status(held, event)
        # The same from the same, and nothing new from what is there already.
        assert next_status(held, event) == desired
        # The engine applies no response to an object that is suspended: its status and the sample move together.
        if isinstance(step.outcome, Observed) and not step.suspend:
            sample = next_sample(sample, step.outcome.backup.bytes_done, seconds)
        # What the engine keeps is its text.
        held = AppBackupRefStatus.model_validate_json(desired.model_dump_json(by_alias=True, exclude_none=True))
        assert held == desired
        meddled = step.meddling.applied(actual) if step.meddling else actual
        actual = meddled if isinstance(meddled, dict) else {}
        found = difference(as_json(desired), mine, actual, event.now)
        assert _merged(actual, found.patch) == found.status
        _check_times(mine, found.status, event.now)
        mine = actual = dict(found.status)
        _check(actual, number)
        again = difference(as_json(desired), mine, actual, event.now + timedelta(days=1))
        assert (again.patch, again.is_correction) == ({}, True)


_valid = st.lists(steps, min_size=1, max_size=3)


def status_after(history: list[Step]) -> dict[str, Any]:
    """The status, as it is written, that these events lead to; without any, that of a ref that was just seen."""
    held = next_status(UNSEEN, Event(generation=1, spec=spec(), outcome=None, now=NOW))
    for number, step in enumerate(history, 1):
        held = next_status(held, _event(step, generation=number, seconds=15.0 * number, sample=None))
    return dict(difference(as_json(held), {}, {}, NOW).status)


@SLOWER
@given(
    _valid.map(status_after),
    st.lists(changes, max_size=3),
    outcomes,
    st.sampled_from([spec(), spec(suspend=True), spec().model_copy(update={"backup_id": ACCOUNT})]),
)
def test_a_process_may_find_any_status_when_it_starts(
    status: Any, meddling: list[Change], outcome: Any, wanted: AppBackupRefSpec
) -> None:
    """What is found is taken over or counts as none; what is made of it is right either way."""
    # What an operator has written, the next one takes over.
    assert own(status) is not UNSEEN
    for each in meddling:
        status = each.applied(status)
    held = inherited(own(status), wanted, 7)
    event = Event(generation=7, spec=wanted, outcome=outcome, now=NOW, at=0.0)
    desired = next_status(held, event)
    actual = status if isinstance(status, dict) else {}
    found = difference(as_json(desired), {}, actual, NOW)
    assert _merged(actual, found.patch) == found.status
    _check(dict(found.status), 7)


@IN_SECONDS
@given(st.dictionaries(st.text(max_size=3), json_values, min_size=1), st.lists(changes, min_size=1, max_size=3))
@example({"": 1}, [Change((0,), value=True)])
@example({"": {"": True}}, [Change((0, 0), value=1)])
def test_a_merge_patch_leads_from_one_to_the_other(old: dict[str, Any], edits: list[Change]) -> None:
    """Also where a value becomes another type, and a number another kind of number."""
    edited: Any = old
    for each in edits:
        edited = each.applied(edited)
    old, new = _without_null(old), _without_null(edited if isinstance(edited, dict) else {})
    merged = _merged(old, merge_patch(old, new))
    assert _is_the_same(merged, new)


def _without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_null(each) for key, each in value.items() if each is not None}
    return [_without_null(each) for each in value] if isinstance(value, list) else value


def _is_the_same(one: Any, other: Any) -> bool:
    """Equal, and of the same kind: a one is not true. Within lists the types of the CRD see to that."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_the_same(each, other[key]) for key, each in one.items())
    return type(one) is type(other) and bool(one == other)
