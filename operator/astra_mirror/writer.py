"""Brings the statuses in the cluster to what they should be: the difference, a few at a time, until it holds.

It works from levels and not from edges: the patch is made when its turn comes, from what is wanted then, so that a slow
API server costs no stale write.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from pydantic_core import from_json

from astra_mirror.cluster.statuses import Conflict, Gone, Refused, Stored
from astra_mirror.core.status import merge_patch, stamped
from astra_mirror.metrics import STATUS_PATCHES
from astra_mirror.ref import Ref

CONCURRENCY: Final = 16
_RETRY_SECONDS: Final = 1.0
_MAX_RETRY_SECONDS: Final = 60.0

logger = logging.getLogger(__name__)

Result = Stored | Gone | Conflict | Refused


class Observe(Protocol):
    """Who is told of an object that the API server returned; `listed` as in Mirror.observe."""

    def __call__(self, body: Mapping[str, Any], *, listed: bool) -> None:
        """Take it in."""


class StatusAPI(Protocol):
    """What the writer needs of the cluster."""

    async def patch(self, namespace: str, name: str, *, uid: str, version: str, patch: Mapping[str, Any]) -> Result:
        """Patch the status of one version of one object."""

    async def get(self, namespace: str, name: str, *, uid: str) -> Result:
        """Read one object."""


class Writer:
    """Patches the statuses of refs whose `wanted` differs from their `cluster`.

    Args:
        api: the API server.
        observe: told of each object that the API server returned.
        gone: told of each ref whose object does not exist any more.
        utcnow: the wall clock.
    """

    def __init__(
        self,
        api: StatusAPI,
        *,
        observe: Observe,
        gone: Callable[[Ref], None],
        utcnow: Callable[[], datetime],
    ) -> None:
        self._api = api
        self._observe = observe
        self._gone = gone
        self._utcnow = utcnow
        self._queue: asyncio.Queue[Ref] = asyncio.Queue()
        self._queued: set[Ref] = set()
        self._attempts: dict[Ref, int] = {}
        self._retries: dict[Ref, asyncio.TimerHandle] = {}

    def submit(self, ref: Ref) -> None:
        """Write `ref`'s status if it differs from the cluster's; not before its time when that has failed."""
        if ref.wanted != ref.cluster and ref not in self._queued and ref not in self._retries:
            self._queued.add(ref)
            self._queue.put_nowait(ref)

    def drop(self, ref: Ref) -> None:
        """Write nothing more for `ref`."""
        self._queued.discard(ref)
        self._attempts.pop(ref, None)
        if retry := self._retries.pop(ref, None):
            retry.cancel()

    async def run(self) -> None:
        """Write until cancelled."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(CONCURRENCY):
                workers.create_task(self._work())

    async def _work(self) -> None:
        while True:
            ref = await self._queue.get()
            if ref in self._queued:
                self._queued.discard(ref)
                (defect,) = await asyncio.gather(self._write(ref), return_exceptions=True)
                if defect is not None:
                    # Of ours: it must not end the writing of all others.
                    logger.error("The status of %s could not be written", ref.label, exc_info=defect)
                    self._retry(ref)

    async def _write(self, ref: Ref) -> None:
        if not ref.has_status:
            # It names another target by now; what it should say then is not known yet, and will be submitted.
            return
        cluster, wanted = from_json(ref.cluster), ref.wanted
        status = stamped(from_json(wanted), cluster, self._utcnow())
        patch = merge_patch(cluster, status)
        if not patch:
            # The cluster holds what is wanted: one text does for both.
            ref.wanted = ref.cluster
            self._attempts.pop(ref, None)
            return
        result = await self._api.patch(ref.namespace, ref.name, uid=ref.uid, version=ref.version, patch=patch)
        STATUS_PATCHES.labels(type(result).__name__.lower()).inc()
        conflict = isinstance(result, Conflict)
        if conflict:
            # The object changed under our feet: look at it, and decide again from what it says now.
            result = await self._api.get(ref.namespace, ref.name, uid=ref.uid)
            self._retry(ref)
        match result:
            case Stored(stored):
                if stored["metadata"]["uid"] != ref.uid:
                    self._gone(ref)
                    return
                asked, digest = ref.asked, ref.digest
                self._observe(stored, listed=conflict)
                if stored.get("status") == status and ref.wanted is wanted:
                    ref.wanted = ref.cluster
                    # The document that led to it stays known, unless there was a reason to look at it again.
                    ref.digest = digest if ref.asked == asked else None
                    self._attempts.pop(ref, None)
            case Gone():
                self._gone(ref)
            case Refused(reason, final=True):
                # The next poll computes the status anew; until then the same patch would be refused again.
                ref.digest = None
                logger.error("The API server does not accept the status of %s: %s", ref.label, reason)
            case Refused(reason):
                logger.warning("The status of %s could not be written, trying again: %s", ref.label, reason)
                self._retry(ref)

    def _retry(self, ref: Ref) -> None:
        attempt = self._attempts[ref] = self._attempts.get(ref, -1) + 1
        delay = min(_RETRY_SECONDS * 2.0 ** min(attempt, 10), _MAX_RETRY_SECONDS) if attempt else 0.0
        if pending := self._retries.pop(ref, None):
            pending.cancel()
        self._retries[ref] = asyncio.get_running_loop().call_later(delay, self._resubmit, ref)

    def _resubmit(self, ref: Ref) -> None:
        del self._retries[ref]
        self.submit(ref)
