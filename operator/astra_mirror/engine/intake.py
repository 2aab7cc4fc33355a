"""Takes in what the watch, the lists and the answers to the writes say of the objects, and keeps the refs up to date.

Whoever changed an object, the desired and the actual status are compared afterwards. What this process wrote itself is
recognised here, and nowhere else.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from astra_mirror.api.app_backup_ref import AppBackupRefSpec
from astra_mirror.core.inherited import inherited, own
from astra_mirror.core.outcome import Failed
from astra_mirror.core.reasons import FACTS
from astra_mirror.core.schedule import Pace
from astra_mirror.core.shard import Shard
from astra_mirror.core.spec import read_spec
from astra_mirror.core.status import UNSEEN, forget, is_observed
from astra_mirror.engine.index import Refs
from astra_mirror.engine.ref import Ref, is_newer, requested_at, status_json
from astra_mirror.engine.result_handler import Clocks, Reconciler
from astra_mirror.engine.status_writer import Writer
from astra_mirror.support.times import moment_of

GRACE_SECONDS: Final = 60.0
"""How old an object may be for its missing Secret to be on its way."""
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"
_UNREADABLE: Final = AppBackupRefSpec(accountID=_NOBODY, appID=_NOBODY, backupID=_NOBODY)


@dataclass(frozen=True, slots=True)
class Timing:
    """Who sets the times of refs.

    `gather` is called with each new ref, `expect` with each ref of whose target nothing is known yet, `drop` with each
    that is to be forgotten.
    """

    gather: Callable[[Ref, float], None]
    expect: Callable[[Ref], None]
    drop: Callable[[Ref], None]


class Intake:
    """The objects as they are seen, and the refs that are made of them.

    Args:
        refs: all refs.
        clocks: time and chance.
        pace: the administrator's intervals.
        shard: whose refs are looked after.
        reconciler: polls a ref, or computes its status, anew.
        writer: writes statuses that somebody else has changed.
        timing: sets the times of refs.
    """

    def __init__(
        self,
        *,
        refs: Refs,
        clocks: Clocks,
        pace: Pace,
        shard: Shard,
        reconciler: Reconciler,
        writer: Writer,
        timing: Timing,
    ) -> None:
        self._refs = refs
        self._clocks = clocks
        self._pace = pace
        self._shard = shard
        self._reconciler = reconciler
        self._writer = writer
        self._timing = timing
        self.runs = False

    def is_news(self, metadata: Mapping[str, Any]) -> bool:
        """Whether this version of an object has not been seen yet."""
        ref = self._refs.get(metadata["uid"])
        return ref is None or is_newer(metadata["resourceVersion"], ref.version)

    def forget(self, uid: str) -> None:
        """Take note that an object was deleted."""
        if ref := self._refs.get(uid):
            self._timing.drop(ref)

    def answered(self, body: Mapping[str, Any], *, is_own: bool) -> None:
        """Take in what the API server has answered to a write, or to a look at an object that has changed.

        A ref that was deleted meanwhile stays deleted. The answer to an own write is no change by somebody else,
        whatever it says.
        """
        metadata = body["metadata"]
        ref = self._refs.get(metadata["uid"])
        if ref is None:
            return
        if not is_own:
            self.observe(body, listed=True)
        elif is_newer(metadata["resourceVersion"], ref.version):
            ref.version, ref.cluster = metadata["resourceVersion"], status_json(body.get("status"))

    def observe(self, body: Mapping[str, Any], *, listed: bool = False) -> None:
        """Take in an object; one that is `listed` counts although its version is lower, as after a restored backup."""
        metadata = body["metadata"]
        ref = self._refs.get(metadata["uid"])
        if not listed and not self.is_news(metadata):
            return
        if ref is not None and not self.runs:
            # Another process writes the statuses, and will have written newer ones before this one takes over.
            self._timing.drop(ref)
            ref = None
        if ref is not None and metadata["generation"] == ref.generation:
            self._take_in(ref, body)
            if self._refs.is_polled(ref):
                self._update(ref, body, ref.spec)
            return
        spec = read_spec(body.get("spec"))
        if not self._is_ours(spec, body):
            if ref is not None:
                self._timing.drop(ref)
            return
        if ref is not None and not isinstance(spec, Failed) and self._refs.is_polled(ref):
            self._take_in(ref, body)
            self._update(ref, body, spec)
            return
        if ref is not None:
            self._timing.drop(ref)
        self._add(body, spec)

    def _is_ours(self, spec: AppBackupRefSpec | Failed, body: Mapping[str, Any]) -> bool:
        if isinstance(spec, Failed):
            return self._shard.owns_unreadable(body.get("spec"))
        return self._shard.owns(spec.account_id, spec.app_id)

    def _add(self, body: Mapping[str, Any], spec: AppBackupRefSpec | Failed) -> None:
        metadata, now = body["metadata"], self._clocks.monotonic()
        ref = Ref(
            uid=metadata["uid"],
            namespace=metadata["namespace"],
            name=metadata["name"],
            generation=metadata["generation"],
            version=metadata["resourceVersion"],
            spec=_UNREADABLE if isinstance(spec, Failed) else spec,
            requested_at=requested_at(body),
            cluster=b"{}",
            own=b"{}",
            fresh_at=now,
            next_poll=now,
            grown_at=now + GRACE_SECONDS - self._age(metadata),
        )
        self._inherit(ref, body)
        if isinstance(spec, Failed):
            ref.failure = spec
            ref.want(forget(ref.status), self._pace)
            self._refs.add_unreadable(ref)
            if self.runs:
                self._reconciler.unreadable(ref)
            return
        if ref.requested_at is not None and ref.requested_at != ref.status.last_handled_reconcile_at:
            ref.asked, ref.words_at = now, None
        self._refs.add(ref)
        self._timing.gather(ref, now)

    def _age(self, metadata: Mapping[str, Any]) -> float:
        """The seconds since the object was created, for one that has just been seen: never less than none."""
        created = moment_of(metadata.get("creationTimestamp"))
        return 0.0 if created is None else max((self._clocks.utcnow() - created).total_seconds(), 0.0)

    def _inherit(self, ref: Ref, body: Mapping[str, Any]) -> None:
        """Before the first answer what stands in the cluster is what is known."""
        held = own(body.get("status"))
        ref.cluster = status_json(body.get("status"))
        ref.own = ref.cluster if held is not UNSEEN else b"{}"
        ref.want(inherited(held, ref.spec, ref.generation), self._pace)
        ref.is_inherited = True
        ref.is_of_app = ref.state is not None
        ref.words_at = self._clocks.monotonic()
        ready, synced = held.condition("Ready"), held.condition("Synced")
        is_never_observed = ready is not None and synced is not None and ready.reason == synced.reason
        facts = FACTS.get(synced.reason) if synced is not None and is_never_observed else None
        may_heal = facts is not None and facts.may_heal_while_young
        ref.is_grace = may_heal and held.condition("Reconciling") is not None
        self._timing.expect(ref)

    def _take_in(self, ref: Ref, body: Mapping[str, Any]) -> None:
        """Compare with what was known of the object; another one than this process has changed it."""
        ref.version = body["metadata"]["resourceVersion"]
        cluster = status_json(body.get("status"))
        if cluster == ref.cluster:
            self._writer.object_changed(ref)
        elif ref.is_inherited and (not ref.has_status or self._knows_more(ref, body)):
            self._inherit(ref, body)
        else:
            ref.cluster = cluster
            self._writer.actual_changed(ref)

    def _knows_more(self, ref: Ref, body: Mapping[str, Any]) -> bool:
        """Whether the actual status has an observation, where there is none yet."""
        return not ref.is_observed and is_observed(inherited(own(body.get("status")), ref.spec, ref.generation))

    def _update(self, ref: Ref, body: Mapping[str, Any], spec: AppBackupRefSpec) -> None:
        target, suspended = ref.target, ref.spec.suspend
        asked, edited = requested_at(body), body["metadata"]["generation"] != ref.generation
        asked_anew = asked is not None and asked != ref.requested_at
        ref.generation = body["metadata"]["generation"]
        ref.requested_at = asked
        if edited:
            self._refs.remove(ref)
            ref.spec = spec
            self._refs.add(ref)
        if spec.suspend:
            # Whatever it waits for, nobody has to ask for its sake.
            ref.reading = None
        if ref.target != target:
            ref.want(forget(ref.status), self._pace)
            ref.forget_target()
            self._timing.expect(ref)
        if ref.target != target or suspended:
            ref.fresh_at = self._clocks.monotonic()
        if edited:
            self._reconciler.poll_soon(ref)
        elif asked_anew:
            self._reconciler.poll_requested(ref)
