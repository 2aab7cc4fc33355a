"""What the status of a monitor says of its refs, and that nothing else in it depends on them."""

from typing import Any

import pytest

from astra_mirror.api.app_backup_monitor import Refs
from astra_mirror.core.monitor.event import UNSEEN
from astra_mirror.core.monitor.inherited import own
from astra_mirror.core.monitor.report import RefsReport
from astra_mirror.core.monitor.status import next_status
from astra_mirror.core.outcome import Outcome
from tests.core.monitor.lists import DAILY, ID, after, event, shown, spec
from tests.core.monitor.test_status import ERROR, GOOD, OLD, PLAIN, REFUSED, _stored


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
    for found in second.newest, second.newest_completed:
        assert found is not None
        assert found.ref == "n"
    assert {**shown(second), "RefsCurrent": ""} == {**shown(first), "RefsCurrent": ""}
    # What a restart knows of it is what the status says.
    third = next_status(own(_stored(second)), event(GOOD, mirroring))
    assert third.model_dump(exclude={"conditions"}) == second.model_dump(exclude={"conditions"})
    assert shown(next_status(UNSEEN, event(_refs(0), mirroring)))["Ready"] == "Unknown NotObserved"


@pytest.mark.parametrize(("newest", "wanted"), [(1, 1), (2, 2), (5, 2)])
def test_how_many_refs_there_should_be(newest: int, wanted: int) -> None:
    """As many as `mirror` asks for, but no more than there are backups: known before the first round of writes."""
    assert after([GOOD], spec(mirror={"newest": newest})).refs == Refs(wanted=wanted, existing=0)


def test_refs_of_a_monitor_that_makes_none() -> None:
    """The condition stays while one of its own is left; the numbers do not."""
    left = RefsReport(0, 1, is_shown=True, status="False", reason="RefsPending", message="One ref is left.")
    status = next_status(after([GOOD], PLAIN), event(left, PLAIN, read=GOOD))
    assert (status.refs, shown(status)["RefsCurrent"]) == (None, "False RefsPending")
    none = RefsReport(0, 0, is_shown=False, status="True", reason="RefsCurrent", message="")
    assert "RefsCurrent" not in shown(next_status(status, event(none, PLAIN, read=GOOD)))


@pytest.mark.parametrize("known", [GOOD, OLD, ERROR, REFUSED])
@pytest.mark.parametrize("reason", ["RefsForbidden", "RefsRefused", "RefConflict", "RefsPending", "RefsCurrent"])
def test_refs_move_no_other_condition(known: Outcome, reason: str) -> None:
    """Neither Ready nor Stalled nor any other one."""
    mirroring = spec(objectives=[DAILY], mirror={"newest": 2})
    before = shown(after([known], mirroring))
    found = _refs(0, reason, "True" if reason == "RefsCurrent" else "False")
    moved = shown(after([known, found], mirroring))
    assert {**moved, "RefsCurrent": ""} == {**before, "RefsCurrent": ""}
    assert moved["RefsCurrent"].endswith(reason)
