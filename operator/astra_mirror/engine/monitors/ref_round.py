"""One round of writes for the refs of one monitor: what the plan asks for, one call after the other.

Each ref is read before it is repaired or removed, because the watch does not report every version of it. Whatever has
changed meanwhile is looked at again in the same round, a few times at most.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from astra_mirror.core.monitor.listing import ListRead
from astra_mirror.core.monitor.ref_plan import Context, Plan, may_remove
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
from astra_mirror.engine.monitors.attempts import Attempts
from astra_mirror.engine.monitors.ports import RefAPI
from astra_mirror.engine.monitors.watching import OwnRefs
from astra_mirror.engine.ports import Clocks

_LOOKS: Final = 3
"""How often a ref that moves is looked at in one round."""
_RESOURCE: Final = "appbackuprefs"


class NamespaceIsTerminatingError(Exception):
    """The namespace is being deleted: nothing is written or reported any more."""


class RefRound:
    """One round.

    Args:
        api: the refs on the API server.
        owner: the monitor.
        context: what decides about its refs.
        read: the list that the round is for.
        refs: the own refs of all monitors.
        attempts: what is remembered of earlier rounds.
        clocks: the clocks.

    Attributes:
        problems: what is not as it should be, when the round has ended.
        is_to_be_repeated: whether another round soon may do better: the API server was away, or a ref kept moving.
    """

    def __init__(
        self,
        api: RefAPI,
        owner: Owner,
        context: Context,
        read: ListRead,
        *,
        refs: OwnRefs,
        attempts: Attempts,
        clocks: Clocks,
    ) -> None:
        self.problems: list[Problem] = []
        self.is_to_be_repeated = False
        self._is_away = False
        self._api = api
        self._owner = owner
        self._context = context
        self._read = read
        self._refs = refs
        self._attempts = attempts
        self._clocks = clocks

    async def perform(self, plan: Plan) -> AsyncIterator[None]:
        """Do what the plan asks for; yields before each write.

        Raises:
            NamespaceIsTerminatingError: the namespace is being deleted.
        """
        for wanted in plan.make:
            async for _ in self._create(wanted):
                yield
        for own, wanted in plan.repair:
            async for _ in self._repair(own, wanted):
                yield
        for own in plan.remove:
            async for _ in self._remove(own):
                yield

    # Make.

    async def _create(self, wanted: WantedRef) -> AsyncIterator[None]:
        if self._is_held("create", wanted.name):
            return
        now = self._clocks.monotonic()
        if not self._attempts.may_make(self._owner.uid, wanted.backup_id, self._read, now):
            self.problems.append(Problem(Trouble.PENDING, f"{wanted.name} was deleted several times."))
            return
        yield
        result = await self._api.create(self._owner.namespace, body_of(self._owner, wanted))
        if result.ended is Ended.EXISTS:
            await self._exists(wanted)
        elif result.ended is Ended.DONE and result.object is not None:
            self._attempts.made(self._owner.uid, wanted.backup_id, self._read, now)
            self._refs.seen(result.object)
        else:
            self._failed("create", wanted.name, result)

    async def _exists(self, wanted: WantedRef) -> None:
        """The name is taken: by an own ref that the watch has not reported yet, or by somebody else's."""
        result = await self._api.get(self._owner.namespace, wanted.name)
        if result.object is None:
            self._failed("get", wanted.name, result)
            return
        metadata = result.object["metadata"]
        owner = controller_of(metadata)
        if owner is not None and owner.get("uid") == self._owner.uid:
            self._refs.seen(result.object)
            if own_ref(result.object).backup_id != wanted.backup_id:
                self._conflict(wanted, "is the ref of another backup of this monitor")
        elif metadata.get("deletionTimestamp") is not None:
            self.problems.append(still_being_deleted(wanted.name))
            self.is_to_be_repeated = True
        elif owner is not None and is_monitor(owner) and owner.get("name") == self._owner.name:
            self.problems.append(Problem(Trouble.PENDING, f"{wanted.name} belongs to a deleted monitor of this name."))
            self.is_to_be_repeated = True
        else:
            self._conflict(wanted, whose(owner))

    def _conflict(self, wanted: WantedRef, whose: str) -> None:
        problem = Problem(Trouble.CONFLICT, f"{wanted.name} {whose}.")
        self._remember("create", wanted.name, problem)

    # Repair and remove.

    async def _repair(self, own: OwnRef, wanted: WantedRef) -> AsyncIterator[None]:
        if self._is_held("patch", own.name):
            return
        for _ in range(_LOOKS):
            fresh = await self._fresh(own)
            patch = {} if fresh is None else repair_of(own_ref(fresh), wanted)
            if fresh is None or not patch:
                return
            yield
            version = fresh["metadata"]["resourceVersion"]
            result = await self._api.patch(self._owner.namespace, own.name, uid=own.uid, version=version, patch=patch)
            if result.object is not None:
                self._refs.seen(result.object)
            if not self._looks_again(result):
                self._failed("patch", own.name, result)
                return
        self._keeps_moving(own)

    async def _remove(self, own: OwnRef) -> AsyncIterator[None]:
        if self._is_held("delete", own.name):
            return
        for _ in range(_LOOKS):
            fresh = await self._fresh(own)
            if fresh is None:
                return
            if not may_remove(self._context, own_ref(fresh), fresh.get("status"), self._clocks.utcnow()):
                self.problems.append(Problem(Trouble.PENDING, f"{own.name} should go, and its backup is under way."))
                return
            yield
            version = fresh["metadata"]["resourceVersion"]
            result = await self._api.delete(self._owner.namespace, own.name, uid=own.uid, version=version)
            if result.object is not None:
                # It waits for a finalizer.
                self._refs.seen(result.object)
            elif result.ended is Ended.DONE:
                self._refs.deleted(own.uid)
            if not self._looks_again(result):
                self._failed("delete", own.name, result)
                return
        self._keeps_moving(own)

    async def _fresh(self, own: OwnRef) -> Mapping[str, Any] | None:
        """The ref as it is now; None if it is none of this monitor's any more, or cannot be read."""
        result = await self._api.get(self._owner.namespace, own.name)
        found = result.object
        if found is None and result.ended is not Ended.GONE:
            self._failed("get", own.name, result)
            return None
        if found is None or found["metadata"]["uid"] != own.uid:
            self._refs.deleted(own.uid)
            return None
        self._refs.seen(found)
        owner = controller_of(found["metadata"])
        if owner is None or owner.get("uid") != self._owner.uid or own_ref(found).is_deleting:
            return None
        return found

    def _looks_again(self, result: RefResult) -> bool:
        return result.ended in {Ended.MOVED, Ended.GONE}

    def _keeps_moving(self, own: OwnRef) -> None:
        self.is_to_be_repeated = True
        self.problems.append(Problem(Trouble.PENDING, f"{own.name} changes all the time."))

    # Results.

    def _is_held(self, verb: str, name: str) -> bool:
        """Whether this write is not tried, because it was not allowed lately, or the API server is away."""
        if self._is_away:
            self.problems.append(Problem(Trouble.PENDING))
            return True
        now = self._clocks.monotonic()
        for key in ((self._owner.uid, verb, ""), (self._owner.uid, verb, name)):
            problem = self._attempts.problem(key, self._read, now)
            if problem is not None:
                self.problems.append(problem)
                return True
        return False

    def _failed(self, verb: str, name: str, result: RefResult) -> None:
        match result.ended:
            case Ended.TERMINATING:
                raise NamespaceIsTerminatingError
            case Ended.FORBIDDEN:
                text = f"The operator's role does not allow it to {verb} {_RESOURCE}."
                self._remember(verb, "", Problem(Trouble.FORBIDDEN, text))
            case Ended.REFUSED:
                self._remember(verb, name, Problem(Trouble.REFUSED, result.message))
            case Ended.DONE:
                return
            case _:
                self._is_away = result.ended is Ended.AWAY
                self.is_to_be_repeated = True
                self.problems.append(Problem(Trouble.PENDING))

    def _remember(self, verb: str, name: str, problem: Problem) -> None:
        key = self._owner.uid, verb, name
        self.problems.append(self._attempts.failed(key, self._read, self._clocks.monotonic(), problem))


def still_being_deleted(name: str) -> Problem:
    """A ref waits for a finalizer."""
    return Problem(Trouble.PENDING, f"{name} is still being deleted.")
