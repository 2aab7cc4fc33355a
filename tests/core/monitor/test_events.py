"""The Events of a monitor."""

import pytest

from astra_mirror.core.events import Around
from astra_mirror.core.monitor.event import UNSEEN
from astra_mirror.core.monitor.events import judged_by, notes_of
from astra_mirror.core.monitor.report import RefsReport
from astra_mirror.core.outcome import Failed, NotFound, Outcome, SyncReason
from tests.core.cases import NOW
from tests.core.monitor.lists import DAILY, after, backup, read, spec

MET, MISSED = read(backup(1)), read(backup(1, hours=30))
GONE, ERROR = NotFound("no such app"), Failed(SyncReason.SERVER_ERROR, "an error", code=503)
REFUSED, FORBIDDEN = (
    RefsReport(1, 0, is_shown=True, status="False", reason=reason, message="…")
    for reason in ("RefsRefused", "RefsForbidden")
)
FINE = RefsReport(1, 1, is_shown=True, status="True", reason="RefsCurrent", message="…")


@pytest.mark.parametrize(
    ("outcomes", "reasons"),
    [
        ([MET], []),
        ([MISSED], ["ObjectiveMissed"]),
        ([MET, MISSED], ["ObjectiveMissed"]),
        ([MISSED, MET], ["ObjectivesMet"]),
        ([MISSED, MISSED], []),
        ([GONE], ["AppNotFound"]),
        ([MET, GONE], ["AppNotFound"]),
        ([GONE, MET], ["ObjectivesMet"]),
        ([MET, ERROR], ["SyncFailed"]),
        ([MET, ERROR, MET], ["SyncRecovered"]),
        ([MISSED, ERROR, MISSED], ["SyncRecovered"]),
        ([MET, FINE], []),
        ([MET, REFUSED], ["RefsRefused"]),
        ([MET, REFUSED, FORBIDDEN], ["RefsForbidden"]),
        ([MET, REFUSED, FINE], []),
    ],
)
def test_transitions(outcomes: list[Outcome | None], reasons: list[str]) -> None:
    """Each is recorded once, and nothing for what is well at first sight."""
    of = spec(objectives=[DAILY], mirror={"newest": 1})
    judged = None
    for number in range(len(outcomes)):
        judged = judged_by(after(outcomes[:number], of) if number else UNSEEN, judged)
    before = after(outcomes[:-1], of) if outcomes[:-1] else UNSEEN
    assert [each.reason for each in notes_of(before, after(outcomes, of), Around(), judged)] == reasons


@pytest.mark.parametrize(
    ("first", "last", "reasons"),
    [
        (MET, MET, ["ObservationRenewed", "SyncRecovered"]),
        (MISSED, MISSED, ["ObservationRenewed", "SyncRecovered"]),
        (MISSED, MET, ["ObjectivesMet", "ObservationRenewed", "SyncRecovered"]),
        (MET, MISSED, ["ObjectiveMissed", "ObservationRenewed", "SyncRecovered"]),
    ],
)
def test_after_staleness_what_has_not_changed_is_no_transition(
    first: Outcome, last: Outcome, reasons: list[str]
) -> None:
    """It is the same as before it was unknown."""
    of = spec(objectives=[DAILY])
    seen = after([first], of)
    stale = after([first, ERROR], of, stale_since=NOW)
    judged = judged_by(stale, judged_by(seen, None))
    assert [each.reason for each in notes_of(stale, after([first, last], of), Around(), judged)] == reasons


def test_objectives_that_are_added_and_met_are_no_transition() -> None:
    """All was well before."""
    seen = after([MET], spec())
    assert notes_of(seen, after([MET], spec(objectives=[DAILY])), Around(), judged_by(seen, None)) == []
