"""Which transitions are worth an Event, and how many of them a ref may have."""

import pytest

from astra_mirror.core.events import BURST, EVENT_SECONDS, admit, notes_of
from astra_mirror.core.outcome import Outcome, SyncReason
from astra_mirror.core.resource import AppBackupRefStatus
from astra_mirror.core.status import UNSEEN, Event, next_status
from tests.core.cases import COMPLETED, HOOKS_FAILED, MISSING, NOW, RUNNING, backup, failed, spec

AWAY = failed(SyncReason.UNREACHABLE)


def told(*outcomes: Outcome | None) -> list[str]:
    """The reasons of the Events of a ref whose polls end like this."""
    held, found = UNSEEN, list[str]()
    for outcome in outcomes:
        after = next_status(held, Event(generation=1, spec=spec(), outcome=outcome, now=NOW))
        found += [f"{note.kind} {note.reason}" for note in notes_of(held, after)]
        held = after
    return found


@pytest.mark.parametrize(
    ("outcomes", "events"),
    [
        ((None, RUNNING, RUNNING, COMPLETED, COMPLETED), ["Normal BackupCompleted"]),
        ((None, RUNNING, backup("failed")), ["Warning BackupFailed"]),
        ((COMPLETED, backup("removed"), COMPLETED), ["Warning BackupRemoved", "Normal BackupCompleted"]),
        ((None, COMPLETED), []),
        ((None, HOOKS_FAILED), []),
        ((None, backup("failed")), ["Warning BackupFailed"]),
        ((None, MISSING, MISSING), ["Warning BackupNotFound"]),
        ((RUNNING, MISSING), ["Warning BackupNotFound"]),
        ((RUNNING, AWAY, AWAY, RUNNING), ["Warning SyncFailed", "Normal SyncRecovered"]),
        ((None, AWAY, COMPLETED), ["Warning SyncFailed", "Normal SyncRecovered"]),
        ((COMPLETED, AWAY, COMPLETED), ["Warning SyncFailed", "Normal SyncRecovered"]),
    ],
)
def test_transitions_are_told_and_nothing_else(outcomes: tuple[Outcome | None, ...], events: list[str]) -> None:
    """A state that stays is no news, and a backup that is complete from the first look is none either."""
    assert told(*outcomes) == events


def test_a_note_says_what_the_condition_says_without_its_correlation() -> None:
    """So that the same failure is the same Event."""
    before = next_status(UNSEEN, Event(generation=1, spec=spec(), outcome=None, now=NOW))
    after = next_status(before, Event(generation=1, spec=spec(), outcome=AWAY, now=NOW))
    [note] = notes_of(before, after)
    assert note.text == "Unreachable: It went wrong: Unreachable."


def test_a_ref_has_its_share_of_events() -> None:
    """A burst, and then one a minute."""
    busy, admitted = 0.0, 0
    for _ in range(BURST + 3):
        after = admit(busy, 1000.0)
        admitted += after is not None
        busy = after or busy
    assert admitted == BURST
    assert admit(busy, 1000.0 + EVENT_SECONDS) is not None
    assert admit(busy, 1000.0 + EVENT_SECONDS - 1) is None


def test_a_restart_tells_nothing_again() -> None:
    """The status that is read back says what has been told."""
    after = next_status(UNSEEN, Event(generation=1, spec=spec(), outcome=backup("failed"), now=NOW))
    again = AppBackupRefStatus.model_validate_json(after.model_dump_json(by_alias=True, exclude_none=True))
    assert (
        notes_of(again, next_status(again, Event(generation=1, spec=spec(), outcome=backup("failed"), now=NOW))) == []
    )
