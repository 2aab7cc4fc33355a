"""What the desired status says, as far as decisions need it, and what the operator remembers of how it came about."""

from dataclasses import dataclass, replace

from astra_mirror.core.messages import Shown
from astra_mirror.core.outcome import Observed
from astra_mirror.core.progress import Sample, next_sample
from astra_mirror.engine.kinds.kind import Report


@dataclass(frozen=True, slots=True)
class Reported:
    """What is reported of one object. Times are monotonic seconds.

    Attributes:
        state: the backup's state.
        is_observed: whether the status contains an answer of the remote's.
        is_at_rest: whether the backup is not expected to change.
        interval: the one in force, in seconds, without jitter and backoff.
        has_status: whether the status has been computed for this target since the start.
        is_inherited: whether the status is what stood in the cluster, because no answer has come since the start.
        is_stale: whether the status was computed as of an observation that is too old to count.
        is_grace: whether the status has a failure that may end by itself while the object is young.
        sample: the baseline for the rate.
        shown: the texts in the status that have a correlation ID.
        words_taken_at: when the remote's words for a failure were last taken over; None when its next ones count.
        events_until: how far its Events have used up its share, see core.events.admit.
    """

    state: str | None = None
    is_observed: bool = False
    is_at_rest: bool = False
    interval: float = 0.0
    has_status: bool = False
    is_inherited: bool = False
    is_stale: bool = False
    is_grace: bool = False
    sample: Sample | None = None
    shown: tuple[Shown, ...] = ()
    words_taken_at: float | None = None
    events_until: float = 0.0


@dataclass(frozen=True, slots=True)
class Computed:
    """What is remembered of how a status was computed; the names are those of `Reported`."""

    is_stale: bool
    is_grace: bool
    is_inherited: bool
    shown: tuple[Shown, ...]
    words_taken_at: float | None
    events_until: float


def inherited(report: Report, now: float, *, is_grace: bool) -> Reported:
    """A status that was found in the cluster: before the first answer, that is what is known."""
    return _showing(Reported(is_inherited=True, is_grace=is_grace, words_taken_at=now), report)


def inherited_later(reported: Reported, report: Report, now: float, *, is_grace: bool) -> Reported:
    """As `inherited`, for an object that is known already."""
    return _showing(replace(reported, is_inherited=True, is_grace=is_grace, words_taken_at=now), report)


def computed(reported: Reported, report: Report, how: Computed) -> Reported:
    """The status was computed anew."""
    reported = replace(
        reported,
        has_status=True,
        is_stale=how.is_stale,
        is_grace=how.is_grace,
        is_inherited=how.is_inherited,
        shown=how.shown,
        words_taken_at=how.words_taken_at,
        events_until=how.events_until,
    )
    return _showing(reported, report)


def retargeted(reported: Reported, report: Report) -> Reported:
    """The object names another target, and the status says nothing of it."""
    reported = replace(reported, has_status=False, is_inherited=False, is_grace=False, sample=None)
    return _showing(reported, report)


def unreadable(reported: Reported, report: Report) -> Reported:
    """The spec cannot be read, and the status says nothing of any target."""
    return _showing(reported, report)


def observed(reported: Reported, outcome: Observed, now: float) -> Reported:
    """The remote described the backup: the baseline for the next rate."""
    return replace(reported, sample=next_sample(reported.sample, outcome.backup.bytes_done, now))


def words_due(reported: Reported) -> Reported:
    """Somebody waits for what the remote says next, also when only the words differ."""
    return reported if reported.words_taken_at is None else replace(reported, words_taken_at=None)


def words_taken(reported: Reported, now: float) -> Reported:
    """The words for which somebody waited have come: the next ones are no news."""
    return replace(reported, words_taken_at=now)


def _showing(reported: Reported, report: Report) -> Reported:
    return replace(
        reported,
        state=report.state,
        is_observed=report.is_observed,
        is_at_rest=report.is_at_rest,
        interval=report.interval,
    )
