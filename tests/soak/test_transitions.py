"""Times of transition that move without their status, go back, stay or lie ahead are seen, with what excuses them."""

import copy
import dataclasses

from dev.soak.facts import Period
from tests.soak.versions import LATER, START, TIME, broken_by, broken_given, fail, right_facts, right_status, version


def test_a_time_that_moves_by_itself() -> None:
    """In any condition."""
    later = right_status()
    later["conditions"][0]["lastTransitionTime"] = LATER
    assert broken_by(version(1, right_status()), version(2, later)) == [
        "lastTransitionTime changes only with the status"
    ]


def test_a_time_that_goes_back() -> None:
    """A transition is never older than the one before it."""
    first, later = right_status(), right_status()
    first["conditions"][1]["lastTransitionTime"] = LATER
    fail(later)
    later["conditions"][1]["lastTransitionTime"] = TIME
    assert broken_by(version(1, first), version(2, later)) == ["lastTransitionTime never goes back"]


def test_a_time_that_goes_back_to_what_was_shown() -> None:
    """As it may where the operator has not heard that its last write was stored."""
    first, later = right_status(), right_status()
    fail(later)
    later["conditions"][1]["lastTransitionTime"] = LATER
    versions = [version(1, first), version(2, later), version(3, first)]
    went_back = ["lastTransitionTime never goes back"]
    assert broken_given(right_facts(), *versions) == went_back
    for begun, findings in ((-20.0, []), (1.0, went_back), (-31.0, went_back)):
        unanswered = {"ns/ref": [versions[1].at + begun]}
        assert broken_given(right_facts(unanswered=unanswered), *versions) == findings


def test_a_time_that_stays_when_the_status_moves() -> None:
    """Unless a write that was not heard of is taken back, or the status has moved twice within a second."""
    later, back = right_status(), right_status()
    fail(later)
    later["conditions"][1]["lastTransitionTime"] = TIME
    assert broken_by(version(1, right_status()), version(2, later)) == ["lastTransitionTime changes with the status"]
    assert broken_by(version(1, right_status()), version(2, later), version(3, back)) == [
        "lastTransitionTime changes with the status"
    ]
    first = right_status()
    first["conditions"][1]["lastTransitionTime"] = later["conditions"][1]["lastTransitionTime"] = LATER
    assert not broken_by(version(1, first), version(2, later))


def test_versions_with_one_missing_between_them_are_not_compared() -> None:
    """Nobody knows what was there; those after it are compared again."""
    lie, moved = right_status() | {"state": "completed"}, right_status()
    moved["conditions"][0]["lastTransitionTime"] = LATER
    first, second = version(1, right_status()), version(2, lie)
    gap = dataclasses.replace(second, follows=False)
    broken = ["lastTransitionTime changes only with the status"]
    assert broken_by(first, second, version(3, moved), own={"2"}) == broken
    assert not broken_by(first, gap, version(3, moved), own={"2"})
    assert not broken_by(first, dataclasses.replace(version(2, moved), follows=False))
    failed = copy.deepcopy(moved)
    fail(failed)
    failed["conditions"][0]["lastTransitionTime"] = TIME
    assert broken[0] in broken_by(first, gap, version(3, moved), version(4, failed), own={"2"})


def test_a_time_that_has_not_come() -> None:
    """However it got there."""
    status = right_status()
    status["conditions"][2]["lastTransitionTime"] = "2026-11-25T10:00:14Z"
    assert broken_by(version(1, status)) == ["lastTransitionTime is never in the future"]
    assert not broken_by(version(3, status))


def test_rivals_are_excused_while_they_are_there() -> None:
    """Two operators agree on times after a while; one that is alone has nobody to agree with."""
    later = right_status()
    later["conditions"][0]["lastTransitionTime"] = LATER
    versions = version(1, right_status()), version(2, later)
    rivals = Period(START + 0.5, START + 90, has_rivals=True)
    peers = Period(START + 0.5, START + 90)
    before = Period(START - 90, START - 1, has_rivals=True)
    broken = ["lastTransitionTime changes only with the status"]
    assert not broken_given(right_facts(shared=[rivals]), *versions)
    assert broken_given(right_facts(shared=[peers]), *versions) == broken
    assert broken_given(right_facts(shared=[before]), *versions) == broken
