"""Plans the requests for refs that are due, and puts them into the lanes of their connections.

There may be thousands of refs: others have their turn in between, and each ref is looked at anew after it.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from astra_mirror.core.connection import Connection
from astra_mirror.core.request_plan import Attempt, Collection, ListOf, Want, plan
from astra_mirror.core.schedule import is_due_soon, urgency
from astra_mirror.engine.connection.queue import Lane
from astra_mirror.engine.connection.total_rate import TotalRate
from astra_mirror.engine.connection_requests import LaneRequests, Usage, usage_of
from astra_mirror.engine.index import Refs
from astra_mirror.engine.ref import Ref
from astra_mirror.engine.requests import Listener, ListRead, Reader, Secrets, SingleRead, connection_of
from astra_mirror.support.time_slices import TimeSlice

_LOOK_AROUND_SECONDS: Final = 5.0
"""How often the refs of a whole account are looked at for such as will be due soon."""


class Planner:
    """The lanes, and what is put into them.

    Args:
        reader: makes the requests, and takes their ends.
        secrets: where connections come from.
        refs: all refs.
        listener: handles the ends of polls.
        clock: monotonic seconds.
        draw: a number from 0 to 1, by chance.
    """

    def __init__(
        self,
        *,
        reader: Reader,
        secrets: Secrets,
        refs: Refs,
        listener: Listener,
        clock: Callable[[], float],
        draw: Callable[[], float],
    ) -> None:
        self._reader = reader
        self._secrets = secrets
        self._refs = refs
        self._listener = listener
        self._clock = clock
        self._draw = draw
        self._total = TotalRate(clock)
        self._lanes: dict[Connection, Lane] = {}
        self._looked_around: dict[tuple[Connection, str], float] = {}

    def lane(self, connection: Connection) -> Lane:
        """The lane of a connection."""
        lane = self._lanes.get(connection)
        if lane is None:
            requests = LaneRequests(
                connection,
                self._refs,
                self._secrets,
                single=lambda ref: self._single(connection, [ref], self._clock(), self._draw(), is_fallback=True),
                plan=lambda refs, time_slice: self.submit(connection, dict.fromkeys(refs, self._clock()), time_slice),
            )
            lane = self._lanes[connection] = Lane(self._clock, self._total, requests)
        return lane

    def lanes_in_use(self) -> Iterator[Lane]:
        """The lanes whose connection is still a Secret's: the others are dropped before long."""
        secrets = {(ref.namespace, ref.spec.secret_ref.name) for ref in self._refs}
        used = {self._secrets.connection(*each) for each in secrets}
        return (lane for connection, lane in self._lanes.items() if connection in used)

    async def close(self) -> None:
        """End every request."""
        # What ends meanwhile must find its lane closed, instead of making another one.
        await asyncio.gather(*(lane.close() for lane in self._lanes.values()))
        self._lanes.clear()
        for ref in self._refs:
            ref.reading = None

    def drop_unused(self) -> set[Connection]:
        """Forget the lanes of connections, and the breakers of apps, that no ref uses; the connections still there."""
        used = usage_of(self._refs, self._secrets)
        for connection, lane in list(self._lanes.items()):
            usage = used.get(connection, Usage())
            lane.retain(usage.accounts, usage.apps, usage.namespaces)
            if connection not in used and lane.idle:
                lane.stop()
                del self._lanes[connection]
        self._looked_around.clear()
        return set(self._lanes) | set(used)

    async def submit_groups(
        self, groups: Mapping[tuple[Connection, str], Mapping[Ref, float]], time_slice: TimeSlice
    ) -> None:
        """Ask for refs by connection and account, each with the time at which it was due."""
        # Nothing is proven of these yet: who goes first is chosen among all.
        new = [lane for each, _ in groups if not (lane := self.lane(each)).breakers.is_proven]
        for lane in new:
            lane.gather()
        try:
            for (connection, account), refs in groups.items():
                # Meanwhile one may have been edited, for which another poll is due.
                due = {ref: since for ref, since in refs.items() if ref.spec.account_id == account}
                await self.submit(connection, due, time_slice)
        finally:
            for lane in new:
                lane.start()

    async def submit(
        self, connection: Connection, due: Mapping[Ref, float], time_slice: TimeSlice, *, is_fallback: bool = False
    ) -> None:
        """Ask for these refs; those that wait for another request do so until they have a new one."""
        now = self._clock()
        lane = self.lane(connection)
        before = {ref: ref.reading for ref in due if self._is_polled(ref)}
        wants = [want async for want in self._wants(connection, before, lane, now, time_slice)]
        by_uid = {ref.uid: ref for ref in before}
        draws: defaultdict[Collection, float] = defaultdict(self._draw)
        for request in plan(wants, lane.catalog, now):
            await time_slice.checkpoint()
            keys = request.keys if isinstance(request, ListOf) else (request.key,)
            # Meanwhile one may have been deleted, suspended or edited, or have found another request.
            refs = [ref for uid in keys if self._is_polled(ref := by_uid[uid]) and ref.reading is before[ref]]
            if isinstance(request, ListOf):
                self._submit_list(connection, request.collection, refs, due, is_fallback=is_fallback)
            elif refs:
                draw = draws[Collection(refs[0].spec.account_id, refs[0].spec.app_id)]
                self.submit_single(connection, refs, due[refs[0]], draw, is_fallback=is_fallback)

    def _is_polled(self, ref: Ref) -> bool:
        return self._refs.get(ref.uid) is ref and not ref.spec.suspend

    async def _wants(
        self, connection: Connection, due: Mapping[Ref, object], lane: Lane, now: float, time_slice: TimeSlice
    ) -> AsyncIterator[Want]:
        for ref in due:
            await time_slice.checkpoint()
            yield _want(ref, lane, now, due=True)
        for ref in self._around(connection, due, now):
            await time_slice.checkpoint()
            if self._is_due_soon(ref, connection, now) and ref not in due:
                yield _want(ref, lane, now, due=False)

    def _submit_list(
        self,
        connection: Connection,
        collection: Collection,
        refs: Sequence[Ref],
        due: Mapping[Ref, float],
        *,
        is_fallback: bool,
    ) -> None:
        account, app = collection
        refs = [each for each in refs if each.spec.account_id == account and app in {None, each.spec.app_id}]
        if not refs:
            return
        first = min(refs, key=due.__getitem__)
        read = ListRead(
            self._reader,
            self._listener,
            connection,
            refs,
            first.namespace,
            due[first],
            min(map(_urgency, refs)),
            self._draw(),
            is_fallback,
            collection,
        )
        for ref in refs:
            ref.reading = read
        self.lane(connection).submit(read)

    def submit_single(
        self,
        connection: Connection,
        refs: Sequence[Ref],
        due: float,
        draw: float,
        *,
        is_fallback: bool,
        instead_of: Attempt | None = None,
    ) -> SingleRead:
        """Ask for the backup of the first of `refs`, whose answer the others wait for.

        Args:
            connection: whom to ask.
            refs: one at least.
            due: when it should have started, in monotonic seconds.
            draw: the draw for the next poll.
            is_fallback: whether it goes on with a poll that another request has begun.
            instead_of: the list that has failed, for which it finds out; it goes before all that waits then.
        """
        read = self._single(connection, refs, due, draw, is_fallback=is_fallback)
        if instead_of is not None:
            read.instead_of.append(instead_of)
        # Other lists may fail as the one did, each after its whole time-out: they can wait until this is known.
        self.lane(connection).submit(read, first=instead_of is not None)
        return read

    def _single(
        self, connection: Connection, refs: Sequence[Ref], due: float, draw: float, *, is_fallback: bool
    ) -> SingleRead:
        first, urgency_ = refs[0], min(map(_urgency, refs))
        read = SingleRead(
            self._reader,
            self._listener,
            connection,
            refs,
            first.namespace,
            due,
            urgency_,
            draw,
            is_fallback,
            first.spec,
        )
        for ref in refs:
            ref.reading = read
        return read

    def _around(self, connection: Connection, due: Iterable[Ref], now: float) -> Iterator[Ref]:
        """The refs of the same apps, and now and then of the whole accounts."""
        # In their order, which is the same in each process: a set's is not.
        apps = dict.fromkeys((ref.spec.account_id, ref.spec.app_id) for ref in due)
        for account in dict.fromkeys(account for account, _ in apps):
            if self._may_look_around(connection, account, now):
                yield from self._refs.of_account(account)
            else:
                yield from (ref for each, app in apps if each == account for ref in self._refs.of_app(account, app))

    def _is_due_soon(self, ref: Ref, connection: Connection, now: float) -> bool:
        is_free = ref.failure is None and ref.reading is None and not ref.spec.suspend
        return (
            is_free
            and is_due_soon(ref.next_poll, ref.interval, now)
            and connection_of(ref, self._secrets) == connection
        )

    def _may_look_around(self, connection: Connection, account: str, now: float) -> bool:
        key = (connection, account)
        if self._refs.apps(account) < 2 or self._looked_around.get(key, now) > now:
            return False
        self._looked_around[key] = now + _LOOK_AROUND_SECONDS
        return True


def _want(ref: Ref, lane: Lane, now: float, *, due: bool) -> Want:
    account, app = ref.spec.account_id, ref.spec.app_id
    in_lists = ref.unlisted_until <= now and not lane.breakers.is_forbidden(Collection(account, app))
    return Want(ref.uid, account, app, due=due, in_lists=in_lists, in_account=ref.is_of_app)


def _urgency(ref: Ref) -> float:
    return urgency(is_observed=ref.is_observed, is_at_rest=ref.is_at_rest)
