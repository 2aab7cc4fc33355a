"""The AppBackupRef: the mirror of one backup.

What its status says is decided in `core/`: status, inherited, events, schedule. Here that is what the engine asks of a
kind.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from astra_mirror.api.app_backup_ref import NAMES, AppBackupRefSpec, AppBackupRefStatus
from astra_mirror.core.events import Around, notes_of
from astra_mirror.core.inherited import inherited, own
from astra_mirror.core.outcome import Failed, Observed
from astra_mirror.core.progress import Sample, next_sample
from astra_mirror.core.reasons import FACTS
from astra_mirror.core.schedule import Pace, interval_of, is_at_rest
from astra_mirror.core.spec import read_spec
from astra_mirror.core.status import UNSEEN, Event, forget, is_observed, next_status, shown_in
from astra_mirror.engine.kinds.kind import Happened, Inherited, Kind, Next, Report, Spec

_NOBODY: Final = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class _RefSpec(Spec):
    """What a ref asks for; `model` has all of it."""

    model: AppBackupRefSpec

    def inherit(self, status: object, generation: int, pace: Pace) -> Inherited:
        held = own(status)
        report = self._report(inherited(held, self.model, generation), pace)
        return Inherited(report, is_own=held is not UNSEEN, is_grace=_is_grace(held))

    def forgotten(self, held: bytes, pace: Pace) -> Report:
        return self._report(forget(_status(held)), pace)

    def next_report(self, held: bytes, happened: Happened, pace: Pace) -> Next:
        before, sample = _status(held), _sample(happened)
        after = next_status(before, self._event(happened, sample))
        shown = shown_in(after, happened.outcome, happened.shown)
        around = Around(
            was_grace=happened.was_grace,
            is_grace=happened.is_grace,
            new_secret=happened.has_new_secret,
            shown=shown,
        )
        has_new_message = _messages(after) != _messages(before)
        if isinstance(happened.outcome, Observed):
            # The rate was computed from the old sample, which is replaced only here.
            sample = next_sample(sample, happened.outcome.backup.bytes_done, happened.at)
        return Next(self._report(after, pace, sample), shown, has_new_message, notes_of(before, after, around))

    def _event(self, happened: Happened, sample: Sample | None) -> Event:
        return Event(
            generation=happened.generation,
            spec=self.model,
            outcome=happened.outcome,
            now=happened.utc,
            at=happened.at,
            sample=sample,
            stale_since=happened.stale_since,
            handled=happened.handled,
            keeps_message=happened.keeps_message,
            is_young=happened.is_grace,
        )

    def _report(self, status: AppBackupRefStatus, pace: Pace, sample: Sample | None = None) -> Report:
        return Report(
            status=status.model_dump_json(by_alias=True, exclude_none=True).encode(),
            state=status.state,
            is_observed=is_observed(status),
            is_at_rest=is_at_rest(status),
            interval=interval_of(self.model, status, pace),
            handled=status.last_handled_reconcile_at,
            memory=sample,
        )


class _AppBackupRef(Kind):
    """See the module."""

    def read(self, body: Mapping[str, Any]) -> Spec | Failed:
        model = read_spec(AppBackupRefSpec, body.get("spec"))
        return model if isinstance(model, Failed) else _spec(model)


def _spec(model: AppBackupRefSpec) -> _RefSpec:
    return _RefSpec(
        account_id=model.account_id,
        app_id=model.app_id,
        backup_id=model.backup_id,
        secret_name=model.secret_ref.name,
        suspend=model.suspend,
        model=model,
    )


def _status(held: bytes) -> AppBackupRefStatus:
    return AppBackupRefStatus.model_validate_json(held)


def _sample(happened: Happened) -> Sample | None:
    """The memory of a ref: the baseline for its rate."""
    return happened.memory if isinstance(happened.memory, Sample) else None


def _is_grace(held: AppBackupRefStatus) -> bool:
    """Whether a status has a failure that may end by itself while the object is young."""
    ready, synced = held.condition("Ready"), held.condition("Synced")
    is_never_observed = ready is not None and synced is not None and ready.reason == synced.reason
    facts = FACTS.get(synced.reason) if synced is not None and is_never_observed else None
    return facts is not None and facts.may_heal_while_young and held.condition("Reconciling") is not None


def _messages(status: AppBackupRefStatus) -> tuple[str, ...]:
    conditions = (status.condition(each) for each in ("Synced", "Finished"))
    return tuple(each.message for each in conditions if each is not None)


APP_BACKUP_REF: Final[Kind] = _AppBackupRef(
    names=NAMES, label="ref", unreadable=_spec(AppBackupRefSpec(accountID=_NOBODY, appID=_NOBODY, backupID=_NOBODY))
)
