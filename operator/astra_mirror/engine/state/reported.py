"""What decisions need of the desired status, and what the operator remembers of how it was computed."""

from datetime import datetime
from typing import NamedTuple

from astra_mirror.core.messages import Shown
from astra_mirror.engine.kinds.kind import Report


class Reported(NamedTuple):
    """What is reported about one object. Times are monotonic seconds.

    Attributes:
        state: the backup's state.
        is_observed: whether the status contains an answer of the remote.
        is_at_rest: whether the backup is not expected to change.
        interval: the one in force, in seconds, without jitter and backoff.
        has_status: whether the status has been computed for this target since the start.
        is_inherited: whether the desired status was adopted from the actual one, before the first answer.
        stale_since: since when no poll had succeeded, if the status was computed from an observation that is too old to
            count; else None.
        is_grace: whether the status has a failure that may end by itself while the object is young.
        memory: what the object's kind remembers beside its status.
        shown: the texts in the status that contain a correlation ID.
        message_taken_at: when the remote's error message was last copied into the status; None if the next one is to be
            copied at once.
        events_until: the state of the object's rate limit for Events, see core.events.admit.
    """

    state: str | None = None
    is_observed: bool = False
    is_at_rest: bool = False
    interval: float = 0.0
    has_status: bool = False
    is_inherited: bool = False
    stale_since: datetime | None = None
    is_grace: bool = False
    memory: object = None
    shown: tuple[Shown, ...] = ()
    message_taken_at: float | None = None
    events_until: float = 0.0

    @property
    def is_stale(self) -> bool:
        """Whether the status was computed from an observation that is too old to count."""
        return self.stale_since is not None


class Computed(NamedTuple):
    """What is remembered of how a status was computed; the fields are those of `Reported`."""

    stale_since: datetime | None
    is_grace: bool
    is_inherited: bool
    shown: tuple[Shown, ...]
    message_taken_at: float | None
    events_until: float


def inherited(report: Report, now: float, *, is_grace: bool) -> Reported:
    """Before the first answer, the actual status is adopted."""
    return _showing(Reported(is_inherited=True, is_grace=is_grace, message_taken_at=now), report)


def inherited_later(reported: Reported, report: Report, now: float, *, is_grace: bool) -> Reported:
    """As `inherited`, for a known object."""
    return _showing(reported._replace(is_inherited=True, is_grace=is_grace, message_taken_at=now), report)


def computed(reported: Reported, report: Report, how: Computed) -> Reported:
    """A new status was computed."""
    reported = reported._replace(
        has_status=True,
        stale_since=how.stale_since,
        is_grace=how.is_grace,
        is_inherited=how.is_inherited,
        shown=how.shown,
        message_taken_at=how.message_taken_at,
        events_until=how.events_until,
    )
    return _showing(reported, report)


def retargeted(reported: Reported, report: Report) -> Reported:
    """The object names another target, which the status does not describe yet."""
    reported = reported._replace(has_status=False, is_inherited=False, is_grace=False)
    return _showing(reported, report)


def unreadable(reported: Reported, report: Report) -> Reported:
    """The spec cannot be read, and the status describes no target."""
    return _showing(reported, report)


def message_due(reported: Reported) -> Reported:
    """Copy the remote's next error message at once, even if only its text differs."""
    return reported if reported.message_taken_at is None else reported._replace(message_taken_at=None)


def message_taken(reported: Reported, now: float) -> Reported:
    """The message was copied: for a while, a new text for the same failure is not."""
    return reported._replace(message_taken_at=now)


def _showing(reported: Reported, report: Report) -> Reported:
    return reported._replace(
        state=report.state,
        is_observed=report.is_observed,
        is_at_rest=report.is_at_rest,
        interval=report.interval,
        memory=report.memory,
    )
