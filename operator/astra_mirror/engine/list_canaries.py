"""Decides for the objects of a failed list: they are replanned without it, or one of them is sent as a canary.

A list that fails says nothing about any backup: the request for a single one decides. But a dead server must not cost
one failed request per object.
"""

from astra_mirror.core.canary import Candidate, choose
from astra_mirror.core.connection import Connection
from astra_mirror.core.list_fallback import AfterList, after_list, explains_list_failure
from astra_mirror.core.outcome import Answer, Failed
from astra_mirror.core.request_plan import Attempt
from astra_mirror.engine.effects import AvoidList, Replan, Submit, SuspectList
from astra_mirror.engine.objects import Objects
from astra_mirror.engine.requests import ListRequest, Request, SingleRequest


class ListCanaries:
    """The canary requests after failed lists: at most one at a time for a connection.

    Args:
        objects: all objects, and the requests that they wait for.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._current: dict[Connection, SingleRequest] = {}
        self._attempts: dict[Request, list[Attempt]] = {}
        self._last: dict[Connection, str] = {}

    def list_failed(
        self, request: ListRequest, failure: Failed, *, started: float, now: float
    ) -> list[AvoidList | Replan | Submit]:
        """What follows for the objects of a list that failed; it is the result of those that read the list itself.

        Args:
            request: the list.
            failure: how it failed.
            started: when the request was sent, in monotonic seconds.
            now: when it failed.
        """
        connection, waiting = request.connection, self._objects.alone(self._objects.waiting(request))
        if after_list(failure) is AfterList.AVOID_LIST:
            uids = tuple(each.uid for each in waiting)
            return [AvoidList(connection, request.collection, failure), Replan(connection, uids, request.due)]
        if not waiting:
            return []
        attempt = Attempt(request.collection, started, now, failure)
        canary = self._current.get(connection)
        if canary is not None and canary in self._objects.in_flight:
            self._attempts[canary].append(attempt)
            for each in waiting:
                self._objects.in_flight.wait(each.uid, canary)
            return []
        candidates = [Candidate(each.uid, each.reported.is_observed) for each in waiting]
        uid = self._last[connection] = choose(candidates, self._last.get(connection))
        chosen = next(each for each in waiting if each.uid == uid)
        others = [each for each in waiting if each.uid != uid]
        canary = self._objects.request_for(
            connection, chosen, others=others, due=request.due, draw=request.draw, is_fallback=True
        )
        self._current[connection] = canary
        self._attempts[canary] = [attempt]
        # Other lists may fail like this one, each after its full time-out: the canary starts before them.
        return [Submit(canary, first=True)]

    def held(self, request: Request) -> None:
        """A request is held back: if it is the canary, objects of lists that fail from now on do not wait for it."""
        if self._current.get(request.connection) is request:
            del self._current[request.connection]

    def single_ended(self, request: SingleRequest, answer: Answer) -> list[SuspectList]:
        """Which lists to suspect after their canary request ended."""
        self.held(request)
        attempts = self._attempts.pop(request, [])
        if isinstance(answer, Failed) and explains_list_failure(answer):
            return []
        return [SuspectList(request.connection, each) for each in attempts]

    def retain(self, connections: set[Connection]) -> None:
        """Keep only these connections, and the requests that an object still waits for."""
        wanted = self._objects.in_flight
        self._attempts = {request: kept for request, kept in self._attempts.items() if request in wanted}
        self._last = {connection: uid for connection, uid in self._last.items() if connection in connections}

    def clear(self) -> None:
        """Forget all."""
        self._current.clear()
        self._attempts.clear()
