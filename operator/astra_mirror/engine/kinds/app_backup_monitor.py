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
from astra_mirror.core.monitor.listing import SECOND, ListRead, nanoseconds_of
from astra_mirror.core.monitor.memory import NOTHING, Memory, Standing, is_for_later, remembering
from astra_mirror.core.monitor.standing import stands_until
from astra_mirror.core.monitor.status import next_status
from astra_mirror.core.outcome import WHOLE, Failed, NotFound, Outcome
from astra_mirror.core.reasons import FACTS
from astra_mirror.core.schedule import Pace
from astra_mirror.core.spec import read_spec
from astra_mirror.engine.kinds.kind import Happened, Inherited, Kind, Next, Report, Spec
from astra_mirror.support.times import moment_of

_NOBODY: Final = "00000000-0000-0000-0000-000000000000"


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
        as_before = _as_before(held, happened)
        if as_before is not None:
            return as_before
        before, outcome, select = _status(held), happened.outcome, self.model.select
        if self.model.suspend or not is_for_later(outcome, happened.memory, select):
            memory = remembering(happened.memory, outcome, select, is_suspended=self.model.suspend)
            return self._judged(before, happened, outcome, memory, pace)
        memory = happened.memory if isinstance(happened.memory, Memory) else NOTHING
        if isinstance(outcome, ListRead):
            memory = memory.putting_off(outcome, happened.handled, has_new_secret=happened.has_new_secret)
        if before.condition("Ready"):
            # Until the list is judged, what is said stands.
            return Next(self._report(before, pace, memory), happened.shown, has_new_message=False, notes=[])
        return self._judged(before, happened, None, memory, pace)

    def _judged(
        self, before: AppBackupMonitorStatus, happened: Happened, outcome: Outcome | None, memory: Memory, pace: Pace
    ) -> Next:
        event = MonitorEvent(
            generation=happened.generation,
            spec=self.model,
            outcome=outcome,
            now=happened.utc,
            read=memory.read,
            refs=memory.refs,
            ordered=memory.ordered.backups if memory.ordered is not None else (),
            stale_since=happened.stale_since,
            handled=None if outcome is None else happened.handled,
            keeps_message=happened.keeps_message,
            is_young=happened.is_grace,
        )
        after = next_status(before, event)
        shown = _shown_in(after, outcome, happened.shown)
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
        if isinstance(outcome, ListRead):
            until = stands_until(after, event.ordered, outcome.sent)
            interval, handled = self._interval(after, pace), after.last_handled_reconcile_at
            memory = replace(memory, standing=Standing(until, happened.generation, interval, handled))
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


def _as_before(held: bytes, happened: Happened) -> Next | None:
    """The report so far, if the outcome is the list that it was made by, and is judged alike; else None."""
    memory, read = happened.memory, happened.outcome
    if not isinstance(memory, Memory) or not isinstance(read, ListRead):
        return None
    standing = memory.standing_for(read)
    if standing is None or standing.generation != happened.generation or happened.stale_since is not None:
        return None
    if happened.was_grace or happened.has_new_secret or happened.handled not in {None, standing.handled}:
        return None
    report = Report(
        status=held,
        state=None,
        is_observed=True,
        is_at_rest=False,
        interval=standing.interval,
        handled=standing.handled,
        memory=memory.reading_again(read),
    )
    return Next(report, happened.shown, has_new_message=False, notes=[])


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
