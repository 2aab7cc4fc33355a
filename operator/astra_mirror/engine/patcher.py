"""Sends status patches, each with a time-out; abandons those that have hung since the API server went away."""

import asyncio
from typing import Final

from astra_mirror.core.write_results import Conflict, Refused, Stored, WriteResult
from astra_mirror.engine.effects import SendPatch
from astra_mirror.engine.index import Index
from astra_mirror.engine.ports import StatusAPI
from astra_mirror.observability.metrics import STATUS_PATCHES, series

PATCH_SECONDS: Final = 35.0
"""The time-out of a PATCH, and of the read after a conflict, together."""


class Patcher:
    """Sends patches.

    Args:
        api: the statuses on the API server.
        index: the objects.
    """

    def __init__(self, api: StatusAPI, index: Index) -> None:
        self._api = api
        self._index = index
        self._limits: dict[asyncio.Timeout, None] = {}

    async def send(self, patch: SendPatch) -> tuple[WriteResult, Stored | None]:
        """Send a patch.

        Returns:
            The result, and after a conflict the object as it was then read.
        """
        found: Stored | None = None
        limit = asyncio.timeout(PATCH_SECONDS)
        self._limits[limit] = None
        try:
            async with limit:
                result = await self._patch(patch)
                if isinstance(result, Conflict) and self.is_latest(patch):
                    read = await self._read(patch)
                    if isinstance(read, Stored):
                        found = read
                    else:
                        result = read
        except TimeoutError:
            result = Refused(None, "Timeout", f"no response within {PATCH_SECONDS:g}s")
        finally:
            del self._limits[limit]
        series(STATUS_PATCHES, patch.about.kind.label, label_of(result)).inc()
        return result, found

    async def _patch(self, patch: SendPatch) -> WriteResult:
        about = patch.about
        return await self._api.patch(
            about.kind.names, about.namespace, about.name, uid=about.uid, version=patch.version, patch=patch.patch
        )

    async def _read(self, patch: SendPatch) -> WriteResult:
        about = patch.about
        return await self._api.get(about.kind.names, about.namespace, about.name, uid=about.uid)

    def is_latest(self, patch: SendPatch) -> bool:
        """Whether the version that the patch was made for is still the latest known one."""
        tracked = self._index.get(patch.about.uid)
        return tracked is not None and tracked.texts.resource_version == patch.version

    def give_up(self) -> None:
        """Abandon the calls in flight: they began before the API server went away."""
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(asyncio.get_running_loop().time())


def label_of(result: WriteResult) -> str:
    """The value of the metrics' label `result`."""
    match result:
        case Stored():
            return "stored"
        case Conflict():
            return "conflict"
        case Refused():
            return "refused"
        case _:
            return "gone"
