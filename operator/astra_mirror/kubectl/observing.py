"""Lists and watches the objects of a query, for as long as a command runs.

A watch that ends goes on where it was. After a failure it is tried again; if the API server has forgotten where the
watch was, all objects are listed anew.
"""

import asyncio
import time
from asyncio import FIRST_COMPLETED
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import aclosing, asynccontextmanager
from http import HTTPStatus
from typing import Final

from astra_mirror.kubectl.api import Api, Json, WatchEvent
from astra_mirror.kubectl.core.names import Key
from astra_mirror.kubectl.core.observed import Changed, Left, Lost, Observation, Query, Reached
from astra_mirror.kubectl.core.seen import read
from astra_mirror.kubectl.errors import ApiError

Inbox = asyncio.Queue[Observation]
_FIRST_DELAY: Final = 0.5
_LONGEST_DELAY: Final = 5.0


class Observer:
    """Reports to an inbox what becomes of the objects of a query."""

    def __init__(self, api: Api, query: Query, inbox: Inbox) -> None:
        self._api, self._query, self._inbox = api, query, inbox
        self._uids: dict[Key, str] = {}
        self._version = ""
        self._delay = _FIRST_DELAY

    async def run(self) -> None:
        """Report until cancelled.

        Raises:
            ApiError: the API server cannot make sense of the query; asking again would not help.
        """
        while True:
            began = time.monotonic()
            try:
                if not self._version:
                    await self._list()
                await self._watch()
            except ApiError as error:
                if error.has_expired:
                    self._version = ""
                    await asyncio.sleep(_FIRST_DELAY)
                    continue
                if error.code == HTTPStatus.BAD_REQUEST:
                    raise
                if error.is_not_found:
                    self._version = ""
                self._inbox.put_nowait(Lost(self._query, str(error)))
                await asyncio.sleep(self._delay)
                self._delay = min(self._delay * 2, _LONGEST_DELAY)
                continue
            if time.monotonic() - began < _FIRST_DELAY:
                # A watch that ends at once, time and again, must not become a storm of requests.
                await asyncio.sleep(_FIRST_DELAY)

    async def _list(self) -> None:
        found, version = await self._api.list_objects(self._query)
        for each in found:
            self._change(each)
        present = {read(self._query.kind, each).key for each in found}
        for key in [key for key in self._uids if key not in present]:
            await self._leave(key)
        self._reach()
        self._version = version

    async def _watch(self) -> None:
        async with aclosing(self._api.watch(self._query, self._version)) as events:
            async for event in events:
                if event is None:
                    self._reach()
                else:
                    await self._take(event)
                    self._version = event.version or self._version

    async def _take(self, event: WatchEvent) -> None:
        key = read(self._query.kind, event.found).key
        if event.kind == "DELETED" and key in self._uids:
            await self._leave(key)
        elif event.kind in {"ADDED", "MODIFIED"}:
            self._change(event.found)

    def _change(self, found: Json) -> None:
        seen = read(self._query.kind, found)
        if self._query.covers(seen.key):
            self._uids[seen.key] = seen.uid
            self._inbox.put_nowait(Changed(self._query, seen))

    async def _leave(self, key: Key) -> None:
        """An object is not among those of the query any more: by its deletion, unless it has only lost a label."""
        # It stays known until that is found out: if the API server does not say, the watch begins again before this.
        is_deleted = not self._query.selector or await self._is_deleted(key, self._uids[key])
        del self._uids[key]
        self._inbox.put_nowait(Left(self._query, key, is_deleted))

    async def _is_deleted(self, key: Key, uid: str) -> bool:
        try:
            return read(key.kind, await self._api.get_object(key)).uid != uid
        except ApiError as error:
            if error.is_not_found:
                return True
            raise

    def _reach(self) -> None:
        self._delay = _FIRST_DELAY
        self._inbox.put_nowait(Reached(self._query))


class Observations:
    """What the observers of some queries report, as they report it. Made by `observing`."""

    def __init__(self, api: Api, queries: Iterable[Query]) -> None:
        self._inbox: Inbox = asyncio.Queue()
        self._tasks = [asyncio.create_task(Observer(api, each, self._inbox).run()) for each in queries]

    async def next(self, until: float | None) -> list[Observation]:
        """All that has been reported, at least one, unless `until` passes first, in monotonic seconds.

        Raises:
            ApiError: an observer has ended by it.
        """
        if self._inbox.empty():
            seconds = None if until is None else max(until - time.monotonic(), 0.0)
            getting = asyncio.create_task(self._inbox.get())
            done, _ = await asyncio.wait({getting, *self._tasks}, timeout=seconds, return_when=FIRST_COMPLETED)
            for ended in done - {getting}:
                # An observer ends by an error alone.
                ended.result()
            if getting not in done:
                getting.cancel()
                return []
            return [getting.result(), *self._waiting()]
        return list(self._waiting())

    async def close(self) -> None:
        """End the observers."""
        for each in self._tasks:
            each.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _waiting(self) -> Iterator[Observation]:
        while not self._inbox.empty():
            yield self._inbox.get_nowait()


@asynccontextmanager
async def observing(api: Api, queries: Iterable[Query]) -> AsyncIterator[Observations]:
    """Observe the objects of some queries."""
    observations = Observations(api, queries)
    try:
        yield observations
    finally:
        await observations.close()
