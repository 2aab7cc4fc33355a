"""Keeps the deadlines of objectives against the wall clock: at each, the list is read once more, ahead of all else.

Until that answer the objective counts as met. If the request is held back, waits its turn for too long, or is not
answered within its time-out, whether it is met is unknown.
"""

import math
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from astra_mirror.core.connection import Connection
from astra_mirror.core.monitor.listing import SECOND, nanoseconds_of
from astra_mirror.core.monitor.memory import Memory
from astra_mirror.core.monitor.report import NoAnswerInTime
from astra_mirror.core.outcome import Failed, Outcome
from astra_mirror.core.request_plan import Collection
from astra_mirror.core.schedule import Pace
from astra_mirror.engine.connection.queues import ConnectionQueues
from astra_mirror.engine.connection.reader_lists import AHEAD
from astra_mirror.engine.effects import CheckAt, Step, Submit
from astra_mirror.engine.monitors.remote import App, ListKeeper
from astra_mirror.engine.next_report import next_report
from astra_mirror.engine.objects import Objects
from astra_mirror.engine.ports import Clocks, Moment
from astra_mirror.engine.requests import ListRequest
from astra_mirror.engine.state import polling
from astra_mirror.engine.state.tracked import Tracked
from astra_mirror.support.time_slices import TimeSlice

MAX_WAIT: Final = 60.0
"""How long after the deadline its request may wait its turn, in seconds."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A deadline that has passed, and since when its request waits, in monotonic seconds."""

    deadline: int
    since: float


class Deadlines:
    """The deadlines of all monitors.

    Args:
        objects: all objects.
        queues: the connection queues, with their circuit breakers.
        lists: Astra Control, with the requests that were sent.
        clocks: the clocks and the random samples.
        pace: the administrator's intervals.

    Attributes:
        wait_ends: when the first wait for an answer ends that is still waited for, in monotonic seconds; infinite
            without one.
    """

    def __init__(
        self, objects: Objects, queues: ConnectionQueues, lists: ListKeeper, clocks: Clocks, pace: Pace
    ) -> None:
        self._objects = objects
        self._queues = queues
        self._lists = lists
        self._clocks = clocks
        self._pace = pace
        self._asked: dict[str, _Asked] = {}
        self.wait_ends = math.inf

    async def passed(self, uids: Sequence[str], time_slice: TimeSlice) -> AsyncIterator[Step | Submit]:
        """What follows for these monitors, whose deadline has passed: a request, or a status without its answer.

        What is known of others is forgotten: they are asked about again when a deadline of theirs passes.
        """
        moment, due = self._clocks.moment(), defaultdict[App, list[Tracked]](list)
        now = nanoseconds_of(moment.utc)
        self._asked = {uid: self._asked[uid] for uid in uids if uid in self._asked}
        self.wait_ends = math.inf
        for uid in uids:
            await time_slice.checkpoint()
            tracked = self._objects.index.get(uid)
            deadline = None if tracked is None else deadline_of(tracked)
            if tracked is None or deadline is None or now <= deadline * SECOND:
                continue
            connection, asked = self._objects.connection_of(tracked), self._asked.get(uid)
            is_held, failure = self._is_held(tracked, connection, moment.at), tracked.polling.last_failure
            if asked is None or asked.deadline != deadline:
                asked = self._asked[uid] = _Asked(deadline, moment.at)
                if isinstance(connection, Connection) and not is_held:
                    due[connection, Collection(tracked.spec.account_id, tracked.spec.app_id)].append(tracked)
            ends = self._ends(tracked, connection, asked)
            if is_held and failure is not None:
                yield self._unknown(tracked, failure, moment)
            elif is_held or moment.at >= ends:
                yield self._unknown(tracked, NoAnswerInTime(), moment)
            else:
                self.wait_ends = min(self.wait_ends, ends)
        for (connection, collection), waiting in due.items():
            # Others have had their turns since: edited, suspended and deleted ones wait for something else, or nothing.
            current = [each for each in waiting if self._is_current(connection, each)]
            if current:
                yield self._submit(connection, collection, current, moment)

    def _is_current(self, connection: Connection, tracked: Tracked) -> bool:
        now = self._objects.index.get(tracked.uid)
        return now is not None and now.spec is tracked.spec and self._objects.is_current(connection, now)

    def _ends(self, tracked: Tracked, connection: Connection | Failed | None, asked: _Asked) -> float:
        """Until when the answer is waited for."""
        app = Collection(tracked.spec.account_id, tracked.spec.app_id)
        # A request that was sent before the deadline decides nothing.
        ends = self._lists.ends((connection, app), asked.since) if isinstance(connection, Connection) else None
        return asked.since + MAX_WAIT if ends is None else ends

    def _is_held(self, tracked: Tracked, connection: Connection | Failed | None, now: float) -> bool:
        """Whether no request can be sent now: for the Secret, a circuit breaker, a pause, or the list's Retry-After."""
        if not isinstance(connection, Connection):
            return connection is not None
        spec, before, queue = tracked.spec, tracked.polling, self._queues.of(connection)
        if before.last_failure is not None and before.last_failure.pause is not None and before.next_poll_at > now:
            return True
        app = Collection(spec.account_id, spec.app_id)
        held = queue.breakers.hold(spec.account_id, None, now) or queue.lists.breakers.hold(spec.account_id, app, now)
        return held is not None

    def _unknown(self, tracked: Tracked, outcome: Outcome, moment: Moment) -> Step:
        return next_report(tracked, outcome, moment, self._pace)

    def _submit(self, connection: Connection, collection: Collection, waiting: list[Tracked], moment: Moment) -> Submit:
        """One request serves all monitors of the app. What they waited for so far was asked for too early."""
        request = ListRequest(
            connection=connection,
            about=waiting[0].identity,
            due=moment.at,
            urgency=AHEAD,
            draw=moment.draw,
            is_fallback=False,
            is_observed=True,
            collection=collection,
        )
        for each in waiting:
            self._objects.in_flight.wait(each.uid, request)
        return Submit(request, first=True)

    def list_is_due(self, app: App) -> tuple[list[Step], bool]:
        """Make the list of an app due now for its monitors; and whether one of them waits for an earlier request."""
        now, steps, is_waiting = self._clocks.monotonic(), list[Step](), False
        connection, (account, name) = app
        for tracked in self._objects.index.readers(account, str(name)):
            if not self._objects.is_current(connection, tracked):
                continue
            if self._objects.in_flight.request_of(tracked.uid) is not None:
                is_waiting = True
                continue
            due = tracked.but(polling=polling.next_at(tracked.polling, now))
            steps.append(Step(due, (CheckAt(tracked.uid, now),)))
        return steps, is_waiting

    def forget(self) -> None:
        """Forget which deadlines were asked about."""
        self._asked.clear()


def deadline_of(tracked: Tracked) -> int | None:
    """The earliest deadline of a monitor that is polled, in seconds since 1970."""
    memory = tracked.reported.memory
    return memory.deadline if isinstance(memory, Memory) and tracked.desire.is_polled else None
