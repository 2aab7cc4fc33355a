"""Processes the objects that are due, in time slices: each object is read again when it is processed.

Nothing is performed here: each method yields a step for one object after the other, and the requests that follow.
"""

from collections.abc import AsyncIterator, Iterator, Mapping

from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Failed
from astra_mirror.core.schedule import Pace
from astra_mirror.engine import result_handler
from astra_mirror.engine.connection.queues import ConnectionQueues
from astra_mirror.engine.effects import Log, Moved, Pump, StatusMoved, Step, Submit, Wake
from astra_mirror.engine.hand_outs import View, handed
from astra_mirror.engine.intake import expecting
from astra_mirror.engine.next_report import next_report
from astra_mirror.engine.objects import Objects
from astra_mirror.engine.planner import Planner
from astra_mirror.engine.poller import Poller
from astra_mirror.engine.ports import Clocks
from astra_mirror.engine.requests import ListRequest, Poll
from astra_mirror.engine.secret_lines import SecretLines
from astra_mirror.engine.state import polling
from astra_mirror.engine.state.tracked import Tracked
from astra_mirror.support.time_slices import TimeSlice

Groups = dict[tuple[Connection, str], dict[str, float]]


class Rounds:
    """Processes everything that is due in one pass of the poll loop.

    Args:
        objects: all objects.
        poller: the timers of the objects.
        queues: the connection queues.
        planner: chooses requests.
        secret_lines: what the log says of Secrets.
        clocks: the clocks and the random samples.
        pace: the administrator's intervals.
    """

    def __init__(
        self,
        objects: Objects,
        poller: Poller,
        queues: ConnectionQueues,
        planner: Planner,
        secret_lines: SecretLines,
        *,
        clocks: Clocks,
        pace: Pace,
    ) -> None:
        self._objects = objects
        self._poller = poller
        self._queues = queues
        self._planner = planner
        self._secret_lines = secret_lines
        self._clocks = clocks
        self._pace = pace

    # When this process becomes the leader.

    async def begin(self) -> AsyncIterator[Step]:
        """Make every readable object due now, and report InvalidSpec on the others."""
        now, time_slice = self._clocks.monotonic(), TimeSlice()
        self._poller.start(now)
        for uid in [each.uid for each in self._objects.index]:
            await time_slice.checkpoint()
            tracked = self._objects.index.get(uid)
            if tracked is None:
                continue
            if not tracked.desire.is_readable:
                yield next_report(tracked, tracked.polling.last_failure, self._clocks.moment(), self._pace)
                continue
            self._poller.poll_first(uid, now)
            self._poller.stop_expecting(uid)
            started = tracked.but(polling=polling.started_anew(tracked.polling, now))
            yield Step(started, (StatusMoved(uid, Moved.DESIRED), *expecting(tracked)))

    # What is due.

    async def changed_secrets(self) -> AsyncIterator[Step | Log | Wake]:
        """Make the objects whose Secret has changed due now."""
        changed = self._poller.take_changed_secrets()
        if not changed:
            return
        time_slice = TimeSlice()
        for (namespace, name), at in changed.items():
            for line in self._secret_lines.look((namespace, name), self._clocks.monotonic()):
                yield line
            for uid in [each.uid for each in self._objects.index.of_secret(namespace, name)]:
                await time_slice.checkpoint()
                tracked = self._objects.index.get(uid)
                # The object may have been deleted meanwhile, or name another Secret.
                if tracked is not None and tracked.spec.secret_name == name:
                    yield result_handler.secret_changed(tracked, at, self._clocks.monotonic())

    async def expected(self) -> AsyncIterator[Step]:
        """Give a NotObserved status to the unobserved objects that have waited too long for an answer."""
        expected = self._poller.take_expected(self._clocks.monotonic())
        if not expected:
            return
        time_slice = TimeSlice()
        for uid in expected:
            await time_slice.checkpoint()
            tracked = self._objects.index.get(uid)
            if tracked is not None and tracked.desire.is_readable:
                yield result_handler.nothing_known_yet(tracked, self._clocks.moment(), self._pace)

    async def due(self) -> AsyncIterator[Step | Submit | Pump | Log | Wake]:
        """Poll the objects that are due, or update their status without a poll."""
        now, time_slice = self._clocks.monotonic(), TimeSlice()
        due, polls = self._poller.take_due(now), dict[str, float]()
        for uid, since in due.timers.items():
            await time_slice.checkpoint()
            tracked = self._objects.index.get(uid)
            if tracked is None:
                continue
            if tracked.polling.next_poll_at <= now and tracked.desire.is_polled:
                polls[uid] = since
            # An object that still waits after a failure may become stale.
            is_waiting = self._objects.in_flight.request_of(uid) is not None
            if uid not in polls or (is_waiting and tracked.polling.last_failure is not None):
                yield result_handler.settle(tracked, self._clocks.moment(), self._pace, is_waiting=is_waiting)
        for uid, since in due.first.items():
            await time_slice.checkpoint()
            tracked = self._objects.index.get(uid)
            if tracked is None:
                continue
            if tracked.desire.is_polled:
                polls.setdefault(uid, since)
            else:
                yield result_handler.settle(tracked, self._clocks.moment(), self._pace, is_waiting=False)
        async for each in self._polls(polls, time_slice):
            yield each

    async def _polls(
        self, due: Mapping[str, float], time_slice: TimeSlice
    ) -> AsyncIterator[Step | Submit | Pump | Log | Wake]:
        """Poll these objects, each with the time at which it was due."""
        started, groups = self._clocks.monotonic(), Groups()
        for uid, since in due.items():
            await time_slice.checkpoint()
            tracked = self._objects.index.get(uid)
            connection = None if tracked is None else self._objects.connection_of(tracked)
            if tracked is None or connection is None:
                continue
            if isinstance(connection, Connection):
                if not self._is_on_its_way(tracked, connection):
                    groups.setdefault((connection, tracked.spec.account_id), {})[uid] = since
            else:
                for each in self._without_connection(tracked, connection, started):
                    yield each
        async for submit in self._planned(groups, time_slice):
            yield submit

    async def _planned(self, groups: Groups, time_slice: TimeSlice) -> AsyncIterator[Submit | Pump]:
        """The requests for these objects, each with the time at which it was due."""
        # No token is proven on these connections: queue the whole batch before the first request is chosen.
        connections = dict.fromkeys(connection for connection, _ in groups)
        new = [each for each in connections if not self._queues.of(each).breakers.is_proven]
        for connection in new:
            self._queues.of(connection).gather()
        try:
            for (connection, account), uids in groups.items():
                # An object may have been edited meanwhile; then another poll is due for it.
                same = {uid: since for uid, since in uids.items() if self._names(uid, account)}
                async for submit in self._planner.plan(connection, same, time_slice):
                    yield submit
        finally:
            for connection in new:
                self._queues.of(connection).release()
        for connection in new:
            yield Pump(connection)

    def _without_connection(self, tracked: Tracked, failure: Failed, started: float) -> Iterator[Step | Log | Wake]:
        """Apply the failure of the object's Secret."""
        yield from self._secret_lines.look((tracked.namespace, tracked.spec.secret_name), started)
        view = View(self._objects, self._clocks.moment(), self._pace)
        yield handed(tracked, failure, Poll(failure, started, self._clocks.draw()), view)

    def _names(self, uid: str, account: str) -> bool:
        tracked = self._objects.index.get(uid)
        return tracked is not None and tracked.spec.account_id == account

    def _is_on_its_way(self, tracked: Tracked, connection: Connection) -> bool:
        """Whether it waits for a request over this connection that covers the backup that its spec names now."""
        request, spec = self._objects.in_flight.request_of(tracked.uid), tracked.spec
        if request is None or request.connection != connection:
            return False
        if isinstance(request, ListRequest):
            return request.collection.account == spec.account_id and request.collection.app in {None, spec.app_id}
        return request.document == spec.document
