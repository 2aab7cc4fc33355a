"""One round of writes for the refs of one monitor: what the plan asks for, one call after the other.

Each ref is read before it is repaired or removed, because the watch does not report every version of it. Whatever has
changed meanwhile is looked at again in the same round, a few times at most. Refs are removed before others are made, so
that a quota of just as many refs suffices.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any, Final

from astra_mirror.core.monitor.ref_plan import Context, Plan, is_lacking, may_remove
from astra_mirror.core.monitor.ref_report import Problem, Trouble
from astra_mirror.core.monitor.ref_results import Ended, RefResult
from astra_mirror.core.monitor.refs import (
    Owner,
    OwnRef,
    WantedRef,
    body_of,
    controller_of,
    is_monitor,
    own_ref,
    repair_of,
    whose,
)
from astra_mirror.engine.monitors.findings import Findings
from astra_mirror.engine.monitors.ports import RefAPI
from astra_mirror.engine.monitors.watching import OwnRefs
from astra_mirror.engine.ports import Clocks

_LOOKS: Final = 3
"""How often a ref that moves is looked at in one round."""


class RefRound:
    """One round.

    Args:
        api: the refs on the API server.
        owner: the monitor.
        context: what decides about its refs.
        refs: the own refs of all monitors.
        findings: what is found, and what is remembered of earlier rounds.
        clocks: the clocks.

    Attributes:
        remaining: how many refs have not been looked at.
    """

    def __init__(
        self,
        api: RefAPI,
        owner: Owner,
        context: Context,
        *,
        refs: OwnRefs,
        findings: Findings,
        clocks: Clocks,
    ) -> None:
        self.remaining = 0
        self._api = api
        self._owner = owner
        self._context = context
        self._refs = refs
        self._found = findings
        self._clocks = clocks

    async def perform(self, plan: Plan) -> AsyncGenerator[bool, None]:
        """Do what the plan asks for. Yields True before it looks at a ref, False before the write.

        Raises:
            NamespaceIsTerminatingError: the namespace is being deleted.
        """
        self.remaining = len(plan.repair) + len(plan.remove) + len(plan.make)
        for own in plan.under_way:
            self._found.not_yet(own, is_lacking=False)
        for own, wanted in plan.repair:
            self.remaining -= 1
            async for each in self._repair(own, wanted):
                yield each
        for number, own in enumerate(plan.remove):
            if self._found.are_all_held("delete", len(plan.remove) - number):
                self.remaining -= len(plan.remove) - number
                break
            self.remaining -= 1
            async for each in self._remove(own):
                yield each
        # What was refused lately comes last, so that one ref that is refused for ever holds up no other.
        for wanted in sorted(plan.make, key=lambda each: self._found.failed_at("create", each.name)):
            self.remaining -= 1
            async for each in self._create(wanted):
                yield each

    # Make.

    async def _create(self, wanted: WantedRef) -> AsyncIterator[bool]:
        if self._found.is_held("create", wanted.name):
            return
        if not self._found.may_make(wanted):
            return
        for _ in range(_LOOKS):
            yield True
            result = await self._api.create(self._owner.namespace, body_of(self._owner, wanted))
            if result.ended is Ended.EXISTS:
                is_done = await self._exists(wanted)
            elif result.ended is Ended.DONE and result.object is not None:
                self._found.made(wanted)
                self._refs.seen(result.object)
                return
            else:
                is_done = not _looks_again(result)
                if is_done:
                    self._found.failed("create", wanted.name, result)
            if is_done:
                return
        self._found.wait_for(f"{wanted.name} changes all the time.")

    async def _exists(self, wanted: WantedRef) -> bool:
        """The name is taken: by an own ref that the watch has not reported yet, or by somebody else's.

        Returns:
            Whether there is nothing more to do: False if the name is free by now.
        """
        result = await self._api.get(self._owner.namespace, wanted.name)
        if result.object is None:
            if not _looks_again(result):
                self._found.failed("get", wanted.name, result)
            return not _looks_again(result)
        metadata = result.object["metadata"]
        owner = controller_of(metadata)
        if owner is not None and owner.get("uid") == self._owner.uid:
            self._refs.seen(result.object)
            if own_ref(result.object).backup_id != wanted.backup_id:
                self._conflict(wanted, "is the ref of another backup of this monitor")
        elif metadata.get("deletionTimestamp") is not None:
            self._found.wait_for(f"{wanted.name} is still being deleted.")
        elif owner is not None and is_monitor(owner) and owner.get("name") == self._owner.name:
            self._found.wait_for(f"{wanted.name} belongs to a deleted monitor of this name.")
        else:
            self._conflict(wanted, whose(owner))
        return True

    def _conflict(self, wanted: WantedRef, whose: str) -> None:
        self._found.remember("create", wanted.name, Problem(Trouble.CONFLICT, f"{wanted.name} {whose}."))

    # Repair and remove.

    async def _repair(self, own: OwnRef, wanted: WantedRef) -> AsyncIterator[bool]:
        if self._found.is_held("patch", own.name):
            return
        if not self._found.may_repair(own):
            return
        for _ in range(_LOOKS):
            yield True
            fresh = await self._fresh(own)
            patch = {} if fresh is None else repair_of(own_ref(fresh), wanted)
            if fresh is None or not patch:
                return
            yield False
            version = fresh["metadata"]["resourceVersion"]
            result = await self._api.patch(self._owner.namespace, own.name, uid=own.uid, version=version, patch=patch)
            if result.object is not None:
                self._refs.seen(result.object)
                self._found.repaired(own)
                if repair_of(own_ref(result.object), wanted):
                    text = f"The API server does not store {own.name} as it is sent: does a webhook change it?"
                    self._found.remember("patch", own.name, Problem(Trouble.PENDING, text))
                    return
            if not _looks_again(result):
                self._found.failed("patch", own.name, result)
                return
        self._found.wait_for(f"{own.name} changes all the time.")

    async def _remove(self, own: OwnRef) -> AsyncIterator[bool]:
        if self._found.is_held("delete", own.name):
            return
        for _ in range(_LOOKS):
            yield True
            fresh = await self._fresh(own)
            if fresh is None:
                return
            if not may_remove(self._context, own_ref(fresh), fresh.get("status"), self._clocks.utcnow()):
                self._found.not_yet(own, is_lacking=is_lacking(self._context, own))
                return
            yield False
            version = fresh["metadata"]["resourceVersion"]
            result = await self._api.delete(self._owner.namespace, own.name, uid=own.uid, version=version)
            if result.object is not None:
                # It waits for a finalizer.
                self._refs.seen(result.object)
            elif result.ended is Ended.DONE:
                self._refs.deleted(own.uid)
            if result.ended is Ended.DONE:
                self._found.succeeded("delete", own.name)
            if not _looks_again(result):
                self._found.failed("delete", own.name, result)
                return
        self._found.wait_for(f"{own.name} changes all the time.")

    async def _fresh(self, own: OwnRef) -> Mapping[str, Any] | None:
        """The ref as it is now; None if it is none of this monitor's any more, or cannot be read."""
        result = await self._api.get(self._owner.namespace, own.name)
        found = result.object
        if found is None and result.ended is not Ended.GONE:
            self._found.failed("get", own.name, result)
            return None
        if found is None or found["metadata"]["uid"] != own.uid:
            self._refs.deleted(own.uid)
            return None
        self._refs.seen(found)
        owner = controller_of(found["metadata"])
        if owner is None or owner.get("uid") != self._owner.uid or own_ref(found).is_deleting:
            return None
        return found


def _looks_again(result: RefResult) -> bool:
    return result.ended in {Ended.MOVED, Ended.GONE}
