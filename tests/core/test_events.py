"""Which transitions are worth an Event, and how many of them a ref may have."""

import re
from datetime import datetime

import pytest

from astra_mirror.api.app_backup_ref import AppBackupRefStatus
from astra_mirror.core.events import BURST, EVENT_SECONDS, Around, admit, event_name, notes_of
from astra_mirror.core.outcome import Failed, Outcome, SyncReason
from astra_mirror.core.status import UNSEEN, Event, next_status, shown_in
from tests.core.cases import COMPLETED, HOOKS_FAILED, MISSING, NOW, RUNNING, backup, failed, spec

AWAY = failed(SyncReason.UNREACHABLE)
BROKEN = failed(SyncReason.TLS_VERIFICATION_FAILED)


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
        ((None, AWAY, BROKEN, BROKEN, AWAY), ["Warning SyncFailed"] * 3),
        ((None, RUNNING), []),
    ],
)
def test_transitions_are_told_and_nothing_else(outcomes: tuple[Outcome | None, ...], events: list[str]) -> None:
    """A state that stays is no news, and a backup that is complete from the first look is none either."""
    assert told(*outcomes) == events


def _status(outcome: Outcome | None, *, stale: datetime | None = None, suspend: bool = False) -> AppBackupRefStatus:
    held = next_status(UNSEEN, Event(1, spec(), COMPLETED, NOW))
    return next_status(held, Event(1, spec(suspend=suspend), outcome, NOW, stale_since=stale))


def _reasons(before: AppBackupRefStatus, after: AppBackupRefStatus, around: Around | None = None) -> list[str]:
    return [note.reason for note in notes_of(before, after, around or Around())]


def test_an_observation_that_grows_stale_and_is_renewed() -> None:
    """Ready becomes ObservationStale, and leaves it."""
    fresh, failing, stale = _status(COMPLETED), _status(AWAY), _status(AWAY, stale=NOW)
    assert _reasons(failing, stale) == ["ObservationStale"]
    assert _reasons(fresh, stale) == ["ObservationStale", "SyncFailed"]
    assert _reasons(stale, stale) == []
    assert _reasons(stale, fresh) == ["ObservationRenewed", "SyncRecovered"]
    gone = next_status(stale, Event(1, spec(), MISSING, NOW))
    assert _reasons(stale, gone) == ["BackupNotFound", "ObservationRenewed", "SyncRecovered"]


def test_a_suspension_and_its_end() -> None:
    """Synced becomes Unknown and True again; that it is Unknown before the first answer is nothing."""
    fresh, suspended = _status(COMPLETED), _status(None, suspend=True)
    assert _reasons(fresh, suspended) == ["Suspended"]
    assert _reasons(suspended, suspended) == []
    assert _reasons(suspended, fresh) == ["Resumed"]
    assert _reasons(suspended, _status(AWAY)) == ["SyncFailed"]
    assert _reasons(UNSEEN, suspended) == []


def test_other_words_after_a_new_secret_are_told() -> None:
    """The same reason, but somebody has tried something; without that the words alone are none."""
    before = _status(Failed(SyncReason.UNREACHABLE, "no such host"))
    after = _status(Failed(SyncReason.UNREACHABLE, "connection refused"))
    assert _reasons(before, after) == []
    assert _reasons(before, after, Around(new_secret=True)) == ["SyncFailed"]
    failure = Failed(SyncReason.UNREACHABLE, "no such host", correlation_id="b")
    same = _status(failure)
    assert _reasons(before, same, Around(new_secret=True, shown=shown_in(same, failure))) == []


def test_a_failure_that_may_end_by_itself_is_not_told_before() -> None:
    """Nor is its end; when it has not ended by itself, it is told as if it had begun then."""
    missing, found = _status(failed(SyncReason.SECRET_NOT_FOUND)), _status(COMPLETED)
    assert _reasons(found, missing, Around(is_grace=True)) == []
    assert _reasons(missing, missing, Around(was_grace=True, is_grace=True)) == []
    assert _reasons(missing, missing, Around(was_grace=True)) == ["SyncFailed"]
    assert _reasons(missing, found, Around(was_grace=True)) == []


@pytest.mark.parametrize("end", ["-b", ".b", "--b", "-a.b", "b", ""])
@pytest.mark.parametrize("length", [1, 198, 199, 200, 230])
def test_an_event_has_a_valid_name_whatever_the_objects(end: str, length: int) -> None:
    """Also where it is cut at a hyphen or a dot."""
    name = event_name(f"{'a' * length}{end}", "0123456789abcdef")
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*", name)
    assert len(name) <= 253


def test_a_note_says_what_the_condition_says_without_its_correlation() -> None:
    """So that the same failure is the same Event."""
    before = next_status(UNSEEN, Event(generation=1, spec=spec(), outcome=None, now=NOW))
    after = next_status(before, Event(generation=1, spec=spec(), outcome=AWAY, now=NOW))
    [note] = notes_of(before, after, Around(shown=shown_in(after, AWAY)))
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
