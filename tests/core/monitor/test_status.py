"""The table of a monitor's conditions, and what the status function promises beyond it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astra_mirror.api.app_backup_monitor import AppBackupMonitorStatus, Refs
from astra_mirror.core.diff import merge_patch, stamped
from astra_mirror.core.monitor.event import UNSEEN, forget
from astra_mirror.core.monitor.inherited import inherited, own
from astra_mirror.core.monitor.listing import ListedBackup
from astra_mirror.core.monitor.report import NoAnswerInTime, RefsReport
from astra_mirror.core.monitor.status import next_status
from astra_mirror.core.outcome import Failed, NotFound, Outcome, SyncReason
from tests.core.cases import NOW
from tests.core.monitor.lists import DAILY, ID, SCHEDULE, after, backup, event, read, shown, spec

ERROR = Failed(SyncReason.SERVER_ERROR, "Astra Control failed to answer (503).", code=503, correlation_id="c-1")
REFUSED = Failed(SyncReason.UNAUTHORIZED, "Astra Control refused the token (401).", code=401)
GONE = NotFound("Astra Control has no such app (404): Collection not found.", "c-2")
PLAIN, ASKING = spec(), spec(objectives=[DAILY])
GOOD = read(backup(1, hours=2), backup(2, hours=1, total_bytes=7, hook_state="success", schedule=SCHEDULE))
OLD = read(backup(1, hours=30))


def _row(ready: str, synced: str, asked: str | None = None, activity: str | None = None) -> dict[str, str]:
    """The conditions of a status: each one's status and reason, the last by its type."""
    found = {"Ready": ready, "Synced": synced}
    if asked is not None:
        found["ObjectivesMet"] = asked
    if activity is not None:
        found[activity] = f"True {ready.split()[1]}"
    return found


MISSED = _row("False ObjectiveMissed", "True Observed", "False ObjectiveMissed", "Stalled")
ROWS: list[tuple[list[Outcome | None], Any, list[float], dict[str, str]]] = [
    ([None], PLAIN, [], _row("Unknown NotObserved", "Unknown NotObserved", None, "Reconciling")),
    ([None], ASKING, [], _row("Unknown NotObserved", "Unknown NotObserved", "Unknown NotObserved", "Reconciling")),
    ([GOOD], PLAIN, [], _row("True ListObserved", "True Observed")),
    ([read()], PLAIN, [], _row("True ListObserved", "True Observed")),
    ([GOOD], ASKING, [], _row("True ObjectivesMet", "True Observed", "True ObjectivesMet")),
    (
        [read(backup(1, "running", hours=None))],
        ASKING,
        [],
        _row("False FirstBackupInProgress", "True Observed", "False FirstBackupInProgress", "Reconciling"),
    ),
    ([OLD], ASKING, [], MISSED),
    ([read()], ASKING, [], MISSED),
    ([read(backup(1, "failed"))], ASKING, [], MISSED),
    ([read(backup(1, hours=30), backup(2, "running", hours=0))], ASKING, [], MISSED),
    ([read(backup(1, "running", hours=27))], ASKING, [], MISSED),
    ([GOOD, GONE], ASKING, [], _row("False AppNotFound", "True Observed", "False AppNotFound", "Stalled")),
    ([ERROR], ASKING, [], _row("False ServerError", "False ServerError", "Unknown ServerError", "Reconciling")),
    ([REFUSED], PLAIN, [], _row("False Unauthorized", "False Unauthorized", None, "Stalled")),
    ([GOOD, ERROR], ASKING, [0, 1], _row("True ObjectivesMet", "False ServerError", "True ObjectivesMet")),
    (
        [GOOD, ERROR],
        ASKING,
        [0, 25.1],
        _row("Unknown ObservationStale", "False ServerError", "Unknown ObservationStale", "Reconciling"),
    ),
    (
        [GOOD, NoAnswerInTime()],
        ASKING,
        [0, 25.1],
        _row("Unknown ObservationStale", "True Observed", "Unknown ObservationStale", "Reconciling"),
    ),
    (
        [OLD, REFUSED],
        ASKING,
        [0, 100],
        _row("False ObjectiveMissed", "False Unauthorized", "False ObjectiveMissed", "Stalled"),
    ),
]


@pytest.mark.parametrize(("outcomes", "of", "hours", "expected"), ROWS)
def test_the_table(outcomes: list[Outcome | None], of: Any, hours: list[float], expected: dict[str, str]) -> None:
    """Each row of the specification; a status in the cluster is one that a new process takes over."""
    status = after(outcomes, of, hours=hours)
    assert shown(status) == expected
    assert own(_stored(status)) == AppBackupMonitorStatus.model_validate(_stored(status))


def test_what_is_observed() -> None:
    """The newest backup, the newest good one, counts, the objectives and their deadlines."""
    status = after([GOOD], ASKING)
    found = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    newest = {"id": ID.format(2), "name": "nightly-2", "time": "2026-03-01T11:00:00Z"}
    assert found["newest"] == newest | {"state": "completed", "scheduleID": SCHEDULE}
    assert found["newestCompleted"] == newest | {"scheduleID": SCHEDULE, "totalBytes": 7, "hookState": "success"}
    assert found["objectives"] == [
        {"name": "daily", "met": "True", "newest": newest, "deadline": "2026-03-02T13:00:00Z"}
    ]
    assert found["deadline"] == "2026-03-02T13:00:00Z"
    assert found["backups"]["total"] == 2


def test_a_deadline_is_rounded_up_and_then_rules() -> None:
    """The objective is met until that second has begun."""
    one = backup(1, hours=1)
    assert one.time is not None
    one = one._replace(time=one.time + 1)
    at = [25.0 + 1 / 3600, 25.0 + 1 / 3600 + 1e-9]
    met = [shown(after([read(one, hours=each)], ASKING))["ObjectivesMet"] for each in at]
    assert met == ["True ObjectivesMet", "False ObjectiveMissed"]
    assert after([read(one)], ASKING).deadline == "2026-03-02T13:00:01Z"


def test_the_earliest_deadline_is_that_of_the_monitor() -> None:
    """Of the objectives that are met."""
    objectives = [DAILY, {"name": "weekly", "maxAge": "168h"}, {"name": "hourly", "maxAge": "30m"}]
    status = after([read(backup(1, hours=1))], spec(objectives=objectives))
    deadlines = [each.deadline for each in status.objectives or ()]
    assert deadlines == ["2026-03-02T13:00:00Z", "2026-03-08T11:00:00Z", None]
    assert status.deadline == deadlines[0]


def test_a_missed_objective_is_named() -> None:
    """With the newest good backup, its time, and maxAge."""
    ready = after([OLD], ASKING).condition("Ready")
    assert ready is not None
    assert ready.message == (
        "Objective daily is missed: the newest good backup is nightly-1 of 2026-02-28T06:00:00Z, and maxAge is 26h."
    )


def test_an_objective_counts_its_own_backups() -> None:
    """Those of its schedule, and those whose hooks have not failed, where it asks for that."""
    hooks = {"name": "hooks", "maxAge": "26h", "hooks": "Succeeded"}
    of_none = {"name": "manual", "maxAge": "26h", "scheduleID": ""}
    of_schedule = {"name": "nightly", "maxAge": "26h", "scheduleID": SCHEDULE}
    status = after(
        [read(backup(1, hook_state="failed", schedule=SCHEDULE))], spec(objectives=[hooks, of_none, of_schedule])
    )
    assert [each.met for each in status.objectives or ()] == ["False", "False", "True"]
    status = after([read(backup(1))], spec(objectives=[hooks, of_none, of_schedule]))
    assert [each.met for each in status.objectives or ()] == ["True", "True", "False"]


def test_each_missed_objective_must_wait_for_its_first() -> None:
    """One that was met before is missed, though another one's first backup is under way."""
    both = spec(objectives=[DAILY, DAILY | {"name": "weekly", "maxAge": "168h", "scheduleID": SCHEDULE}])
    first = after([read(backup(1, "running", schedule=SCHEDULE))], both)
    assert shown(first)["Ready"] == "False FirstBackupInProgress"
    missed = after([read(backup(1, "running", schedule=SCHEDULE), backup(2, hours=30))], both)
    assert shown(missed)["Ready"] == "False ObjectiveMissed"


def test_a_backup_whose_hooks_have_failed_was_the_first_one() -> None:
    """Another one that is under way is none that the objective waits for from the beginning."""
    of = spec(objectives=[DAILY | {"hooks": "Succeeded"}])
    running = backup(2, "running", hours=0.5)
    assert shown(after([read(running)], of))["Ready"] == "False FirstBackupInProgress"
    assert shown(after([read(running, backup(1, hook_state="failed"))], of))["Ready"] == "False ObjectiveMissed"


def test_what_was_false_stays_so_until_all_is_stale() -> None:
    """An objective whose deadline passes while nothing can be read is unknown."""
    both = spec(objectives=[DAILY, DAILY | {"name": "hourly", "maxAge": "1h"}])
    status = after([read(backup(1, hours=2)), ERROR], both, hours=[0, 30])
    assert [each.met for each in status.objectives or ()] == ["Unknown", "False"]
    assert shown(status)["Ready"] == "False ObjectiveMissed"
    status = after([read(backup(1, hours=2)), ERROR], both, hours=[0, 30], stale_since=NOW)
    assert [each.met for each in status.objectives or ()] == ["Unknown", "Unknown"]
    assert shown(status)["Ready"] == shown(status)["ObjectivesMet"] == "Unknown ObservationStale"


def test_after_a_start_the_status_is_what_is_known() -> None:
    """The first failure decides as it would have, had the list been remembered."""
    for first, hours in (GOOD, 1.0), (GOOD, 25.1), (OLD, 1.0):
        held = own(_stored(after([first], ASKING)))
        forgotten = next_status(held, event(ERROR, ASKING, hours=hours))
        remembered = next_status(held, event(ERROR, ASKING, hours=hours, read=first))
        assert _plain(forgotten) == _plain(remembered)


def test_an_app_that_is_gone_leaves_the_objectives() -> None:
    """Unmet; all else goes; it stands while nothing better is known, also after a restart."""
    gone = after([GOOD, GONE], ASKING)
    found = gone.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert set(found) == {"observedGeneration", "target", "objectives", "conditions"}
    assert found["objectives"] == [{"name": "daily", "met": "False"}]
    for held, known in ((gone, GOOD), (own(_stored(gone)), None)):
        failing = next_status(held, event(ERROR, ASKING, hours=1, read=known))
        assert shown(failing)["Ready"] == "False AppNotFound"
    assert shown(next_status(gone, event(GOOD, ASKING)))["Ready"] == "True ObjectivesMet"


def test_suspended() -> None:
    """What was observed stands, and Synced says that deadlines are not kept."""
    suspended = spec(objectives=[DAILY], suspend=True)
    for first, ready in (GOOD, "True ObjectivesMet"), (OLD, "False ObjectiveMissed"):
        status = next_status(after([first], ASKING), event(ERROR, suspended, hours=99, generation=2))
        assert shown(status) == {"Ready": ready, "Synced": "Unknown Suspended", "ObjectivesMet": ready}
        assert status.observed_generation == 2
    synced = status.condition("Synced")
    assert synced is not None
    assert "deadlines are not kept" in synced.message
    assert shown(next_status(UNSEEN, event(None, suspended))) == {
        "Ready": "Unknown NotObserved",
        "Synced": "Unknown Suspended",
        "ObjectivesMet": "Unknown NotObserved",
    }


def test_objectives_that_are_edited_while_suspended_are_not_judged() -> None:
    """They go where there are none; others than those in the status are unknown."""
    held = after([OLD], ASKING)
    without = next_status(held, event(None, spec(suspend=True), generation=2))
    assert shown(without) == {"Ready": "False ObjectiveMissed", "Synced": "Unknown Suspended"}
    assert (without.objectives, without.deadline) == (None, None)
    more = spec(objectives=[DAILY, {"name": "hourly", "maxAge": "1h"}], suspend=True)
    for before in (without, held):
        edited = next_status(before, event(None, more, generation=3))
        assert shown(edited)["ObjectivesMet"] == "Unknown NotObserved"
        assert next_status(edited, event(None, more, generation=3)) == edited


def test_nothing_of_an_old_target_survives() -> None:
    """After an edit of an ID or of the Secret, and after one while no operator ran."""
    held = own(_stored(after([GOOD], ASKING)))
    other = spec(objectives=[DAILY], secretRef={"name": "other"})
    assert inherited(held, ASKING) == held
    for forgotten in forget(held), inherited(held, other):
        assert set(forgotten.model_dump(exclude_none=True)) <= {"observed_generation", "last_handled_reconcile_at"}


def test_the_refs_of_an_old_target_are_counted_until_they_go() -> None:
    """With the first complete list of the new one; until then they are pending."""
    asking = spec(mirror={"newest": 2})
    report = RefsReport(2, 2, is_shown=True, status="True", reason="RefsCurrent", message="All.")
    held = next_status(after([GOOD], asking), replace(event(report, asking), refs=report))
    assert held.refs == Refs(wanted=2, existing=2)
    other = spec(mirror={"newest": 2}, secretRef={"name": "other"})
    edited = next_status(forget(held), event(ERROR, other, generation=2))
    assert edited.refs == Refs(wanted=0, existing=2)
    assert shown(edited)["RefsCurrent"] == "False RefsPending"
    without = next_status(forget(held), event(None, spec(secretRef={"name": "other"}), generation=2))
    assert without.refs is None
    assert shown(without) == {
        "Ready": "Unknown NotObserved",
        "Synced": "Unknown NotObserved",
        "RefsCurrent": "False RefsPending",
        "Reconciling": "True NotObserved",
    }
    assert "RefsCurrent" not in shown(next_status(forget(after([GOOD], PLAIN)), event(None, PLAIN, generation=2)))


@given(
    st.permutations([backup(1), backup(2, hours=2), backup(3, "running", hours=None), backup(4), backup(5, "failed")])
)
def test_the_order_of_a_list_does_not_matter(backups: list[ListedBackup]) -> None:
    """The same backups give the same status."""
    known = after([read(*sorted(backups))], ASKING)
    assert after([read(*backups)], ASKING) == known


@given(st.lists(st.floats(0, 24), min_size=2, max_size=2))
def test_no_age_is_in_a_status(hours: list[float]) -> None:
    """The same list, delivered again, gives the same status, until a deadline passes."""
    first, second = (after([read(backup(1), backup(2, "running", hours=None), hours=each)], ASKING) for each in hours)
    assert first == second


@pytest.mark.parametrize("outcome", [GOOD, OLD, GONE, ERROR, REFUSED, None])
def test_learning_nothing_new_writes_nothing(outcome: Outcome | None) -> None:
    """The same answer gives an empty patch, also after a restart; so does another correlation ID alone."""
    first = _stored(after([outcome], ASKING))
    again = outcome
    if isinstance(outcome, Failed):
        again = Failed(outcome.reason, outcome.message, code=outcome.code, correlation_id="another")
    elif isinstance(outcome, NotFound):
        again = NotFound(outcome.message, "another")
    status = next_status(own(first), event(again, ASKING, hours=0.1))
    assert merge_patch(first, stamped(_plain(status), first, NOW)) == {}


def _refs(existing: int, reason: str = "RefsCurrent", status: Any = "True") -> RefsReport:
    return RefsReport(2, existing, is_shown=True, status=status, reason=reason, message="…", names={ID.format(2): "n"})


def test_a_round_of_writes_moves_the_refs_alone() -> None:
    """Also where it ends before the first answer; Ready does not depend on it."""
    mirroring = spec(objectives=[DAILY], mirror={"newest": 2})
    first = after([GOOD], mirroring)
    assert (first.refs and first.refs.model_dump(), shown(first)["RefsCurrent"]) == (
        {"wanted": 2, "existing": 0},
        "False RefsPending",
    )
    second = next_status(first, event(_refs(2), mirroring, read=GOOD))
    assert (second.refs and second.refs.existing, shown(second)["RefsCurrent"]) == (2, "True RefsCurrent")
    assert second.newest is not None
    assert second.newest.ref == "n"
    assert {**shown(second), "RefsCurrent": ""} == {**shown(first), "RefsCurrent": ""}
    # What a restart knows of it is what the status says.
    third = next_status(own(_stored(second)), event(GOOD, mirroring))
    assert third.model_dump(exclude={"conditions"}) == second.model_dump(exclude={"conditions"})
    assert shown(next_status(UNSEEN, event(_refs(0), mirroring)))["Ready"] == "Unknown NotObserved"


def test_refs_of_a_monitor_that_makes_none() -> None:
    """The condition stays while one of its own is left; the numbers do not."""
    left = RefsReport(0, 1, is_shown=True, status="False", reason="RefsPending", message="One ref is left.")
    status = next_status(after([GOOD], PLAIN), event(left, PLAIN, read=GOOD))
    assert (status.refs, shown(status)["RefsCurrent"]) == (None, "False RefsPending")
    none = RefsReport(0, 0, is_shown=False, status="True", reason="RefsCurrent", message="")
    assert "RefsCurrent" not in shown(next_status(status, event(none, PLAIN, read=GOOD)))


def _plain(status: AppBackupMonitorStatus) -> dict[str, Any]:
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)


def _stored(status: AppBackupMonitorStatus) -> dict[str, Any]:
    return stamped(_plain(status), {}, NOW + timedelta(0))
