"""What follows when an object is seen: in the watch, in a list, or in the read after a write conflict.

Whoever changed an object, its desired and its actual status are compared afterwards.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from astra_mirror.api.app_backup_ref import AppBackupRefSpec, AppBackupRefStatus
from astra_mirror.core.inherited import inherited, own
from astra_mirror.core.outcome import Failed
from astra_mirror.core.reasons import FACTS
from astra_mirror.core.schedule import Pace
from astra_mirror.core.shard import Shard
from astra_mirror.core.spec import read_spec
from astra_mirror.core.status import UNSEEN, forget, is_observed
from astra_mirror.engine.echo import is_news
from astra_mirror.engine.effects import (
    ExpectStatus,
    Moved,
    ObjectEffect,
    StartFirstPoll,
    StatusMoved,
    Step,
    StopWaiting,
)
from astra_mirror.engine.next_report import next_report
from astra_mirror.engine.ports import Moment
from astra_mirror.engine.result_handler import poll_requested, poll_soon
from astra_mirror.engine.state import cache, desire, polling, reported, texts
from astra_mirror.engine.state.identity import identity_of
from astra_mirror.engine.state.tracked import Tracked


@dataclass(frozen=True, slots=True)
class Intake:
    """Handles objects as they are seen.

    Attributes:
        pace: the administrator's intervals.
        shard: which objects this process owns.
    """

    pace: Pace
    shard: Shard

    def seen(
        self, known: Tracked | None, body: Mapping[str, Any], moment: Moment, *, leads: bool, listed: bool
    ) -> Step | None:
        """Handle an object that was seen. Returns None if another shard owns it.

        Args:
            known: its state so far; None for a new object.
            body: the object.
            moment: now.
            leads: whether this process writes statuses.
            listed: whether it counts even if its version is lower, as after a restore of the cluster from a backup.
        """
        if known is not None and not listed and not is_news(known, body["metadata"]):
            return Step(known)
        if not leads:
            # The leader writes the statuses, and will have written newer ones before this process takes over.
            known = None
        if known is not None and body["metadata"]["generation"] == known.desire.generation:
            step = self._compared(known, body, moment)
            return self._updated(step, body, known.spec, moment) if known.desire.is_readable else step
        spec = read_spec(body.get("spec"))
        if not self._is_ours(spec, body):
            return None
        if known is not None and not isinstance(spec, Failed) and known.desire.is_readable:
            return self._updated(self._compared(known, body, moment), body, spec, moment)
        return self._added(body, spec, moment, leads=leads)

    def _is_ours(self, spec: AppBackupRefSpec | Failed, body: Mapping[str, Any]) -> bool:
        if isinstance(spec, Failed):
            return self.shard.owns_unreadable(body.get("spec"))
        return self.shard.owns(spec.account_id, spec.app_id)

    # A new object.

    def _added(self, body: Mapping[str, Any], spec: AppBackupRefSpec | Failed, moment: Moment, *, leads: bool) -> Step:
        now = moment.at
        asked = desire.desire_of(body, spec)
        held = own(body.get("status"))
        status = inherited(held, asked.spec, asked.generation)
        failure = spec if isinstance(spec, Failed) else None
        requested = asked.requested_at
        tracked = Tracked(
            identity=identity_of(body["metadata"], now, moment.utc),
            desire=asked,
            texts=texts.desiring(texts.found(body, is_own=held is not UNSEEN), status),
            reported=reported.inherited(status, asked.spec, self.pace, now, is_grace=_is_grace(held)),
            polling=polling.first_seen(
                now,
                failure=failure,
                is_requested=failure is None
                and requested is not None
                and requested != status.last_handled_reconcile_at,
            ),
            cache=cache.inherited(is_of_named_app=status.state is not None),
        )
        if failure is not None:
            return self._added_unreadable(tracked, status, moment, leads=leads)
        if tracked.polling.poll_requested_at:
            tracked = tracked.but(reported=reported.message_due(tracked.reported))
        return Step(tracked, (*expecting(tracked), StartFirstPoll(tracked.uid)))

    def _added_unreadable(self, tracked: Tracked, status: AppBackupRefStatus, moment: Moment, *, leads: bool) -> Step:
        forgotten = forget(status)
        tracked = tracked.but(
            texts=texts.desiring(tracked.texts, forgotten),
            reported=reported.unreadable(tracked.reported, forgotten, tracked.spec, self.pace),
        )
        return next_report(tracked, tracked.polling.last_failure, moment, self.pace) if leads else Step(tracked)

    # A known object.

    def _compared(self, known: Tracked, body: Mapping[str, Any], moment: Moment) -> Step:
        """Take in the actual status.

        If it differs, somebody else wrote it, or our own PATCH has not been answered yet.
        """
        seen = texts.seen(known.texts, body)
        if seen.actual_status is known.texts.actual_status:
            return Step(known.but(texts=seen), (StatusMoved(known.uid, Moved.OBJECT),))
        if known.reported.is_inherited and (not known.reported.has_status or _knows_more(known, body)):
            return self._inherited(known, body, moment)
        return Step(known.but(texts=seen), (StatusMoved(known.uid, Moved.ACTUAL),))

    def _inherited(self, known: Tracked, body: Mapping[str, Any], moment: Moment) -> Step:
        """Before the first answer, adopt the actual status as the desired one."""
        held = own(body.get("status"))
        status = inherited(held, known.spec, known.desire.generation)
        inheriting = known.but(
            texts=texts.desiring(texts.found(body, is_own=held is not UNSEEN), status),
            reported=reported.inherited_later(
                known.reported, status, known.spec, self.pace, moment.at, is_grace=_is_grace(held)
            ),
            cache=cache.confirmed(known.cache, is_of_named_app=status.state is not None),
        )
        return Step(inheriting, expecting(inheriting))

    def _updated(self, step: Step, body: Mapping[str, Any], spec: AppBackupRefSpec, moment: Moment) -> Step:
        """Take in the spec and the requestedAt annotation, and poll if one of them changed."""
        known, effects = step.tracked, step.effects
        before = known.desire
        after = desire.edited(before, body, spec)
        if after is before:
            return Step(known, effects + _stopped(known))
        tracked = known.but(desire=after)
        effects += _stopped(tracked)
        if after.target != before.target:
            tracked = self._retargeted(tracked)
            effects += (StopWaiting(tracked.uid), *expecting(tracked))
        if after.target != before.target or not before.is_polled:
            tracked = tracked.but(polling=polling.clock_restarted(tracked.polling, moment.at))
        if after.generation != before.generation:
            asked = poll_soon(tracked, moment.at)
        elif after.requested_at not in {None, before.requested_at}:
            asked = poll_requested(tracked, moment.at)
        else:
            return Step(tracked, effects)
        return Step(asked.tracked, effects + asked.effects)

    def _retargeted(self, tracked: Tracked) -> Tracked:
        """Discard everything observed; keep observedGeneration and lastHandledReconcileAt."""
        status = forget(tracked.status)
        return tracked.but(
            texts=texts.desiring(tracked.texts, status),
            reported=reported.retargeted(tracked.reported, status, tracked.spec, self.pace),
            polling=polling.retargeted(tracked.polling),
            cache=cache.EMPTY,
        )


def expecting(tracked: Tracked) -> tuple[ObjectEffect, ...]:
    """Give an unobserved object a NotObserved status if no answer arrives within `poller.EXPECT_SECONDS`."""
    return () if tracked.reported.is_observed else (ExpectStatus(tracked.uid),)


def _is_grace(held: AppBackupRefStatus) -> bool:
    """Whether the status reports a failure that may end by itself while the object is young."""
    ready, synced = held.condition("Ready"), held.condition("Synced")
    is_never_observed = ready is not None and synced is not None and ready.reason == synced.reason
    facts = FACTS.get(synced.reason) if synced is not None and is_never_observed else None
    return facts is not None and facts.may_heal_while_young and held.condition("Reconciling") is not None


def _knows_more(known: Tracked, body: Mapping[str, Any]) -> bool:
    """Whether the actual status has an observation, and the desired one has none."""
    held = inherited(own(body.get("status")), known.spec, known.desire.generation)
    return not known.reported.is_observed and is_observed(held)


def _stopped(tracked: Tracked) -> tuple[ObjectEffect, ...]:
    # A suspended object needs no request.
    return () if tracked.desire.is_polled else (StopWaiting(tracked.uid),)
