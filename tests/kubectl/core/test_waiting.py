"""When what is waited for has ended: at once, or after thirty seconds without a change."""

from astra_mirror.kubectl.core.exit_codes import ExitCode, highest
from astra_mirror.kubectl.core.names import Key, Kind
from astra_mirror.kubectl.core.verdicts import Outcome, Verdict
from astra_mirror.kubectl.core.waiting import (
    OF_POLLS,
    End,
    Ending,
    Pending,
    advance,
    end_text,
    last_line,
    next_decision_at,
    timed_out,
)

A, B, C, D = (Key(Kind.REF, "shop", name) for name in "abcd")
M = Key(Kind.MONITOR, "shop", "m")
RUNNING = Verdict(Outcome.IN_PROGRESS, "BackupInProgress", "running")
DONE = Verdict(Outcome.SUCCEEDED, "BackupCompleted", "The backup is complete.")
LOST = Verdict(Outcome.FAILED, "BackupNotFound", "no such backup")
REFUSED = Verdict(Outcome.UNDECIDED, "Unauthorized", "the token is wrong")


def _endings(ends: list[End]) -> dict[Key, Ending]:
    return {each.key: each.ending for each in ends}


def test_a_success_and_a_failure_end_at_once() -> None:
    """Also one that is not found in Astra Control; the others are waited for."""
    pending, ends = advance({}, {A: DONE, B: LOST, C: RUNNING, D: REFUSED}, 100.0)
    assert _endings(ends) == {A: Ending.SUCCEEDED, B: Ending.FAILED}
    assert set(pending) == {C, D}


def test_what_cannot_be_told_ends_after_thirty_seconds() -> None:
    """And not a moment before; what is in progress never ends by itself."""
    pending, ends = advance({}, {A: REFUSED, B: RUNNING}, 100.0)
    assert ends == []
    assert next_decision_at(pending) == 130.0
    pending, ends = advance(pending, {A: REFUSED, B: RUNNING}, 129.9)
    assert ends == []
    pending, ends = advance(pending, {A: REFUSED, B: RUNNING}, 130.0)
    assert _endings(ends) == {A: Ending.UNDECIDED}
    assert set(pending) == {B}
    assert next_decision_at(pending) is None
    pending, ends = advance(pending, {B: RUNNING}, 10_000.0)
    assert set(pending) == {B}


def test_a_change_begins_the_thirty_seconds_anew() -> None:
    """Another reason is one, another text of the same is none."""
    pending, _ = advance({}, {A: REFUSED}, 100.0)
    other = Verdict(Outcome.UNDECIDED, "SecretNotFound", "no Secret")
    pending, _ = advance(pending, {A: other}, 120.0)
    pending, ends = advance(pending, {A: Verdict(Outcome.UNDECIDED, "SecretNotFound", "no such Secret")}, 149.0)
    assert ends == []
    assert next_decision_at(pending) == 150.0
    _, ends = advance(pending, {A: other}, 150.0)
    assert _endings(ends) == {A: Ending.UNDECIDED}


def test_one_that_recovers_is_waited_for_again() -> None:
    """Somebody has mended it in time."""
    pending, _ = advance({}, {A: REFUSED}, 100.0)
    pending, _ = advance(pending, {A: RUNNING}, 129.0)
    pending, ends = advance(pending, {A: REFUSED}, 140.0)
    assert ends == []
    _, ends = advance(pending, {A: DONE}, 141.0)
    assert _endings(ends) == {A: Ending.SUCCEEDED}


def test_one_that_is_no_longer_chosen_is_not_waited_for() -> None:
    """It has lost the label."""
    pending, _ = advance({}, {A: RUNNING, B: RUNNING}, 100.0)
    assert set(advance(pending, {B: RUNNING}, 101.0)[0]) == {B}


def test_when_there_is_no_time_left() -> None:
    """All that have not ended are timed out, also those of which it could not be told for less than thirty seconds."""
    ends = timed_out({A: Pending(RUNNING, 1.0), B: Pending(REFUSED, 1.0)})
    assert _endings(ends) == {A: Ending.TIMED_OUT, B: Ending.TIMED_OUT}


def test_which_exit_code_outranks_which() -> None:
    """1 before 3, 3 before 2, each before 0."""
    assert highest([]) == 0
    assert highest([ExitCode.OK]) == 0
    assert highest([ExitCode.OK, ExitCode.TIMED_OUT]) == 2
    assert highest([ExitCode.TIMED_OUT, ExitCode.UNDECIDED, ExitCode.OK]) == 3
    assert highest([ExitCode.UNDECIDED, ExitCode.FAILED, ExitCode.TIMED_OUT]) == 1
    assert [each.code for each in Ending] == [0, 1, 3, 2]


def test_what_is_printed() -> None:
    """Each with its reason when it ends, and all of them in the last line."""
    ends = [
        End(A, Ending.SUCCEEDED, DONE),
        End(B, Ending.FAILED, LOST),
        End(C, Ending.UNDECIDED, REFUSED),
        End(D, Ending.TIMED_OUT, RUNNING),
        End(M, Ending.SUCCEEDED, DONE),
    ]
    assert end_text(ends[1]) == "b failed: BackupNotFound: no such backup"
    assert end_text(ends[0], with_namespace=True) == "a (shop) succeeded: BackupCompleted: The backup is complete."
    assert end_text(ends[0], OF_POLLS) == "a polled: BackupCompleted: The backup is complete."
    assert last_line(ends[1:4], OF_POLLS) == "poll failed: b; not polled: c; timed out: d"
    assert last_line(ends) == "succeeded: a, abm/m; failed: b; cannot be told: c; timed out: d"
    assert last_line(ends[:1], with_namespace=True) == "succeeded: a (shop)"
