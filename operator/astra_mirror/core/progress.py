"""Progress, its rate and its expected end, computed such that a poll without news changes nothing.

The rate is measured over the last change of bytesDone, and the expected end is computed only then: neither changes by
itself.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from astra_mirror.api.app_backup_ref import Progress
from astra_mirror.core.backup import Activity, Backup, meaning_of
from astra_mirror.support.text import bytes_text
from astra_mirror.support.times import timestamp

_MAX_AHEAD = timedelta(days=3650)
_MAX_RATE = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Sample:
    """When a poll first observed this many bytes; `at` is in monotonic seconds."""

    bytes_done: int
    at: float


def next_sample(sample: Sample | None, bytes_done: int | None, at: float) -> Sample | None:
    """The baseline for the rate of the next poll: the same while bytesDone does not change."""
    if bytes_done is None:
        return None
    if sample is not None and sample.bytes_done == bytes_done:
        return sample
    return Sample(bytes_done, at)


def progress_of(
    backup: Backup, held: Progress | None, sample: Sample | None, *, at: float, now: datetime
) -> Progress | None:
    """The progress to show for `backup`.

    Args:
        backup: the new observation.
        held: the progress in the present status, of the same backup.
        sample: the baseline from earlier polls; None after a start.
        at: when `backup` was observed, in monotonic seconds.
        now: the same moment, in UTC.
    """
    percent = _percent(backup)
    rate, end = None, None
    if meaning_of(backup.state).activity is Activity.RECONCILING:
        rate, end = _rate_and_end(backup, held, sample, at=at, now=now)
    progress = Progress(
        percent_done=percent,
        bytes_done=backup.bytes_done,
        total_bytes=backup.total_bytes,
        bytes_per_second=rate,
        estimated_completion_time=end,
        summary=_summary(percent, backup.bytes_done, backup.total_bytes),
    )
    return progress if progress.model_fields_set and progress != Progress() else None


def _percent(backup: Backup) -> int | None:
    if backup.percent_done is None:
        return None
    # While it is running, never show 100: people and scripts would read it as the end.
    is_under_way = meaning_of(backup.state).activity is Activity.RECONCILING
    return min(math.floor(backup.percent_done), 99 if is_under_way else 100)


def _rate_and_end(
    backup: Backup, held: Progress | None, sample: Sample | None, *, at: float, now: datetime
) -> tuple[int | None, str | None]:
    done = backup.bytes_done
    before = sample.bytes_done if sample else held.bytes_done if held else None
    if done is None or before is None or done < before:
        return None, None
    held_rate = held.bytes_per_second if held else None
    if done == before and held is not None and held.total_bytes == backup.total_bytes:
        return held_rate, held.estimated_completion_time
    rate = held_rate
    if sample is not None and done > before and at > sample.at:
        rate = round(min((done - before) / (at - sample.at), _MAX_RATE))
    return rate, _end(done, backup.total_bytes, rate, now)


def _end(done: int, total: int | None, rate: int | None, now: datetime) -> str | None:
    if not rate or total is None or total < done:
        return None
    seconds = (total - done) / rate
    return timestamp(now + timedelta(seconds=seconds)) if seconds < _MAX_AHEAD.total_seconds() else None


def _summary(percent: int | None, done: int | None, total: int | None) -> str | None:
    # The remote has not computed the total yet while it is less than the bytes that are done.
    whole = bytes_text(total) if total and total >= (done or 0) else None
    if percent is not None:
        return f"{percent}% of {whole}" if whole else f"{percent}%"
    if done is None:
        return whole
    return f"{bytes_text(done)} of {whole}" if whole else bytes_text(done)
