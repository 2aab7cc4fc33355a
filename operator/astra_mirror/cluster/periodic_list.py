"""Now and then all objects are listed and compared with those that the engine knows, so that nothing stays wrong.

A watch can swallow an event, a wrong answer can make the writer drop an object, and what was deleted while a watch was
interrupted Kopf never reports.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

from astra_mirror.cluster.api import Reader
from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.feed import Engine, Feed
from astra_mirror.cluster.object_list import listed
from astra_mirror.core.inventory import Entry, ListNotUsableError, missing
from astra_mirror.core.loglines import Complaint
from astra_mirror.core.write_results import Conflict, Gone, Refused, Stored, WriteResult

PERIOD_SECONDS: Final = 300.0
_CONFIRM_SECONDS: Final = 0.05
"""From one GET that confirms a difference to the next: 20 a second."""

logger = logging.getLogger(__name__)


class Objects(Protocol):
    """What confirms a difference."""

    async def get(self, namespace: str, name: str, *, uid: str) -> WriteResult:
        """The object as it is now; gone is also one that has another uid."""


class PeriodicList:
    """Compares the engine's objects with the API server's, and confirms each difference before it acts on it."""

    def __init__(
        self,
        *,
        api: Reader,
        availability: Availability,
        objects: Objects,
        namespaces: Sequence[str],
        feed: Feed,
        engine: Engine,
    ) -> None:
        self._api = api
        self._availability = availability
        self._objects = objects
        self._scopes: tuple[str | None, ...] = tuple(namespaces) or (None,)
        self._feed = feed
        self._engine = engine
        self._complaint = Complaint()

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
        """List all scopes, and put right what differs."""
        exist: set[str] = set()
        for scope in self._scopes:
            try:
                exist |= await self._compare_scope(scope)
            except ListNotUsableError as error:
                self._availability.suspect()
                if self._complaint.is_due(str(error)):
                    logger.warning("AppBackupRefs could not be listed, to compare them with what is known: %s", error)
                return
        self._complaint.end()
        self._engine.forget_others(exist)

    async def _compare_scope(self, scope: str | None) -> set[str]:
        """Put right what differs in a scope; the uids that exist there."""
        known, uids, differing = self._engine.objects(), set[str](), list[Entry]()
        async for page in listed(self._api, scope):
            uids.update(each.uid for each in page.entries)
            differing += filter(self._is_news, page.entries)
        for uid, (namespace, name) in missing(known, uids, scope).items():
            if self._engine.knows(uid):
                await self._confirm(uid, namespace, name)
        for entry in differing:
            # The watch may have brought it meanwhile.
            if self._is_news(entry):
                await self._confirm(entry.uid, entry.namespace, entry.name)
        return uids

    def _is_news(self, entry: Entry) -> bool:
        if self._engine.is_other_shards(entry.uid, entry.generation):
            return False
        return self._engine.is_news({"uid": entry.uid, "resourceVersion": entry.version})

    async def _confirm(self, uid: str, namespace: str, name: str) -> None:
        await asyncio.sleep(_CONFIRM_SECONDS)
        match await self._objects.get(namespace, name, uid=uid):
            case Stored(found):
                self._engine.seen(found)
            case Gone():
                self._engine.deleted(uid, namespace)
            case Conflict() | Refused():
                # Not confirmed: the next list is compared as well.
                self._availability.suspect()
