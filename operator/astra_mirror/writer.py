"""Brings the statuses in the cluster to what they should be: the difference, a few at a time, until it holds.

It works from levels and not from edges: the patch is made when its turn comes, from what is wanted then, so that a slow
API server costs no stale write.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from pydantic import ValidationError

from astra_mirror.cluster.statuses import Conflict, Gone, Refused, Stored
from astra_mirror.core.resource import AppBackupRefStatus
from astra_mirror.core.status import UNSEEN, as_json, merge_patch, stamped
from astra_mirror.metrics import STATUS_PATCHES
from astra_mirror.ref import Ref

CONCURRENCY: Final = 16
_RETRY_SECONDS: Final = 1.0
_MAX_RETRY_SECONDS: Final = 60.0

logger = logging.getLogger(__name__)

Result = Stored | Gone | Conflict | Refused


class StatusAPI(Protocol):
    """What the writer needs of the cluster."""

    async def patch(self, namespace: str, name: str, *, uid: str, version: str, patch: Mapping[str, Any]) -> Result:
        """Patch the status of one version of one object."""

    async def get(self, namespace: str, name: str) -> Result:
        """Read one object."""


def parsed(status: Mapping[str, Any]) -> AppBackupRefStatus:
    """The cluster's status; an empty one where it is not of our making."""
    try:
        return AppBackupRefStatus.model_validate(status)
    except ValidationError:
        return UNSEEN


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
        observe: Callable[[Mapping[str, Any]], None],
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

    def patch_for(self, ref: Ref) -> dict[str, Any]:
        """What would have to be written now; empty when the cluster holds it."""
        return merge_patch(ref.cluster, as_json(stamped(ref.wanted, parsed(ref.cluster), self._utcnow())))

    def submit(self, ref: Ref) -> None:
        """Write `ref`'s status if it differs from the cluster's."""
        if ref not in self._queued and self.patch_for(ref):
            self._queued.add(ref)
            self._queue.put_nowait(ref)

    def drop(self, ref: Ref) -> None:
        """Write nothing more for `ref`."""
        self._queued.discard(ref)
        self._attempts.pop(ref, None)

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
                await self._write(ref)

    async def _write(self, ref: Ref) -> None:
        patch = self.patch_for(ref)
        if not patch:
            return
        result = await self._api.patch(ref.namespace, ref.name, uid=ref.uid, version=ref.version, patch=patch)
        STATUS_PATCHES.labels(type(result).__name__.lower()).inc()
        if isinstance(result, Conflict):
            # The object changed under our feet: look at it, and decide again from what it says now.
            result = await self._api.get(ref.namespace, ref.name)
            self._retry(ref)
        match result:
            case Stored(stored):
                if stored["metadata"]["uid"] == ref.uid:
                    self._observe(stored)
                else:
                    self._gone(ref)
            case Gone():
                self._gone(ref)
            case Refused(reason, final=True):
                # The next poll computes the status anew; until then the same patch would be refused again.
                logger.error("The API server does not accept the status of %s: %s", ref.label, reason)
            case Refused(reason):
                logger.warning("The status of %s could not be written, trying again: %s", ref.label, reason)
                self._retry(ref)
        if isinstance(result, Stored) and not self.patch_for(ref):
            self._attempts.pop(ref, None)

    def _retry(self, ref: Ref) -> None:
        attempt = self._attempts[ref] = self._attempts.get(ref, -1) + 1
        delay = min(_RETRY_SECONDS * 2.0 ** min(attempt, 10), _MAX_RETRY_SECONDS) if attempt else 0.0
        asyncio.get_running_loop().call_later(delay, self._resubmit, ref)

    def _resubmit(self, ref: Ref) -> None:
        if ref in self._attempts:
            self.submit(ref)
