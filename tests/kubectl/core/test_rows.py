"""A row of a table, and a line of a log."""

from datetime import timedelta

import pytest

from astra_mirror.kubectl.core.ages import length_text
from astra_mirror.kubectl.core.following import has_finished
from astra_mirror.kubectl.core.names import Key, Kind
from astra_mirror.kubectl.core.rows import Tone, gone_row, line_of, row_of, row_without_object
from astra_mirror.kubectl.core.verdicts import missing
from tests.kubectl.core.objects import COMPLETED, FAILED, NOW, RUNNING, STALLED, SYNCED, monitor, ref

PROGRESS = {
    "percentDone": 42,
    "bytesPerSecond": 52_428_800,
    "estimatedCompletionTime": "2026-11-27T12:00:35Z",
    "summary": "42% of 2.9 GiB",
}


def test_a_running_backup() -> None:
    """State, bar, rate, time left and age."""
    row = row_of(
        ref(
            statuses=RUNNING | SYNCED,
            state="running",
            progress=PROGRESS,
            metadata={"creationTimestamp": "2026-11-27T11:00:00Z"},
        ),
        NOW,
    )
    assert (row.state, row.percent, row.rate, row.left, row.age) == ("running", 42, "50.0 MiB/s", "35s", "60m")
    assert (row.remark, row.tone) == ("", Tone.BUSY)
    assert line_of(row, with_namespace=False) == "nightly: running, 42% of 2.9 GiB, 50.0 MiB/s, 35s left"
    assert line_of(row, with_namespace=True).startswith("nightly (shop): ")


def test_the_time_that_passes_is_no_change() -> None:
    """So nothing is printed for it."""
    seen = ref(statuses=RUNNING, state="running", progress=PROGRESS)
    assert row_of(seen, NOW).change == row_of(seen, NOW + timedelta(seconds=5)).change
    further = ref(statuses=RUNNING, state="running", progress=PROGRESS | {"summary": "43% of 2.9 GiB"})
    assert row_of(seen, NOW).change != row_of(further, NOW).change


def test_a_finished_backup_has_no_rate() -> None:
    """It is kept in no status, but another operator may have left one."""
    row = row_of(ref(statuses=COMPLETED | SYNCED, state="completed", progress=PROGRESS | {"percentDone": 100}), NOW)
    assert (row.percent, row.rate, row.left, row.tone) == (100, "", "", Tone.GOOD)


@pytest.mark.parametrize(
    ("statuses", "spec", "remark", "tone"),
    [
        (FAILED | SYNCED, {}, "BackupFailed: Succeeded says so.", Tone.BAD),
        (RUNNING | {"Synced": "False Unreachable"}, {}, "Unreachable: Synced says so.", Tone.BUSY),
        (RUNNING | STALLED, {}, "Unauthorized: Synced says so.", Tone.BAD),
        (RUNNING | {"Ready": "Unknown ObservationStale"}, {}, "ObservationStale: Ready says so.", Tone.BAD),
        (RUNNING | {"Synced": "Unknown Suspended"}, {"suspend": True}, "suspended", Tone.IDLE),
        (COMPLETED | {"Synced": "Unknown Suspended"}, {"suspend": True}, "suspended", Tone.GOOD),
        (COMPLETED | {"Ready": "True BackupCompletedHooksFailed"}, {}, "Ready says so.", Tone.GOOD),
    ],
)
def test_a_remark(statuses: dict[str, str], spec: dict[str, bool], remark: str, tone: Tone) -> None:
    """What is unusual, in words."""
    row = row_of(ref(statuses=statuses, spec=spec, state="running"), NOW)
    assert (row.remark, row.tone) == (remark, tone)


def test_no_operator() -> None:
    """The remark of an object that nobody has handled."""
    assert row_of(ref(observed=-1), NOW).remark == "no operator has seen it"


def test_a_monitor() -> None:
    """Whether its objectives are met, until when, and its backups."""
    statuses = {"Ready": "True ObjectivesMet", "ObjectivesMet": "True ObjectivesMet"} | SYNCED
    counts = {"total": 31, "selected": 30, "completed": 28, "inProgress": 1, "failed": 1, "other": 0}
    row = row_of(monitor(statuses=statuses, deadline="2026-11-28T01:00:00Z", backups=counts), NOW)
    assert (row.state, row.percent, row.left, str(row.key)) == ("ObjectivesMet", None, "13h", "abm/nightly")
    assert row.remark == "28 of 30 complete, 1 in progress, 1 failed"


def test_what_a_terminal_would_obey_is_escaped() -> None:
    """A state and a message may be anybody's words."""
    seen = ref(statuses=RUNNING, state="\x1b[2Jrunning", progress={"summary": "\x1b]0;x\x07"})
    assert line_of(row_of(seen, NOW), with_namespace=False).isprintable()


def test_an_object_that_is_not_there() -> None:
    """It does not exist, or was deleted."""
    row = row_without_object(Key(Kind.REF, "shop", "a"), missing(Key(Kind.REF, "shop", "a")))
    assert line_of(row, with_namespace=False) == "a: no state (there is no such ref in the namespace shop)"
    gone = gone_row(row_of(ref(statuses=RUNNING, state="running", progress=PROGRESS), NOW))
    assert line_of(gone, with_namespace=False) == "nightly: running, 42% of 2.9 GiB (deleted)"


@pytest.mark.parametrize(
    ("seen", "finished"),
    [
        (ref(statuses=COMPLETED), True),
        (ref(statuses=FAILED), True),
        (ref(statuses=RUNNING), False),
        (ref(statuses=RUNNING | STALLED), False),
        (ref(statuses=RUNNING, spec={"suspend": True}), True),
        (ref(statuses=COMPLETED, generation=2, observed=1), False),
        (monitor(statuses={"Ready": "True X", "ObjectivesMet": "True X"}), True),
        (monitor(statuses={"Ready": "False X", "ObjectivesMet": "False X", "Stalled": "True X"}), True),
        (monitor(statuses={"Ready": "False X", "ObjectivesMet": "False X", "Reconciling": "True X"}), False),
        (monitor(statuses={"Ready": "True ListObserved"}, spec={"objectives": []}), True),
    ],
)
def test_who_has_finished(seen: object, finished: bool) -> None:
    """`watch` ends when all have; a suspended one counts, one that somebody may mend meanwhile does not."""
    assert has_finished(seen, NOW) is finished  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (312, "5m12s"),
        (600, "10m"),
        (10_800, "3h"),
        (11_100, "3h5m"),
        (28_800, "8h"),
        (172_800, "2d"),
        (180_000, "2d2h"),
        (691_200, "8d"),
        (63_072_000, "2y"),
        (70_848_000, "2y90d"),
        (252_288_000, "8y"),
    ],
)
def test_lengths_of_time(seconds: int, text: str) -> None:
    """As `kubectl get` shows ages."""
    assert length_text(timedelta(seconds=seconds)) == text
