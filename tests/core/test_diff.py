"""The difference between three statuses: desired, the operator's own last one, and the actual one."""

from datetime import timedelta
from typing import Any

import pytest

from astra_mirror.core.diff import difference, fields_of, with_earlier_times
from astra_mirror.core.status import Event, next_status
from astra_mirror.support.times import timestamp
from tests.core.cases import COMPLETED, NOW, ROWS, as_json, observed_before, spec

LATER = NOW + timedelta(hours=1)


def _with(row: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {key: value for key, value in {**row, **fields}.items() if value is not None}


def _condition(status: Any, kind: str) -> dict[str, Any]:
    return next(dict(each) for each in status["conditions"] if each["type"] == kind)


def _forged(row: dict[str, Any], **fields: str) -> dict[str, Any]:
    return row | {"conditions": [each | fields for each in row["conditions"]]}


@pytest.mark.parametrize(("seconds", "counts"), [(1, True), (600, True), (601, False), (-1, False), (0, False)])
def test_times_that_another_operator_has_seen_a_little_earlier(seconds: int, counts: bool) -> None:
    """They count; what lies far back, or later, does not."""
    own = _forged(ROWS["running"], lastTransitionTime=timestamp(NOW))
    actual = _forged(own, lastTransitionTime=timestamp(NOW - timedelta(seconds=seconds)))
    assert with_earlier_times(own, actual) == (actual if counts else own)


def test_times_of_another_status_are_left_alone() -> None:
    """A transition that the other has seen is none of ours."""
    own = _forged(ROWS["running"], lastTransitionTime=timestamp(NOW))
    earlier = timestamp(NOW - timedelta(seconds=5))
    assert with_earlier_times(own, _forged(own, lastTransitionTime=earlier, status="Other")) == own
    assert with_earlier_times(own, {}) == own


def test_equal_statuses_differ_in_nothing() -> None:
    """And whoever wrote them, it is no correction of anything."""
    row = ROWS["running"]
    assert difference(row, row, row, LATER).patch == {}


def test_what_somebody_else_wrote_is_a_correction() -> None:
    """The operator's own last status says already what is desired."""
    row = ROWS["running"]
    found = difference(row, row, _with(row, state="failed"), LATER)
    assert found.is_correction
    assert found.patch == {"state": "running"}


@pytest.mark.parametrize("own", [{}, _with(ROWS["running"], target=None)], ids=["none-written", "older-release"])
def test_another_target_is_put_right_though_the_operator_has_written_none(own: dict[str, Any]) -> None:
    """Only a target that is missing may wait for the next write."""
    row = ROWS["running"]
    lie = _with(row, target=row["target"] | {"backupID": "00000000-0000-4000-8000-000000000000"})
    assert difference(row, own, lie, NOW).patch == {"target": {"backupID": row["target"]["backupID"]}}
    assert difference(row, own, _with(row, target=None), NOW).patch == {}


def test_what_is_new_is_none() -> None:
    """Also where somebody else has written as well."""
    desired = as_json(next_status(observed_before(ROWS["running"]), Event(1, spec(), COMPLETED, LATER)))
    assert not difference(desired, ROWS["running"], _with(ROWS["running"], state="x"), LATER).is_correction


def test_own_times_survive_forged_ones() -> None:
    """Times and texts are compared with the operator's own."""
    own = ROWS["running"]
    actual = _forged(own, lastTransitionTime="2001-01-01T00:00:00Z", message="lies")
    desired = as_json(next_status(observed_before(own), Event(1, spec(), COMPLETED, LATER)))
    status = difference(desired, own, actual, LATER).status
    assert _condition(status, "Synced") == _condition(own, "Synced")
    assert _condition(status, "Ready")["lastTransitionTime"] == timestamp(LATER)


@pytest.mark.parametrize(
    ("ago", "counts"), [(0, True), (59, True), (-4, True), (61, False), (3600, False), (-6, False)]
)
def test_the_time_of_another_process_counts_while_it_is_the_same_transition(ago: float, *, counts: bool) -> None:
    """Two that write the same within seconds do not fight about the second; an old time is a forged one."""
    own = ROWS["running"]
    moment = timestamp(LATER - timedelta(seconds=ago))
    actual = _forged(ROWS["completed"], lastTransitionTime=moment)
    desired = as_json(next_status(observed_before(own), Event(1, spec(), COMPLETED, LATER)))
    found = difference(desired, own, actual, LATER)
    assert _condition(found.status, "Ready")["lastTransitionTime"] == (moment if counts else timestamp(LATER))


@pytest.mark.parametrize(("ago", "counts"), [(0, True), (59, True), (61, False), (3600, False)])
def test_the_time_that_was_sent_counts_though_nobody_has_said_that_it_was_stored(ago: float, *, counts: bool) -> None:
    """It may have been, and somebody else has changed the status since. Of several, the latest counts."""
    own = ROWS["running"]
    moment = timestamp(LATER - timedelta(seconds=ago))
    sent = [_forged(ROWS["completed"], lastTransitionTime=each) for each in (moment, "2001-01-01T00:00:00Z")]
    lie = _forged(ROWS["completed"], status="False", lastTransitionTime="2002-01-01T00:00:00Z")
    desired = as_json(next_status(observed_before(own), Event(1, spec(), COMPLETED, LATER)))
    found = difference(desired, own, lie, LATER, sent=sent)
    assert _condition(found.status, "Ready")["lastTransitionTime"] == (moment if counts else timestamp(LATER))
    assert _condition(found.status, "Synced") == _condition(own, "Synced")


RATES = {"bytesPerSecond": 7, "estimatedCompletionTime": "2030-01-01T00:00:00Z"}


def _progress(row: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return row | {"progress": _with(row["progress"], **fields)}


def test_derived_values_are_the_actual_ones_while_the_bytes_are_the_same() -> None:
    """Whether the actual status has them or not."""
    ours = _progress(ROWS["running"], **RATES)
    for actual in (ROWS["running"], _progress(ROWS["running"], bytesPerSecond=9), ours):
        assert difference(ours, ROWS["running"], actual, LATER).patch == {}


@pytest.mark.parametrize("other", [{"bytesDone": 1}, {"totalBytes": 1}, {"bytesDone": None}, {"totalBytes": None}])
def test_derived_values_are_the_own_ones_when_the_bytes_differ(other: dict[str, Any]) -> None:
    """They go with the numbers that they are made of."""
    ours = _progress(ROWS["running"], **RATES)
    patch = difference(ours, ours, _progress(ROWS["running"], **other), LATER).patch
    assert patch["progress"].items() >= RATES.items()


def test_a_backup_that_is_not_under_way_has_no_rate_whatever_stands_there() -> None:
    """Nobody measures one."""
    actual = _progress(ROWS["completed"], **RATES)
    assert difference(ROWS["completed"], ROWS["completed"], actual, LATER).patch == {"progress": dict.fromkeys(RATES)}


def test_a_target_alone_is_no_reason_to_write() -> None:
    """Statuses of an older release have none; with any other change it is written."""
    row = ROWS["completed"]
    old = _with(row, target=None)
    assert difference(row, old, old, LATER).patch == {}
    assert set(difference(row | {"hookState": "success"}, old, old, LATER).patch) == {"target", "hookState"}
    assert set(difference(row, old, _with(old, state="x"), LATER).patch) == {"target", "state"}


def test_a_target_that_somebody_took_out_is_put_back() -> None:
    """It was there."""
    row = ROWS["completed"]
    found = difference(row, row, _with(row, target=None), LATER)
    assert found.is_correction
    assert found.patch == {"target": row["target"]}


ANYTHING: list[Any] = [
    {},
    {"conditions": None},
    {"conditions": "x"},
    {"conditions": [7, {}, {"type": "Ready"}, {"type": ["Ready"]}]},
    {"progress": 7},
    {"progress": {"bytesDone": "x"}},
    {"state": {"a": {"b": 1}}},
]


@pytest.mark.parametrize("actual", ANYTHING)
def test_whatever_stands_there_is_replaced(actual: dict[str, Any]) -> None:
    """With a CRD that is not ours it may be anything."""
    own = ROWS["running"]
    found = difference(own, own, actual, LATER)
    assert found.status == own
    assert set(found.patch) >= set(own) - set(actual)


def test_fields_are_named_as_people_name_them() -> None:
    """For the log."""
    assert list(fields_of({"a": {"b": 1, "c": {}}, "d": None})) == ["status.a.b", "status.a.c", "status.d"]
