"""A list that has not changed is not judged again where that cannot lead to anything else."""

from datetime import timedelta
from typing import Any

import pytest

from astra_mirror.core.monitor.listing import ListRead
from astra_mirror.core.monitor.report import not_looked_at
from astra_mirror.core.outcome import Failed, Outcome, SyncReason
from astra_mirror.core.schedule import Pace
from astra_mirror.engine.kinds.app_backup_monitor import APP_BACKUP_MONITOR
from astra_mirror.engine.kinds.kind import Happened, Next, Spec
from tests.core.cases import ACCOUNT, APP, NOW
from tests.core.monitor.lists import DAILY, HOUR, backup, read

PACE = Pace()
LIST = read(backup(1, hours=1), backup(2, "running", hours=0))


def _spec() -> Spec:
    found = APP_BACKUP_MONITOR.read(
        {"metadata": {}, "spec": {"accountID": ACCOUNT, "appID": APP, "objectives": [DAILY]}}
    )
    assert isinstance(found, Spec)
    return found


def _happened(outcome: Outcome | None, memory: object, **changes: Any) -> Happened:
    plain = Happened(
        generation=1,
        outcome=outcome,
        at=0.0,
        utc=NOW,
        memory=memory,
        stale_since=None,
        handled=None,
        keeps_message=False,
        was_grace=False,
        is_grace=False,
        has_new_secret=False,
        shown=(),
    )
    return plain._replace(**changes)


def _again(hours: float = 0.1) -> ListRead:
    return ListRead(LIST.whole, LIST.sent + int(hours * HOUR))


def _then(before: Next, outcome: Outcome | None, **changes: Any) -> Next:
    return _spec().next_report(before.report.status, _happened(outcome, before.report.memory, **changes), PACE)


@pytest.fixture
def first() -> Next:
    """What the first list leads to."""
    return _spec().next_report(b"{}", _happened(LIST, None), PACE)


def test_it_is_the_same_report_with_a_later_list(first: Next) -> None:
    """The very status, the same interval; the round of writes that follows is for the later list."""
    found = _then(first, _again())
    assert found.report.status is first.report.status
    assert found.report.interval == first.report.interval
    assert found.report.is_observed
    assert (found.notes, found.has_new_message) == ([], False)
    assert found.report.memory.read == _again()  # type: ignore[attr-defined]
    assert found.report.memory.ordered.read == _again()  # type: ignore[attr-defined]
    assert found.report.memory.deadline == first.report.memory.deadline is not None  # type: ignore[attr-defined]
    assert _then(found, _again(0.2)).report.status is first.report.status


def test_after_a_round_of_writes_as_well(first: Next) -> None:
    """It moves what the status says of the refs, and nothing else."""
    written = _then(first, not_looked_at(1, 1, 1))
    assert _then(written, _again()).report.status is written.report.status


@pytest.mark.parametrize(
    ("outcome", "changes"),
    [
        (_again(26), {}),
        (_again(-0.1), {"utc": NOW - timedelta(hours=1)}),
        (ListRead(read(backup(1, hours=1), backup(2, "running", hours=0)).whole, LIST.sent + 1), {}),
        (_again(), {"generation": 2}),
        (_again(), {"handled": "now"}),
        (_again(), {"was_grace": True}),
        (_again(), {"has_new_secret": True}),
        (_again(), {"stale_since": NOW}),
    ],
    ids=["deadline", "clock", "list", "generation", "requested", "grace", "secret", "stale"],
)
def test_it_is_judged_again(first: Next, outcome: ListRead, changes: dict[str, Any]) -> None:
    """Where anything else may have changed."""
    found = _then(first, outcome, **changes)
    assert found.report.status is not first.report.status


def test_after_a_failure_it_is_judged_again(first: Next) -> None:
    """The status says something else meanwhile."""
    failed = _then(first, Failed(SyncReason.SERVER_ERROR, "An error.", code=500))
    found = _then(failed, _again())
    assert found.report.status != failed.report.status
    assert b"ServerError" in failed.report.status
    assert b"ServerError" not in found.report.status
