"""One write of one status: the difference, the PATCH, and what its answer says of the object.

What the answer says about the ref's own last status is settled here; the writer decides when the next write is made.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from pydantic_core import from_json

from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.statuses import Conflict, Gone, Refused, Stored
from astra_mirror.core.corrections import Corrections
from astra_mirror.core.diff import Difference, difference, with_earlier_times
from astra_mirror.core.unstored import Unstored
from astra_mirror.metrics import STATUS_PATCHES
from astra_mirror.ref import Ref, status_json

PATCH_SECONDS: Final = 35.0
"""After how long without an answer a PATCH ends."""

logger = logging.getLogger(__name__)


class StatusAPI(Protocol):
    """What the writer needs of the cluster."""

    @property
    def availability(self) -> Availability:
        """Whether the API server is away."""

    async def patch(
        self, namespace: str, name: str, *, uid: str, version: str, patch: Mapping[str, Any]
    ) -> Stored | Gone | Conflict | Refused:
        """Patch the status of one version of one object."""

    async def get(self, namespace: str, name: str, *, uid: str) -> Stored | Gone | Conflict | Refused:
        """Read one object."""


class Observe(Protocol):
    """Takes in an object that the API server returned; `is_own` when it is the answer to a write."""

    def __call__(self, body: Mapping[str, Any], *, is_own: bool) -> None:
        """Take it in."""


@dataclass(frozen=True, slots=True)
class InSync:
    """The actual status is the desired one; `is_write`: because a write was accepted."""

    is_write: bool


@dataclass(frozen=True, slots=True)
class Held:
    """The API server stores something else than it is sent: wait until then. `is_write`: it has just taken one."""

    until: float
    is_write: bool


@dataclass(frozen=True, slots=True)
class Later:
    """What somebody else wrote is put right then."""

    until: float


@dataclass(frozen=True, slots=True)
class Conflicting:
    """The object is another version than the one that was known; it has been read."""


@dataclass(frozen=True, slots=True)
class Removed:
    """The object does not exist any more."""


@dataclass(frozen=True, slots=True)
class Unwritten:
    """The write was refused or got no answer: why, without what is the object's own, and a line for the log."""

    reason: str = ""
    line: str = ""


Result = InSync | Held | Later | Conflicting | Removed | Unwritten


class Writes:
    """Makes writes.

    Args:
        api: the API server's statuses.
        observe: called with each object that the API server returned.
        clock: monotonic seconds.
        utcnow: the wall clock.
    """

    def __init__(
        self,
        api: StatusAPI,
        *,
        observe: Observe,
        clock: Callable[[], float],
        utcnow: Callable[[], datetime],
    ) -> None:
        self._api = api
        self._observe = observe
        self._clock = clock
        self._utcnow = utcnow
        self._corrections: dict[Ref, Corrections] = {}
        self._unstored = Unstored()
        self._limits: set[asyncio.Timeout] = set()

    def forget(self, ref: Ref) -> None:
        """Remember nothing more of `ref`."""
        self._corrections.pop(ref, None)
        self._unstored.forget(ref)

    def give_up(self) -> None:
        """End the calls that are under way: they were made before the API server went away."""
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(asyncio.get_running_loop().time())

    async def write(self, ref: Ref, *, may_correct: bool) -> Result:
        """Write the status of `ref`, if it has to be written now.

        Args:
            ref: the ref.
            may_correct: whether what somebody else has changed may be put right; else it is for later.
        """
        if not ref.has_status:
            # It names another target by now; what it should say then is not known yet, and will be submitted.
            return InSync(is_write=False)
        found = self._difference(ref, may_correct=may_correct)
        if not isinstance(found, Difference):
            return found
        wanted = ref.wanted
        result = await self._patch(ref, found.patch)
        STATUS_PATCHES.labels(type(result).__name__.lower()).inc()
        return self._result(ref, found, wanted, result)

    async def _patch(self, ref: Ref, patch: Mapping[str, Any]) -> Stored | Gone | Conflict | Refused:
        version, limit = ref.version, asyncio.timeout(PATCH_SECONDS)
        self._limits.add(limit)
        try:
            async with limit:
                result = await self._api.patch(ref.namespace, ref.name, uid=ref.uid, version=version, patch=patch)
                if isinstance(result, Conflict) and ref.version == version:
                    return await self._reread(ref)
                return result
        except TimeoutError:
            return Refused(None, "Timeout", f"no response within {PATCH_SECONDS:g}s")
        finally:
            self._limits.discard(limit)

    def _difference(self, ref: Ref, *, may_correct: bool) -> Difference | Result:
        """What has to be written now, or why nothing has."""
        now = self._clock()
        own = from_json(ref.own)
        actual = own if ref.cluster is ref.own else from_json(ref.cluster)
        desired = own if ref.wanted is ref.own else from_json(ref.wanted)
        found = difference(desired, own, actual, self._utcnow())
        if not found.patch:
            ref.own = ref.cluster
            if "target" in actual or "target" not in desired:
                # One text does for all three. A target that an older release has not written is kept in mind.
                ref.wanted = ref.own
            return InSync(is_write=False)
        if not found.is_correction:
            return found
        if "target" in found.status and "target" not in own:
            # An older release has written none. It is worth no write of its own, and comes with the next one.
            own = {**own, "target": found.status["target"]}
            ref.own = status_json(own)
        ref.wanted = ref.own
        until = self._unstored.until(ref, desired=ref.own, actual=ref.cluster, now=now)
        if until is not None:
            return Held(until, is_write=False)
        return self._correction(ref, found, own, actual, now) if may_correct else Later(now)

    def _correction(
        self, ref: Ref, found: Difference, own: Mapping[str, Any], actual: Mapping[str, Any], now: float
    ) -> Difference | Result:
        """What somebody else has changed, when it may be put right now."""
        history = self._corrections.get(ref, Corrections())
        if history.is_slowed(now):
            # Nobody slips so often: it may be another operator, which has seen the same transitions earlier.
            own = with_earlier_times(own, actual)
            found = difference(own, own, actual, self._utcnow())
            ref.wanted = ref.own = status_json(own) if found.patch else ref.cluster
        if not found.patch:
            return InSync(is_write=False)
        due = history.due(now)
        if due > now:
            return Later(due)
        self._corrections[ref] = history.made(now)
        return found

    async def _reread(self, ref: Ref) -> Gone | Conflict | Refused:
        """Look at the object that has changed under our feet; from what it says the difference is taken again."""
        version = ref.version
        result = await self._api.get(ref.namespace, ref.name, uid=ref.uid)
        if isinstance(result, Stored):
            # Where the watch has been faster, this answer is the older one.
            if ref.version == version:
                self._observe(result.object, is_own=False)
            return Conflict()
        return result

    def _result(self, ref: Ref, found: Difference, wanted: bytes, result: Stored | Gone | Conflict | Refused) -> Result:
        match result:
            case Stored(stored):
                return self._stored(ref, found.status, wanted, stored)
            case Gone():
                return Removed()
            case Conflict():
                return Conflicting()
            case Refused() as refused:
                if refused.is_suspicious:
                    self._api.availability.suspect()
                return Unwritten(refused.words.replace(f'"{ref.name}"', ""), refused.words)

    def _stored(self, ref: Ref, sent: Mapping[str, Any], wanted: bytes, stored: Mapping[str, Any]) -> Result:
        self._observe(stored, is_own=True)
        # The watch may have been faster, with what somebody else has written after this.
        is_latest = ref.version == stored["metadata"]["resourceVersion"]
        answer = ref.cluster if is_latest else status_json(stored.get("status"))
        is_exact = stored.get("status") == sent
        ref.own = answer if is_exact else status_json(sent)
        if ref.wanted is wanted:
            ref.wanted = ref.own
        if is_exact:
            self._unstored.forget(ref)
            return InSync(is_write=True)
        fields = self._unstored.news(sent, stored.get("status") or {})
        if fields:
            logger.warning(
                "The API server stores other values than it is sent, of %s to begin with: %s. Is its CRD of another "
                "release, or does a webhook change them?",
                ref.label,
                ", ".join(fields),
                extra={"namespace": ref.namespace},
            )
        until = self._unstored.learn(ref, sent=ref.own, stored=answer, now=self._clock())
        return Held(until, is_write=True)
