"""Whether the objectives of a monitor are met, by a list, or by what a status says while no list can be read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from astra_mirror.api.app_backup_monitor import Hooks, Objective, ObjectiveBackup, ObjectiveStatus
from astra_mirror.api.meta import ConditionStatus
from astra_mirror.core.monitor.listing import SECOND, ListedBackup, nanoseconds_of, seconds_text, time_text
from astra_mirror.core.monitor.selection import UNDER_WAY, is_good
from astra_mirror.support.durations import parse_nanoseconds
from astra_mirror.support.times import moment_of

_HOOKS_FAILED: Final = "failed"


@dataclass(frozen=True, slots=True)
class Judged:
    """What is known of one objective.

    Attributes:
        objective: what is asked.
        met: whether it is met; Unknown while that cannot be told.
        newest: the newest good backup that counts for it.
        deadline: when it is missed unless another backup completes, in whole seconds since 1970; None unless it is met.
        is_first: whether there is no good backup for it, whatever its hooks, but one under way that could count.
    """

    objective: Objective
    met: ConditionStatus
    newest: ObjectiveBackup | None = None
    deadline: int | None = None
    is_first: bool = False

    @property
    def status(self) -> ObjectiveStatus:
        """The objective in the status."""
        deadline = None if self.deadline is None else seconds_text(self.deadline)
        return ObjectiveStatus(name=self.objective.name, met=self.met, newest=self.newest, deadline=deadline)


def judged(objectives: Iterable[Objective], ordered: Sequence[ListedBackup], now: int) -> tuple[Judged, ...]:
    """Whether each objective is met.

    Args:
        objectives: what is asked.
        ordered: the selected backups in their order.
        now: when the list was asked for, in nanoseconds.
    """
    # A list may have thousands of backups: each is looked at once for all objectives.
    good = [each for each in ordered if is_good(each, now)]
    under_way = [each for each in ordered if each.state in UNDER_WAY]
    return tuple(_judged(each, good, under_way, now) for each in objectives)


def _judged(objective: Objective, good: Sequence[ListedBackup], under_way: Sequence[ListedBackup], now: int) -> Judged:
    of_it = [each for each in good if _is_of(objective, each)]
    newest = next((each for each in of_it if _has_hooks(objective, each)), None)
    if newest is None or newest.time is None:
        is_first = not of_it and any(_may_count(objective, each, now) for each in under_way)
        return Judged(objective, "False", is_first=is_first)
    shown = ObjectiveBackup(id=newest.id, name=newest.name, time=time_text(newest.time))
    deadline = -(-(newest.time + parse_nanoseconds(objective.max_age)) // SECOND)
    if now > deadline * SECOND:
        return Judged(objective, "False", shown)
    return Judged(objective, "True", shown, deadline)


def _is_of(objective: Objective, backup: ListedBackup) -> bool:
    return objective.schedule_id in {None, backup.schedule_id}


def _has_hooks(objective: Objective, backup: ListedBackup) -> bool:
    return objective.hooks is Hooks.ANY or backup.hook_state != _HOOKS_FAILED


def _may_count(objective: Objective, backup: ListedBackup, now: int) -> bool:
    if not _is_of(objective, backup):
        return False
    is_usable = backup.is_usable_at(now)
    return backup.time is None or not is_usable or now - backup.time <= parse_nanoseconds(objective.max_age)


def remembered(
    objectives: Iterable[Objective], shown: Iterable[ObjectiveStatus], *, is_first: bool
) -> tuple[Judged, ...]:
    """What a status says of the objectives, where the list itself is not known: after a start.

    Args:
        objectives: what is asked.
        shown: the objectives in the status, of the same spec.
        is_first: whether the status says that the first backup is in progress.
    """
    by_name = {each.name: each for each in shown}
    return tuple(_remembered(each, by_name.get(each.name), is_first=is_first) for each in objectives)


def _remembered(objective: Objective, shown: ObjectiveStatus | None, *, is_first: bool) -> Judged:
    if shown is None:
        return Judged(objective, "Unknown")
    moment = moment_of(shown.deadline)
    if shown.met == "True" and moment is None:
        return Judged(objective, "Unknown", shown.newest)
    deadline = None if moment is None else nanoseconds_of(moment) // SECOND
    return Judged(objective, shown.met, shown.newest, deadline, is_first and shown.met == "False")


def without_list(found: Iterable[Judged], now: int, *, is_stale: bool) -> tuple[Judged, ...]:
    """What is known of the objectives while the list cannot be read.

    One whose deadline has passed is unknown, because another backup may have completed; one that was missed stays so.

    Args:
        found: what the last list said.
        now: nanoseconds.
        is_stale: whether the last list is too old to count.
    """
    return tuple(_without_list(each, now, is_stale=is_stale) for each in found)


def _without_list(found: Judged, now: int, *, is_stale: bool) -> Judged:
    has_passed = found.met == "True" and found.deadline is not None and now > found.deadline * SECOND
    return replace(found, met="Unknown", deadline=None, is_first=False) if is_stale or has_passed else found


def unmet(objectives: Iterable[Objective]) -> tuple[Judged, ...]:
    """The objectives of an app that does not exist."""
    return tuple(Judged(each, "False") for each in objectives)


def earliest(found: Iterable[Judged]) -> int | None:
    """The earliest deadline, in seconds since 1970."""
    return min((each.deadline for each in found if each.deadline is not None), default=None)
