"""Lists all objects of a kind every few minutes and compares them with those that the engine knows.

A watch may lose an event, a wrong response may make the status writer drop an object, and the list with which a watch
starts again does not show what was deleted while it was interrupted.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

from astra_mirror.api.meta import Names
from astra_mirror.cluster.api import Reader
from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.feed import Engine, Feed
from astra_mirror.cluster.object_list import list_pages
from astra_mirror.core.inventory import Entry, ListNotUsableError, missing
from astra_mirror.core.loglines import FailureLog
from astra_mirror.core.write_results import Conflict, Gone, Refused, Stored, WriteResult

PERIOD_SECONDS: Final = 300.0
_CONFIRM_SECONDS: Final = 0.05
"""The time between two GETs that confirm a difference."""

logger = logging.getLogger(__name__)


class Objects(Protocol):
    """Reads single objects, to confirm differences."""

    async def get(self, names: Names, namespace: str, name: str, *, uid: str) -> WriteResult:
        """The object as it is now; Gone also where the name belongs to an object with another uid."""


class PeriodicList:
    """Compares the engine's objects with the API server's, and confirms each difference by a GET before it acts."""

    def __init__(
        self,
        names: Names,
        *,
        api: Reader,
        availability: Availability,
        objects: Objects,
        namespaces: Sequence[str],
        feed: Feed,
        engine: Engine,
    ) -> None:
        self._names = names
        self._api = api
        self._availability = availability
        self._objects = objects
        self._scopes: tuple[str | None, ...] = tuple(namespaces) or (None,)
        self._feed = feed
        self._engine = engine
        self._failure_log = FailureLog()

    async def run(self) -> None:
        """Compare every few minutes, and after each new list of a watch, until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(PERIOD_SECONDS):
                    await self._feed.has_relisted.wait()
            self._feed.has_relisted.clear()
            await self._availability.wait_until_back()
            await self.compare()

    async def compare(self) -> None:
        """List all scopes, and add or drop the objects that differ."""
        exist: set[str] = set()
        for scope in self._scopes:
            try:
                exist |= await self._compare_scope(scope)
            except ListNotUsableError as error:
                self._availability.request_probe()
                if self._failure_log.should_log(str(error)):
                    logger.warning(
                        "%s could not be listed, to compare them with what is known: %s", self._names.several, error
                    )
                return
        self._failure_log.succeeded()
        self._engine.forget_others(exist)

    async def _compare_scope(self, scope: str | None) -> set[str]:
        """Add or drop the objects that differ in one scope; return the uids that exist there."""
        known, uids, differing = self._engine.objects(), set[str](), list[Entry]()
        async for page in list_pages(self._api, self._names, scope):
            uids.update(each.uid for each in page.entries)
            differing += filter(self._is_news, page.entries)
        for uid, (namespace, name) in missing(known, uids, scope).items():
            if self._engine.knows(uid):
                await self._confirm(uid, namespace, name)
        for entry in differing:
            # The watch may have reported it meanwhile.
            if self._is_news(entry):
                await self._confirm(entry.uid, entry.namespace, entry.name)
        return uids

    def _is_news(self, entry: Entry) -> bool:
        if self._engine.is_other_shards(entry.uid, entry.generation):
            return False
        return self._engine.is_news({"uid": entry.uid, "resourceVersion": entry.version})

    async def _confirm(self, uid: str, namespace: str, name: str) -> None:
        await asyncio.sleep(_CONFIRM_SECONDS)
        match await self._objects.get(self._names, namespace, name, uid=uid):
            case Stored(found):
                self._engine.seen(found)
            case Gone():
                self._engine.deleted(uid, namespace)
            case Conflict() | Refused():
                # Not confirmed; the next comparison will find the difference again.
                self._availability.request_probe()
