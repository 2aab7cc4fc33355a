"""The soak's judges see what is wrong: each invariant is broken once, and nothing else is found."""

import copy
import dataclasses
import math
from collections.abc import Callable
from typing import Any

import pytest

from dev.soak import conditions, mirrored
from dev.soak.backups import backup_of, served
from dev.soak.client import OwnWrites, ref_path
from dev.soak.conditions import Row
from dev.soak.facts import Facts, Period, periods
from dev.soak.history import Version
from dev.soak.invariants import check, target_of
from tests.soak.versions import (
    DOCUMENT,
    ID,
    LATER,
    SPEC,
    START,
    Object,
    broken_by,
    broken_given,
    condition,
    fail,
    right_facts,
    right_status,
    version,
)


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
    status["conditions"][1] = condition("Synced", "Unknown", "Suspended")
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
    later = right_status()
    fail(later)
    assert not broken_by(version(1, right_status()), version(2, later))


@pytest.mark.parametrize("invariant", _BROKEN)
def test_a_version_that_breaks_an_invariant(invariant: str) -> None:
    """Each in its own way."""
    status = copy.deepcopy(right_status())
    _BROKEN[invariant](status)
    assert broken_by(version(1, status)) == [invariant]


def test_words_that_are_taken_over_too_soon() -> None:
    """A failure that stays keeps its message for 15 minutes."""
    statuses = [right_status(), right_status()]
    for status, text in zip(statuses, ("One.", "Two."), strict=True):
        status["conditions"][1] = condition("Synced", "False", "ServerError") | {"message": text}
    found = broken_by(version(1, statuses[0]), version(2, statuses[1]))
    assert found == ["the words of a failure that stays are taken over every 15 minutes at most"]


def test_words_of_a_failure_after_an_answer_that_was_not_written() -> None:
    """The backup has moved, so that the second failure is another one."""
    statuses = [right_status(), right_status() | {"state": "pending"}]
    for status, text in zip(statuses, ("One.", "Two."), strict=True):
        status["conditions"][1] = condition("Synced", "False", "ServerError") | {"message": text}
    found = broken_by(version(1, statuses[0]), version(2, statuses[1]))
    assert "the words of a failure that stays are taken over every 15 minutes at most" not in found


def test_a_rate_of_a_backup_at_rest() -> None:
    """A completed backup has no rate."""
    done = served(ID, 2, {"state": "completed", "percentDone": 100})
    status = right_status() | mirrored.expected(done)
    kinds = ("Ready", "Succeeded", "Finished")
    completed = [condition(kind, "True", "BackupCompleted") for kind in kinds]
    status["conditions"] = [condition("Synced", "True", "Observed"), *completed]
    facts = dataclasses.replace(right_facts(), documents={ID: [done]})
    assert broken_given(facts, version(1, status)) == []
    status["progress"]["bytesPerSecond"] = 1
    assert broken_given(facts, version(1, status)) == ["the rate exists only while the backup is in progress"]


def test_what_an_operator_may_not_write() -> None:
    """A label is not its business."""
    later = right_status()
    fail(later)
    found = broken_by(version(1, right_status()), version(2, later, labels={"a": "b"}))
    assert found == ["the operator writes the status alone"]


def test_what_an_operator_may_not_write_without_a_word() -> None:
    """A version with the same status is judged as well, unless the soak may have made it."""
    versions = [version(1, right_status()), version(2, right_status(), finalizers=["a/b"])]
    path = ref_path("ns", "ref")
    assert broken_given(right_facts(), *versions) == ["the operator writes the status alone"]
    assert not broken_given(right_facts(OwnWrites(edits={"2"})), *versions)
    assert not broken_given(right_facts(OwnWrites(unsure=[(path, START - 20, START - 5)])), *versions)
    long_ago = OwnWrites(unsure=[(path, START - 90, START - 60)])
    assert broken_given(right_facts(long_ago), *versions) == ["the operator writes the status alone"]


def test_periods() -> None:
    """A topology explains what is written until a minute after the next one has begun."""
    starts = [(1.0, "one"), (20.0, "pair"), (20.5, "pair"), (50.0, "elected"), (90.0, "shards")]
    rivals = (Period(20.0, 80.5, has_rivals=True), Period(20.5, 110.0, has_rivals=True))
    assert periods(starts) == (*rivals, Period(50.0, 150.0))
    assert periods([(1.0, "elected")]) == (Period(1.0, math.inf),)


def test_an_observation_of_what_was_never_served() -> None:
    """Only a namespace with a server of its own may show what the soak does not know."""
    facts = Facts(OwnWrites())
    assert broken_given(facts, version(1, right_status())) == ["an observation is one that there was"]
    assert not broken_given(dataclasses.replace(facts, foreign=frozenset({"ns"})), version(1, right_status()))


def test_an_observation_that_goes_back() -> None:
    """One process, left in peace, shows no document after one that was served later."""
    older = served(ID, 0, {"state": "running"})
    facts = dataclasses.replace(right_facts(), documents={ID: [older, DOCUMENT]})
    before = {name: value for name, value in right_status().items() if name not in mirrored.expected(DOCUMENT)}
    back = before | mirrored.expected(older)
    broken = ["an older observation never follows a newer one"]
    assert broken_given(facts, version(1, right_status()), version(2, back)) == broken
    assert not broken_given(facts, version(1, back), version(2, right_status()))
    changes = {("ns", "astra-control"): [START - 3]}
    disturbed: list[Facts] = [
        dataclasses.replace(facts, starts=[START + 0.5]),
        dataclasses.replace(facts, shared=[Period(START - 9, START + 9)]),
        dataclasses.replace(facts, secret_changes=changes),
        dataclasses.replace(facts, documents={ID: [older, DOCUMENT, older]}),
    ]
    for each in disturbed:
        assert not broken_given(each, version(1, right_status()), version(2, back))


def test_lies_are_not_the_operators() -> None:
    """What the soak itself has written is not judged; what is put right afterwards is."""
    lie = right_status() | {"state": "completed"}
    moved = right_status()
    moved["conditions"][0]["lastTransitionTime"] = LATER
    assert not broken_by(version(1, right_status()), version(2, lie), version(3, right_status()), own={"2"})
    found = broken_by(version(1, right_status()), version(2, lie), version(3, moved), own={"2"})
    assert found == ["lastTransitionTime changes only with the status"]


def test_a_lie_may_become_the_memory_of_a_process_that_starts() -> None:
    """It has nothing else to go by, until the first answer."""
    lie = right_status()
    lie["progress"] = {"percentDone": 1}
    failed = copy.deepcopy(lie)
    fail(failed)
    lied = [version(1, right_status()), version(2, lie), version(3, failed)]
    assert not broken_by(*lied, own={"2"}, starts=(START + 1.5,))
    assert broken_by(*lied, own={"2"}) == ["a status shows what Astra Control said"]


def test_a_lie_may_become_the_memory_of_another_shard() -> None:
    """Where an edit hands the object to that one, and there only."""
    lie, handed = right_status(), right_status()
    lie["conditions"][0]["lastTransitionTime"] = handed["conditions"][0]["lastTransitionTime"] = LATER
    fail(handed)
    _generation(handed, 2)
    other = {**SPEC, "accountID": backup_of(1, 1, 1)}
    sharded = [Period(0.0, math.inf)]
    has_moved = ["lastTransitionTime changes only with the status"]
    for spec, periods_, findings in ((SPEC, sharded, has_moved), (other, [], has_moved), (other, sharded, [])):
        status = {**handed, "target": target_of(spec)}
        edit, written = (
            Version(START + number, {**version(number, each, generation=2).object, "spec": spec}, follows=True)
            for number, each in ((3, lie), (4, status))
        )
        facts = right_facts(OwnWrites({"2"}, {"3"}), sharded=periods_)
        assert broken_given(facts, version(1, right_status()), version(2, lie), edit, written) == findings


def test_a_lie_may_become_the_memory_of_a_shard_that_gets_an_object_back() -> None:
    """It was another shard's meanwhile, although the first version and the last name the same app."""
    lie, returned = right_status(), right_status()
    lie["conditions"][0]["lastTransitionTime"] = returned["conditions"][0]["lastTransitionTime"] = LATER
    fail(returned)
    _generation(returned, 3)
    other = {**SPEC, "accountID": backup_of(1, 1, 1)}
    for away, findings in ((other, []), (SPEC, ["lastTransitionTime changes only with the status"])):
        edits = (
            Version(START + number, {**version(number, lie, generation=number - 1).object, "spec": spec}, follows=True)
            for number, spec in ((3, away), (4, SPEC))
        )
        facts = right_facts(OwnWrites({"2"}, {"3", "4"}), sharded=[Period(0.0, math.inf)])
        written = version(5, returned, generation=3)
        assert broken_given(facts, version(1, right_status()), version(2, lie), *edits, written) == findings


def test_what_was_wiped_leaves_a_process_that_starts_without_a_memory() -> None:
    """Its first answer is the beginning of each condition."""
    begun = right_status()
    for each in begun["conditions"]:
        each["lastTransitionTime"] = LATER
    wiped = [version(1, right_status()), version(2, {}), version(3, begun)]
    assert not broken_by(*wiped, own={"2"}, starts=(START + 1.5,))
    assert set(broken_by(*wiped, own={"2"})) == {"lastTransitionTime changes only with the status"}


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
        "id": ID,
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
    later = right_status()
    later["conditions"][0]["lastTransitionTime"] = LATER
    versions = {"u": [version(1, right_status()), version(2, later)]}
    text = "\n".join(check(versions, right_facts())[0].lines(START))
    assert text.startswith("* ns/ref at 1.0s: Ready is False since 2026-11-25T10:00:00Z, then 2026-11-25T10:00:09Z")
    assert text.count('"accountID"') == 2, "the spec and the target, once each"
