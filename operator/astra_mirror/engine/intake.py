"""What follows when an object is seen: in the watch, in a list, or in the read after a write conflict.

Whoever changed an object, its desired and its actual status are compared afterwards.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from astra_mirror.core.outcome import Failed
from astra_mirror.core.schedule import Pace
from astra_mirror.core.shard import Shard
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
from astra_mirror.engine.kinds.kind import Inherited, Kind, Spec
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
        self,
        kind: Kind,
        known: Tracked | None,
        body: Mapping[str, Any],
        moment: Moment,
        *,
        leads: bool,
        since: str | None,
        listed: bool,
    ) -> Step | None:
        """Handle an object that was seen. Returns None if another shard owns it.

        Args:
            kind: the kind of the object.
            known: its state so far; None for a new object.
            body: the object.
            moment: now.
            leads: whether this process writes statuses.
            since: versions that are not newer were written before it did; None if that is not known.
            listed: whether it counts even if its version is lower, as after a restore of the cluster from a backup.
        """
        if known is not None and not listed and not is_news(known, body["metadata"]):
            return Step(known)
        if not leads or (since is not None and not texts.is_newer(body["metadata"]["resourceVersion"], since)):
            # The other leader writes the statuses, or wrote them: after a failover, the watch may be behind.
            known = None
        if known is not None and body["metadata"]["generation"] == known.desire.generation:
            step = self._compared(known, body, moment)
            return self._updated(step, body, known.spec, moment) if known.desire.is_readable else step
        spec = kind.read(body)
        if not self._is_ours(spec, body):
            return None
        if known is not None and not isinstance(spec, Failed) and known.desire.is_readable:
            return self._updated(self._compared(known, body, moment), body, spec, moment)
        return self._added(kind, body, spec, moment, leads=leads)

    def _is_ours(self, spec: Spec | Failed, body: Mapping[str, Any]) -> bool:
        if isinstance(spec, Failed):
            return self.shard.owns_unreadable(body.get("spec"))
        return self.shard.owns(spec.account_id, spec.app_id)

    # A new object.

    def _added(self, kind: Kind, body: Mapping[str, Any], spec: Spec | Failed, moment: Moment, *, leads: bool) -> Step:
        now = moment.at
        asked = desire.desire_of(kind, body, spec)
        found = asked.spec.inherit(body.get("status"), asked.generation, self.pace)
        failure = spec if isinstance(spec, Failed) else None
        requested = asked.requested_at
        tracked = Tracked(
            identity=identity_of(kind, body["metadata"], now, moment.utc),
            desire=asked,
            texts=texts.desiring(texts.found(body, now, is_own=found.is_own), found.report.status),
            reported=reported.inherited(found.report, now, is_grace=found.is_grace),
            polling=polling.first_seen(
                now,
                failure=failure,
                is_requested=failure is None and requested is not None and requested != found.report.handled,
            ),
            cache=cache.inherited(is_of_named_app=found.report.state is not None),
        )
        if failure is not None:
            return self._added_unreadable(tracked, moment, leads=leads)
        if tracked.polling.poll_requested_at:
            tracked = tracked.but(reported=reported.message_due(tracked.reported))
        return Step(tracked, (*expecting(tracked), StartFirstPoll(tracked.uid)))

    def _added_unreadable(self, tracked: Tracked, moment: Moment, *, leads: bool) -> Step:
        report = tracked.spec.forgotten(tracked.texts.desired_status, self.pace)
        tracked = tracked.but(
            texts=texts.desiring(tracked.texts, report.status),
            reported=reported.unreadable(tracked.reported, report),
        )
        return next_report(tracked, tracked.polling.last_failure, moment, self.pace) if leads else Step(tracked)

    # A known object.

    def _compared(self, known: Tracked, body: Mapping[str, Any], moment: Moment) -> Step:
        """Take in the actual status.

        If it differs, somebody else wrote it, or our own PATCH has not been answered yet.
        """
        seen = texts.seen(known.texts, body, moment.at)
        if seen.actual_status is known.texts.actual_status:
            return Step(known.but(texts=seen), (StatusMoved(known.uid, Moved.OBJECT),))
        if known.reported.is_inherited:
            found = known.spec.inherit(body.get("status"), known.desire.generation, self.pace)
            # An observation is more than is known, where there is none yet.
            knows_more = found.report.is_observed and not known.reported.is_observed
            if knows_more or not known.reported.has_status:
                return _inherited(known, body, found, moment)
        return Step(known.but(texts=seen), (StatusMoved(known.uid, Moved.ACTUAL),))

    def _updated(self, step: Step, body: Mapping[str, Any], spec: Spec, moment: Moment) -> Step:
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
        report = tracked.spec.forgotten(tracked.texts.desired_status, self.pace)
        return tracked.but(
            texts=texts.desiring(tracked.texts, report.status),
            reported=reported.retargeted(tracked.reported, report),
            polling=polling.retargeted(tracked.polling),
            cache=cache.EMPTY,
        )


def _inherited(known: Tracked, body: Mapping[str, Any], found: Inherited, moment: Moment) -> Step:
    """Before the first answer, adopt the actual status as the desired one."""
    inheriting = known.but(
        texts=texts.desiring(texts.found(body, moment.at, is_own=found.is_own), found.report.status),
        reported=reported.inherited_later(known.reported, found.report, moment.at, is_grace=found.is_grace),
        cache=cache.confirmed(known.cache, is_of_named_app=found.report.state is not None),
    )
    return Step(inheriting, expecting(inheriting))


def expecting(tracked: Tracked) -> tuple[ObjectEffect, ...]:
    """Give an unobserved object a NotObserved status if no answer arrives within `poller.EXPECT_SECONDS`."""
    return () if tracked.reported.is_observed else (ExpectStatus(tracked.uid),)


def _stopped(tracked: Tracked) -> tuple[ObjectEffect, ...]:
    # A suspended object needs no request.
    return () if tracked.desire.is_polled else (StopWaiting(tracked.uid),)
