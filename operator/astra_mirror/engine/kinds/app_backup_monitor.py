"""The AppBackupMonitor: which backups an app has, and whether a good one is recent enough.

What its status says is decided in `core/monitor/`. Here that is what the engine asks of a kind. What the last list said
is remembered beside the status: with each list, and at each failure, it is judged again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from astra_mirror.api.app_backup_monitor import NAMES, AppBackupMonitorSpec, AppBackupMonitorStatus
from astra_mirror.core.events import Around
from astra_mirror.core.messages import Shown, may_have_id, shows
from astra_mirror.core.monitor.conditions import APP_NOT_FOUND
from astra_mirror.core.monitor.event import UNSEEN, MonitorEvent, forget, is_observed
from astra_mirror.core.monitor.events import judged_by, notes_of
from astra_mirror.core.monitor.inherited import inherited, own
from astra_mirror.core.monitor.listing import SECOND, WHOLE, ListRead, NotKept, nanoseconds_of
from astra_mirror.core.monitor.report import RefsReport
from astra_mirror.core.monitor.selection import Ordered, ordered
from astra_mirror.core.monitor.status import next_status
from astra_mirror.core.outcome import Failed, NotFound, Outcome
from astra_mirror.core.reasons import FACTS
from astra_mirror.core.schedule import Pace
from astra_mirror.core.spec import read_spec
from astra_mirror.engine.kinds.kind import Happened, Inherited, Kind, Next, Report, Spec
from astra_mirror.support.times import moment_of

_NOBODY: Final = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of a monitor beside its status.

    Attributes:
        read: the last complete list of its target; None if the app was missing since, or before the first list.
        ordered: its selected backups in their order; None if there are too many to be kept.
        refs: the last round of writes.
        deadline: the earliest one in the status, in seconds since 1970, as soon as a poll of this process has ended.
        has_polled: whether one has ended: after a start, the first answer or failure decides.
        judged: the last reason of Ready that said something about the backups; None if there was none.
    """

    read: ListRead | None = None
    ordered: Ordered | None = None
    refs: RefsReport | None = None
    deadline: int | None = None
    has_polled: bool = False
    judged: str | None = None


NOTHING: Final = Memory()


@dataclass(frozen=True, slots=True)
class MonitorSpec(Spec):
    """What a monitor asks for; `model` has all of it."""

    reads_list = True

    model: AppBackupMonitorSpec

    def inherit(self, status: object, generation: int, pace: Pace) -> Inherited:
        """See `Spec`."""
        del generation
        held = own(status)
        report = self._report(inherited(held, self.model), pace)
        return Inherited(report, is_own=held is not UNSEEN, is_grace=_is_grace(held))

    def forgotten(self, held: bytes, pace: Pace) -> Report:
        """See `Spec`."""
        return self._report(forget(_status(held)), pace)

    def next_report(self, held: bytes, happened: Happened, pace: Pace) -> Next:
        """See `Spec`."""
        before, memory = _status(held), _remembering(happened, self.model)
        event = MonitorEvent(
            generation=happened.generation,
            spec=self.model,
            outcome=happened.outcome,
            now=happened.utc,
            read=memory.read,
            refs=memory.refs,
            ordered=memory.ordered.backups if memory.ordered is not None else (),
            stale_after=happened.stale_after,
            handled=happened.handled,
            keeps_message=happened.keeps_message,
            is_young=happened.is_grace,
        )
        after = next_status(before, event)
        shown = _shown_in(after, happened.outcome, happened.shown)
        around = Around(
            was_grace=happened.was_grace,
            is_grace=happened.is_grace,
            new_secret=happened.has_new_secret,
            shown=shown,
        )
        has_new_message = _messages(after) != _messages(before)
        judged = judged_by(before, memory.judged)
        notes = notes_of(before, after, around, judged)
        kept = memory.ordered.if_small if memory.ordered is not None else None
        report = self._report(after, pace, replace(memory, ordered=kept, judged=judged_by(after, judged)))
        return Next(report, shown, has_new_message, notes)

    def _report(self, status: AppBackupMonitorStatus, pace: Pace, memory: Memory = NOTHING) -> Report:
        deadline = moment_of(status.deadline)
        return Report(
            status=status.model_dump_json(by_alias=True, exclude_none=True).encode(),
            state=None,
            is_observed=is_observed(status),
            is_at_rest=False,
            interval=self._interval(status, pace),
            handled=status.last_handled_reconcile_at,
            memory=replace(
                memory, deadline=nanoseconds_of(deadline) // SECOND if deadline and memory.has_polled else None
            ),
        )

    def _interval(self, status: AppBackupMonitorStatus, pace: Pace) -> float:
        interval = self.model.interval or pace.monitor_interval
        is_under_way = status.backups is not None and status.backups.in_progress > 0
        return min(interval, pace.interval) if is_under_way else interval


class _AppBackupMonitor(Kind):
    """See the module."""

    def read(self, body: Mapping[str, Any]) -> Spec | Failed:
        model = read_spec(AppBackupMonitorSpec, body.get("spec"))
        if isinstance(model, Failed):
            return model
        # One that is being deleted is as if suspended: nothing is written for it any more.
        is_deleting = body["metadata"].get("deletionTimestamp") is not None
        return _spec(model.model_copy(update={"suspend": True}) if is_deleting else model)


def _spec(model: AppBackupMonitorSpec) -> MonitorSpec:
    return MonitorSpec(
        account_id=model.account_id,
        app_id=model.app_id,
        backup_id=WHOLE,
        secret_name=model.secret_ref.name,
        suspend=model.suspend,
        model=model,
    )


def _status(held: bytes) -> AppBackupMonitorStatus:
    return AppBackupMonitorStatus.model_validate_json(held)


def _remembering(happened: Happened, model: AppBackupMonitorSpec) -> Memory:
    memory = _after(happened)
    if model.suspend:
        # The list would take memory for as long as that lasts. Another one is read at once afterwards.
        memory = replace(memory, read=None)
    known = None if memory.read is None else ordered(memory.read, model.select, memory.ordered)
    return replace(memory, ordered=known)


def _after(happened: Happened) -> Memory:
    memory = happened.memory if isinstance(happened.memory, Memory) else NOTHING
    match happened.outcome:
        case ListRead() as read:
            return replace(memory, read=read, has_polled=True)
        case NotFound() | NotKept():
            return replace(memory, read=None, has_polled=True)
        case Failed():
            return replace(memory, has_polled=True)
        case RefsReport() as refs:
            return replace(memory, refs=refs)
        case _:
            return memory


def _is_grace(held: AppBackupMonitorStatus) -> bool:
    """Whether a status has a failure that may end by itself while the object is young."""
    ready, synced = held.condition("Ready"), held.condition("Synced")
    is_never_observed = ready is not None and synced is not None and ready.reason == synced.reason
    facts = FACTS.get(synced.reason) if synced is not None and is_never_observed else None
    return facts is not None and facts.may_heal_while_young and held.condition("Reconciling") is not None


def _messages(status: AppBackupMonitorStatus) -> tuple[str, ...]:
    synced, ready = status.condition("Synced"), status.condition("Ready")
    of_absence = ready.message if ready is not None and ready.reason == APP_NOT_FOUND else ""
    return (synced.message if synced is not None else "", of_absence)


def _shown_in(status: AppBackupMonitorStatus, outcome: Outcome | None, before: tuple[Shown, ...]) -> tuple[Shown, ...]:
    """The texts in `status` that have a correlation ID, each with its message: see `core.status.shown_in`."""
    newest = outcome.message if isinstance(outcome, Failed | NotFound) else ""
    found = []
    for text in filter(None, _messages(status)):
        messages = (newest, *(each.message for each in before))
        # A text with an ID that is not in `before` was written by an earlier process.
        unknown = newest if may_have_id(text) else text
        message = next((each for each in messages if each and shows(text, each)), unknown)
        if message != text:
            found.append(Shown(text, message))
    ready = status.condition("Ready")
    standing = [each for each in before if ready is not None and ready.message.endswith(each.text)]
    return (*found, *(each for each in standing if each not in found))


APP_BACKUP_MONITOR: Final[Kind] = _AppBackupMonitor(
    names=NAMES, label="monitor", unreadable=_spec(AppBackupMonitorSpec(accountID=_NOBODY, appID=_NOBODY))
)
