"""Rate, expected end and summary, with totals that come late, shrink or stay away."""

from datetime import timedelta

from astra_mirror.api.app_backup_ref import Progress
from astra_mirror.core.backup import Backup
from astra_mirror.core.progress import Sample, next_sample, progress_of
from tests.core.cases import BACKUP, NOW

MIB = 2**20


def _running(
    done: int | None, total: int | None = None, percent: float | None = None, state: str = "running"
) -> Backup:
    return Backup(BACKUP, state, bytes_done=done, total_bytes=total, percent_done=percent)


def _play(*backups: Backup, every: float = 10.0) -> list[Progress]:
    held, sample, seen = None, None, []
    for number, backup in enumerate(backups):
        at = every * number
        held = progress_of(backup, held, sample, at=at, now=NOW + timedelta(seconds=at))
        sample = next_sample(sample, backup.bytes_done, at)
        seen.append(held or Progress())
    return seen


def test_the_rate_is_taken_over_the_last_change() -> None:
    """A standstill keeps rate and end; the next change is measured from the last one."""
    first, second, still, third = _play(
        _running(0, 100 * MIB),
        _running(10 * MIB, 100 * MIB),
        _running(10 * MIB, 100 * MIB),
        _running(30 * MIB, 100 * MIB),
    )
    assert first.bytes_per_second is None
    assert second.bytes_per_second == MIB
    assert second.estimated_completion_time == "2026-03-01T12:01:40Z"
    assert still == second
    assert third.bytes_per_second == MIB
    assert third.estimated_completion_time == "2026-03-01T12:01:40Z"


def test_the_rate_is_kept_over_a_restart() -> None:
    """Without a sample the status's own rate stands until a new one is measured."""
    held = Progress(bytes_done=10 * MIB, bytes_per_second=MIB, total_bytes=100 * MIB, estimated_completion_time="then")
    same = progress_of(_running(10 * MIB, 100 * MIB), held, None, at=0, now=NOW)
    assert same is not None
    assert (same.bytes_per_second, same.estimated_completion_time) == (MIB, "then")
    more = progress_of(_running(20 * MIB, 100 * MIB), held, None, at=0, now=NOW)
    assert more is not None
    assert (more.bytes_per_second, more.estimated_completion_time) == (MIB, "2026-03-01T12:01:20Z")


def test_bytes_that_shrink_start_the_measurement_anew() -> None:
    """A restarted transfer has no rate until it is measured."""
    assert _play(_running(50 * MIB), _running(60 * MIB), _running(5 * MIB))[-1].bytes_per_second is None


def test_a_total_that_is_late_or_too_small_is_not_believed() -> None:
    """No end and no whole without a total that makes sense."""
    late = _play(_running(10 * MIB), _running(20 * MIB), _running(30 * MIB, 60 * MIB))
    assert late[1].estimated_completion_time is None
    assert late[1].summary == "20.0 MiB"
    assert late[2].estimated_completion_time == "2026-03-01T12:00:50Z"
    assert late[2].summary == "30.0 MiB of 60.0 MiB"
    assert _play(_running(30 * MIB, 10 * MIB))[0].summary == "30.0 MiB"


def test_only_a_completed_backup_shows_100() -> None:
    """100 percent is the end, and only `completed` says that."""
    assert _play(_running(10, 10, 100.0))[0].percent_done == 99
    assert _play(_running(10, 10, 99.99))[0].percent_done == 99
    assert _play(_running(10, 10, 100.0, state="completed"))[0].percent_done == 100


def test_a_settled_backup_has_no_rate() -> None:
    """When nothing moves any more, there is no speed and no end to come."""
    last = _play(_running(10 * MIB, 20 * MIB), _running(20 * MIB, 20 * MIB, 100.0, state="completed"))[-1]
    assert (last.bytes_per_second, last.estimated_completion_time) == (None, None)


def test_no_numbers_no_progress() -> None:
    """A backup without numbers has no progress at all."""
    assert progress_of(_running(None), None, None, at=0, now=NOW) is None
    assert next_sample(Sample(1, 1.0), None, 2.0) is None


def test_a_rate_is_at_most_what_the_crd_admits() -> None:
    """Also where the time between two polls is so small that the quotient is infinite."""
    first = progress_of(_running(1 << 30), None, None, at=0.0, now=NOW)
    progress = progress_of(_running(2 << 30), first, Sample(1 << 30, 0.0), at=1e-304, now=NOW)
    assert progress is not None
    assert progress.bytes_per_second == 2**63 - 1
