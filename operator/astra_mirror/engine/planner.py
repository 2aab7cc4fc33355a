"""Turns objects that are due into requests: the app's list, the account's list, or one for each backup.

There may be thousands of objects: planning yields at checkpoints, so each object is read again afterwards.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Final

from astra_mirror.core.connection import Connection
from astra_mirror.core.request_plan import Collection, ListOf, Want, plan
from astra_mirror.engine.connection.queue import ConnectionQueue
from astra_mirror.engine.connection.queues import ConnectionQueues
from astra_mirror.engine.effects import Submit
from astra_mirror.engine.objects import Objects, urgency_of
from astra_mirror.engine.ports import Clocks
from astra_mirror.engine.requests import ListRequest
from astra_mirror.engine.state.tracked import Tracked
from astra_mirror.support.time_slices import TimeSlice

_LOOK_AROUND_SECONDS: Final = 5.0
"""How often a whole account is scanned for objects that will be due soon."""
_AT_ONCE: Final = 64
"""How many apps of an account are looked at before the time slice is."""


class Planner:
    """Chooses requests.

    Args:
        objects: all objects.
        queues: the connection queues, with their catalogs of lists and their circuit breakers.
        clocks: the clocks and the random samples.
    """

    def __init__(self, objects: Objects, queues: ConnectionQueues, clocks: Clocks) -> None:
        self._objects = objects
        self._queues = queues
        self._clocks = clocks
        self._looked_around: dict[tuple[Connection, str], float] = {}

    def forget(self) -> None:
        """Forget when each account was last scanned."""
        self._looked_around.clear()

    async def plan(
        self, connection: Connection, due: Mapping[str, float], time_slice: TimeSlice, *, is_fallback: bool = False
    ) -> AsyncIterator[Submit]:
        """The requests for these objects. An object keeps its current request until the new one is submitted.

        Args:
            connection: the Astra Control to call.
            due: the uids, each with the time at which it was due.
            time_slice: the current time slice.
            is_fallback: whether the requests continue polls that other requests have begun.
        """
        now, queue = self._clocks.monotonic(), self._queues.of(connection)
        in_flight = self._objects.in_flight
        before = {uid: in_flight.request_of(uid) for uid in due if self._polled(uid)}
        wants = [want async for want in self._wants(connection, list(before), queue, now, time_slice)]
        draws: defaultdict[Collection, float] = defaultdict(self._clocks.draw)
        for request in plan(wants, queue.catalog, now):
            await time_slice.checkpoint()
            uids = request.keys if isinstance(request, ListOf) else (request.key,)
            # An object may have been deleted, suspended or edited meanwhile, or may wait for another request.
            same = [uid for uid in uids if in_flight.request_of(uid) is before[uid]]
            found = [each for each in map(self._polled, same) if each is not None]
            if isinstance(request, ListOf):
                submit = self._list(connection, request.collection, found, due, is_fallback=is_fallback)
                if submit is not None:
                    yield submit
            elif found:
                [one] = found
                draw = draws[Collection(one.spec.account_id, one.spec.app_id)]
                yield Submit(
                    self._objects.request_for(connection, one, due=due[one.uid], draw=draw, is_fallback=is_fallback)
                )

    def _polled(self, uid: str) -> Tracked | None:
        tracked = self._objects.index.get(uid)
        return tracked if tracked is not None and tracked.desire.is_polled else None

    async def _wants(
        self, connection: Connection, due: Sequence[str], queue: ConnectionQueue, now: float, time_slice: TimeSlice
    ) -> AsyncIterator[Want]:
        apps: dict[Collection, None] = {}
        for uid in due:
            await time_slice.checkpoint()
            tracked = self._objects.index.get(uid)
            if tracked is not None:
                apps[Collection(tracked.spec.account_id, tracked.spec.app_id)] = None
                yield _want(tracked, queue, now, due=True)
        of_due, index = set(due), self._objects.index
        for number, (account, app) in enumerate(self._around(connection, apps, now)):
            if not number % _AT_ONCE:
                await time_slice.checkpoint()
            for uid in index.sharing(account, app, now):
                tracked = index.get(uid)
                if tracked is not None and uid not in of_due and self._may_share(tracked, connection):
                    yield _want(tracked, queue, now, due=False)

    def _list(
        self,
        connection: Connection,
        collection: Collection,
        found: Sequence[Tracked],
        due: Mapping[str, float],
        *,
        is_fallback: bool,
    ) -> Submit | None:
        account, app = collection
        waiting = [each for each in found if each.spec.account_id == account and app in {None, each.spec.app_id}]
        if not waiting:
            return None
        first = min(waiting, key=lambda each: due[each.uid])
        request = ListRequest(
            connection=connection,
            about=first.identity,
            due=due[first.uid],
            urgency=urgency_of(waiting),
            draw=self._clocks.draw(),
            is_fallback=is_fallback,
            is_observed=any(each.reported.is_observed for each in waiting),
            collection=collection,
        )
        for each in waiting:
            self._objects.in_flight.wait(each.uid, request)
        return Submit(request)

    def _around(self, connection: Connection, apps: Iterable[Collection], now: float) -> Iterator[tuple[str, str]]:
        """The same apps, and every few seconds all of their accounts, each with its account."""
        by_account: defaultdict[str, list[str]] = defaultdict(list)
        for account, app in apps:
            by_account[account].append(str(app))
        for account, names in by_account.items():
            everywhere = self._may_look_around(connection, account, now)
            for app in self._objects.index.apps(account) if everywhere else names:
                yield account, app

    def _may_share(self, tracked: Tracked, connection: Connection) -> bool:
        return tracked.polling.last_failure is None and self._objects.is_free(connection, tracked)

    def _may_look_around(self, connection: Connection, account: str, now: float) -> bool:
        key = (connection, account)
        if len(self._objects.index.apps(account)) < 2 or self._looked_around.get(key, now) > now:
            return False
        self._looked_around[key] = now + _LOOK_AROUND_SECONDS
        return True


def _want(tracked: Tracked, queue: ConnectionQueue, now: float, *, due: bool) -> Want:
    spec, cache = tracked.spec, tracked.cache
    account, app, reads = spec.account_id, spec.app_id, spec.reads_list
    in_lists = cache.not_in_lists_until <= now and queue.breakers.apps.of(Collection(account, app)) is None
    return Want(
        tracked.uid,
        account,
        app,
        due=due,
        in_lists=in_lists or reads,
        in_account=cache.is_of_named_app,
        reads_list=reads,
    )
