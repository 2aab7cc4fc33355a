"""The soak's judges see what is wrong: each invariant is broken once, and nothing else is found."""

import copy
import dataclasses
import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from dev.soak import conditions, mirrored
from dev.soak.backups import backup_of, served
from dev.soak.client import OwnWrites, ref_path
from dev.soak.conditions import Row
from dev.soak.facts import Facts, Period, periods
from dev.soak.history import Version
from dev.soak.invariants import check, target_of

_ID = backup_of(0, 0, 0)
_DOCUMENT = served(_ID, 1, {"state": "running", "percentDone": 42.5, "bytesDone": 10, "totalBytes": 20})
_SPEC = {"accountID": _ID, "appID": _ID, "backupID": _ID, "readyWhen": "Completed"}
_TIME = "2026-11-25T10:00:00Z"
_LATER = "2026-11-25T10:00:09Z"
_START = datetime.fromisoformat("2026-11-25T10:00:10Z").timestamp()
"""When the first version is there."""
Object = dict[str, Any]


def _condition(kind: str, status: str, reason: str) -> Object:
    texts = {"message": "Words.", "lastTransitionTime": _TIME, "observedGeneration": 1}
    return {"type": kind, "status": status, "reason": reason, **texts}


def _status() -> Object:
    return {
        "observedGeneration": 1,
        "target": target_of(_SPEC),
        **mirrored.expected(_DOCUMENT),
        "conditions": [
            _condition("Ready", "False", "BackupInProgress"),
            _condition("Synced", "True", "Observed"),
            _condition("Succeeded", "Unknown", "BackupInProgress"),
            _condition("Finished", "False", "BackupInProgress"),
            _condition("Reconciling", "True", "BackupInProgress"),
        ],
    }


def _version(number: int, status: Object, **metadata: Any) -> Version:
    made = {"namespace": "ns", "name": "ref", "uid": "u", "generation": 1, "resourceVersion": str(number)}
    item = {"metadata": made | metadata, "spec": _SPEC, "status": status}
    return Version(_START + number - 1, item, follows=number > 1)


def _facts(own: OwnWrites | None = None, **more: Any) -> Facts:
    return Facts(own or OwnWrites(), documents={_ID: [_DOCUMENT]}, secrets=("the-token",), **more)


def _invariants(facts: Facts, *versions: Version) -> list[str]:
    return [each.invariant for each in check({"u": list(versions)}, facts)]


def _findings(*versions: Version, own: set[str] | None = None, starts: tuple[float, ...] = ()) -> list[str]:
    return _invariants(_facts(OwnWrites(own or set()), starts=starts), *versions)


def _failed(status: Object) -> None:
    status["conditions"][1] = _condition("Synced", "False", "Unreachable") | {"lastTransitionTime": _LATER}


def _set(path: str, value: Any) -> Callable[[Object], None]:
    def change(status: Object) -> None:
        where: Any = status
        *parents, last = path.split(".")
        for each in parents:
            where = where[int(each)] if each.isdecimal() else where[each]
        where[int(last) if last.isdecimal() else last] = value

    return change


def _generation(status: Object, generation: int) -> None:
    status["observedGeneration"] = generation
    for each in status["conditions"]:
        each["observedGeneration"] = generation


def _suspended(status: Object) -> None:
    status["conditions"][1] = _condition("Synced", "Unknown", "Suspended")
    status["conditions"].pop()


_BROKEN: dict[str, Callable[[Object], None]] = {
    "a status has the form that docs/reference.md says": lambda status: status["conditions"].pop(0) and None,
    "observedGeneration is never ahead": lambda status: _generation(status, 2),
    "the conditions say what the state means": _set("conditions.0.status", "True"),
    "Synced says whether polling is suspended": _suspended,
    "target stands beside every observation, and only there": lambda status: status.pop("target") and None,
    "what is observed is about what the spec names": _set("target.secretName", "other"),
    "an observation is one that there was": _set("backup.name", "another"),
    "a status shows what Astra Control said": _set("progress.percentDone", 43),
    "a token is in no object": _set("conditions.0.message", "it was the-token"),
}


def test_a_right_history_is_right() -> None:
    """The base of the others."""
    later = _status()
    _failed(later)
    assert not _findings(_version(1, _status()), _version(2, later))


@pytest.mark.parametrize("invariant", _BROKEN)
def test_a_version_that_breaks_an_invariant(invariant: str) -> None:
    """Each in its own way."""
    status = copy.deepcopy(_status())
    _BROKEN[invariant](status)
    assert _findings(_version(1, status)) == [invariant]


def test_a_time_that_moves_by_itself() -> None:
    """In any condition."""
    later = _status()
    later["conditions"][0]["lastTransitionTime"] = _LATER
    assert _findings(_version(1, _status()), _version(2, later)) == ["lastTransitionTime changes only with the status"]


def test_a_time_that_goes_back() -> None:
    """A transition is never older than the one before it."""
    first, later = _status(), _status()
    first["conditions"][1]["lastTransitionTime"] = _LATER
    _failed(later)
    later["conditions"][1]["lastTransitionTime"] = _TIME
    assert _findings(_version(1, first), _version(2, later)) == ["lastTransitionTime never goes back"]


def test_a_time_that_goes_back_to_what_was_shown() -> None:
    """As it may where the operator has not heard that its last write was stored."""
    first, later = _status(), _status()
    _failed(later)
    later["conditions"][1]["lastTransitionTime"] = _LATER
    versions = [_version(1, first), _version(2, later), _version(3, first)]
    went_back = ["lastTransitionTime never goes back"]
    assert _invariants(_facts(), *versions) == went_back
    for begun, findings in ((-20.0, []), (1.0, went_back), (-31.0, went_back)):
        unanswered = {"ns/ref": [versions[1].at + begun]}
        assert _invariants(_facts(unanswered=unanswered), *versions) == findings


def test_words_that_are_taken_over_too_soon() -> None:
    """A failure that stays keeps its message for 15 minutes."""
    statuses = [_status(), _status()]
    for status, text in zip(statuses, ("One.", "Two."), strict=True):
        status["conditions"][1] = _condition("Synced", "False", "ServerError") | {"message": text}
    found = _findings(_version(1, statuses[0]), _version(2, statuses[1]))
    assert found == ["the words of a failure that stays are taken over every 15 minutes at most"]


def test_words_of_a_failure_after_an_answer_that_was_not_written() -> None:
    """The backup has moved, so that the second failure is another one."""
    statuses = [_status(), _status() | {"state": "pending"}]
    for status, text in zip(statuses, ("One.", "Two."), strict=True):
        status["conditions"][1] = _condition("Synced", "False", "ServerError") | {"message": text}
    found = _findings(_version(1, statuses[0]), _version(2, statuses[1]))
    assert "the words of a failure that stays are taken over every 15 minutes at most" not in found


def test_a_rate_of_a_backup_at_rest() -> None:
    """A completed backup has no rate."""
    done = served(_ID, 2, {"state": "completed", "percentDone": 100})
    status = _status() | mirrored.expected(done)
    kinds = ("Ready", "Succeeded", "Finished")
    completed = [_condition(kind, "True", "BackupCompleted") for kind in kinds]
    status["conditions"] = [_condition("Synced", "True", "Observed"), *completed]
    facts = dataclasses.replace(_facts(), documents={_ID: [done]})
    assert _invariants(facts, _version(1, status)) == []
    status["progress"]["bytesPerSecond"] = 1
    assert _invariants(facts, _version(1, status)) == ["the rate exists only while the backup is in progress"]


def test_what_an_operator_may_not_write() -> None:
    """A label is not its business."""
    later = _status()
    _failed(later)
    found = _findings(_version(1, _status()), _version(2, later, labels={"a": "b"}))
    assert found == ["the operator writes the status alone"]


def test_what_an_operator_may_not_write_without_a_word() -> None:
    """A version with the same status is judged as well, unless the soak may have made it."""
    versions = [_version(1, _status()), _version(2, _status(), finalizers=["a/b"])]
    path = ref_path("ns", "ref")
    assert _invariants(_facts(), *versions) == ["the operator writes the status alone"]
    assert not _invariants(_facts(OwnWrites(edits={"2"})), *versions)
    assert not _invariants(_facts(OwnWrites(unsure=[(path, _START - 20, _START - 5)])), *versions)
    long_ago = OwnWrites(unsure=[(path, _START - 90, _START - 60)])
    assert _invariants(_facts(long_ago), *versions) == ["the operator writes the status alone"]


def test_a_time_that_stays_when_the_status_moves() -> None:
    """Unless a write that was not heard of is taken back, or the status has moved twice within a second."""
    later, back = _status(), _status()
    _failed(later)
    later["conditions"][1]["lastTransitionTime"] = _TIME
    assert _findings(_version(1, _status()), _version(2, later)) == ["lastTransitionTime changes with the status"]
    assert _findings(_version(1, _status()), _version(2, later), _version(3, back)) == [
        "lastTransitionTime changes with the status"
    ]
    first = _status()
    first["conditions"][1]["lastTransitionTime"] = later["conditions"][1]["lastTransitionTime"] = _LATER
    assert not _findings(_version(1, first), _version(2, later))


def test_versions_with_one_missing_between_them_are_not_compared() -> None:
    """Nobody knows what was there; those after it are compared again."""
    lie, moved = _status() | {"state": "completed"}, _status()
    moved["conditions"][0]["lastTransitionTime"] = _LATER
    first, second = _version(1, _status()), _version(2, lie)
    gap = dataclasses.replace(second, follows=False)
    broken = ["lastTransitionTime changes only with the status"]
    assert _findings(first, second, _version(3, moved), own={"2"}) == broken
    assert not _findings(first, gap, _version(3, moved), own={"2"})
    assert not _findings(first, dataclasses.replace(_version(2, moved), follows=False))
    failed = copy.deepcopy(moved)
    _failed(failed)
    failed["conditions"][0]["lastTransitionTime"] = _TIME
    assert broken[0] in _findings(first, gap, _version(3, moved), _version(4, failed), own={"2"})


def test_a_time_that_has_not_come() -> None:
    """However it got there."""
    status = _status()
    status["conditions"][2]["lastTransitionTime"] = "2026-11-25T10:00:14Z"
    assert _findings(_version(1, status)) == ["lastTransitionTime is never in the future"]
    assert not _findings(_version(3, status))


def test_rivals_are_excused_while_they_are_there() -> None:
    """Two operators agree on times after a while; one that is alone has nobody to agree with."""
    later = _status()
    later["conditions"][0]["lastTransitionTime"] = _LATER
    versions = _version(1, _status()), _version(2, later)
    rivals = Period(_START + 0.5, _START + 90, has_rivals=True)
    peers = Period(_START + 0.5, _START + 90)
    before = Period(_START - 90, _START - 1, has_rivals=True)
    broken = ["lastTransitionTime changes only with the status"]
    assert not _invariants(_facts(shared=[rivals]), *versions)
    assert _invariants(_facts(shared=[peers]), *versions) == broken
    assert _invariants(_facts(shared=[before]), *versions) == broken


def test_periods() -> None:
    """A topology explains what is written until a minute after the next one has begun."""
    starts = [(1.0, "one"), (20.0, "pair"), (20.5, "pair"), (50.0, "elected"), (90.0, "shards")]
    rivals = (Period(20.0, 80.5, has_rivals=True), Period(20.5, 110.0, has_rivals=True))
    assert periods(starts) == (*rivals, Period(50.0, 150.0))
    assert periods([(1.0, "elected")]) == (Period(1.0, math.inf),)


def test_an_observation_of_what_was_never_served() -> None:
    """Only a namespace with a server of its own may show what the soak does not know."""
    facts = Facts(OwnWrites())
    assert _invariants(facts, _version(1, _status())) == ["an observation is one that there was"]
    assert not _invariants(dataclasses.replace(facts, foreign=frozenset({"ns"})), _version(1, _status()))


def test_an_observation_that_goes_back() -> None:
    """One process, left in peace, shows no document after one that was served later."""
    older = served(_ID, 0, {"state": "running"})
    facts = dataclasses.replace(_facts(), documents={_ID: [older, _DOCUMENT]})
    before = {name: value for name, value in _status().items() if name not in mirrored.expected(_DOCUMENT)}
    back = before | mirrored.expected(older)
    broken = ["an older observation never follows a newer one"]
    assert _invariants(facts, _version(1, _status()), _version(2, back)) == broken
    assert not _invariants(facts, _version(1, back), _version(2, _status()))
    changes = {("ns", "astra-control"): [_START - 3]}
    disturbed: list[Facts] = [
        dataclasses.replace(facts, starts=[_START + 0.5]),
        dataclasses.replace(facts, shared=[Period(_START - 9, _START + 9)]),
        dataclasses.replace(facts, secret_changes=changes),
        dataclasses.replace(facts, documents={_ID: [older, _DOCUMENT, older]}),
    ]
    for each in disturbed:
        assert not _invariants(each, _version(1, _status()), _version(2, back))


def test_lies_are_not_the_operators() -> None:
    """What the soak itself has written is not judged; what is put right afterwards is."""
    lie = _status() | {"state": "completed"}
    moved = _status()
    moved["conditions"][0]["lastTransitionTime"] = _LATER
    assert not _findings(_version(1, _status()), _version(2, lie), _version(3, _status()), own={"2"})
    found = _findings(_version(1, _status()), _version(2, lie), _version(3, moved), own={"2"})
    assert found == ["lastTransitionTime changes only with the status"]


def test_a_lie_may_become_the_memory_of_a_process_that_starts() -> None:
    """It has nothing else to go by, until the first answer."""
    lie = _status()
    lie["progress"] = {"percentDone": 1}
    failed = copy.deepcopy(lie)
    _failed(failed)
    lied = [_version(1, _status()), _version(2, lie), _version(3, failed)]
    assert not _findings(*lied, own={"2"}, starts=(_START + 1.5,))
    assert _findings(*lied, own={"2"}) == ["a status shows what Astra Control said"]


def test_a_lie_may_become_the_memory_of_another_shard() -> None:
    """Where an edit hands the object to that one, and there only."""
    lie, handed = _status(), _status()
    lie["conditions"][0]["lastTransitionTime"] = handed["conditions"][0]["lastTransitionTime"] = _LATER
    _failed(handed)
    _generation(handed, 2)
    other = {**_SPEC, "accountID": backup_of(1, 1, 1)}
    sharded = [Period(0.0, math.inf)]
    has_moved = ["lastTransitionTime changes only with the status"]
    for spec, periods_, findings in ((_SPEC, sharded, has_moved), (other, [], has_moved), (other, sharded, [])):
        status = {**handed, "target": target_of(spec)}
        edit, written = (
            Version(_START + number, {**_version(number, each, generation=2).object, "spec": spec}, follows=True)
            for number, each in ((3, lie), (4, status))
        )
        facts = _facts(OwnWrites({"2"}, {"3"}), sharded=periods_)
        assert _invariants(facts, _version(1, _status()), _version(2, lie), edit, written) == findings


def test_what_was_wiped_leaves_a_process_that_starts_without_a_memory() -> None:
    """Its first answer is the beginning of each condition."""
    begun = _status()
    for each in begun["conditions"]:
        each["lastTransitionTime"] = _LATER
    wiped = [_version(1, _status()), _version(2, {}), _version(3, begun)]
    assert not _findings(*wiped, own={"2"}, starts=(_START + 1.5,))
    assert set(_findings(*wiped, own={"2"})) == {"lastTransitionTime changes only with the status"}


@pytest.mark.parametrize(
    ("state", "hooks", "ready_when", "row"),
    [
        ("running", None, "Completed", Row("False", "BackupInProgress", "Unknown", "False", "Reconciling")),
        ("completed", "success", "Completed", Row("True", "BackupCompleted", "True", "True", "")),
        ("completed", "failed", "Completed", Row("True", "BackupCompletedHooksFailed", "True", "True", "")),
        ("completed", "failed", "Observed", Row("True", "BackupObserved", "True", "True", "")),
        ("ready", None, "Completed", Row("Unknown", "BackupStateUnrecognized", "Unknown", "False", "Reconciling")),
    ],
)
def test_rows(state: str, hooks: str | None, ready_when: str, row: Row) -> None:
    """Rows of the table in docs/reference.md."""
    assert conditions.row_of(state, hooks, ready_when) == row


def test_what_a_status_shows_of_a_document() -> None:
    """Names as they are; what is wrong is left out, and percentages stay under 100 until the end."""
    document = {
        "id": _ID,
        "state": "running",
        "percentDone": "100",
        "bytesDone": -1,
        "totalBytes": "12",
        "stateUnready": [1, "a"],
        "hookState": 3,
        "metadata": {"createdBy": "me", "labels": [{"name": "a", "value": "b"}, {"name": "c"}]},
    }
    assert mirrored.expected(document) == {
        "state": "running",
        "stateUnready": ["a"],
        "progress": {"percentDone": 99, "totalBytes": 12},
        "backup": {"createdBy": "me", "labels": [{"name": "a", "value": "b"}]},
    }


def test_a_finding_shows_the_versions_around_it() -> None:
    """With what each has that the one before had not."""
    later = _status()
    later["conditions"][0]["lastTransitionTime"] = _LATER
    versions = {"u": [_version(1, _status()), _version(2, later)]}
    text = "\n".join(check(versions, _facts())[0].lines(_START))
    assert text.startswith("* ns/ref at 1.0s: Ready is False since 2026-11-25T10:00:00Z, then 2026-11-25T10:00:09Z")
    assert text.count('"accountID"') == 2, "the spec and the target, once each"
