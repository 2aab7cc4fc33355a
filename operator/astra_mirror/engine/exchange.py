"""One request and its answer: sends the request, and turns the answer into effects."""

from collections.abc import Iterator
from typing import Final

from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Answer, Failed, Listed
from astra_mirror.engine.connection.queues import ConnectionQueues
from astra_mirror.engine.effects import Pump, Replan, RequestEffect
from astra_mirror.engine.fan_out import known_of
from astra_mirror.engine.hand_outs import HandOut, HeldBack, ListAnswer, ListFailure, SingleAnswer
from astra_mirror.engine.list_canaries import ListCanaries
from astra_mirror.engine.objects import Objects
from astra_mirror.engine.ports import Moment, Remote
from astra_mirror.engine.requests import ListRequest, Poll, Request, SingleRequest

QUIET_SECONDS: Final = 300.0
"""How often at most an unchanged list postpones the polls of objects that did not wait for it.

Most of them are settled, and join a request themselves when they are due soon. To step through thousands of them every
few seconds would be most of the work.
"""
_MAX_QUIET: Final = 10_000
"""How many lists are remembered before those that are due again are forgotten."""


class Exchange:
    """Sends one request, and turns its answer into effects.

    Args:
        remote: Astra Control.
        objects: all objects.
        queues: the connection queues.
        canaries: chooses the canary request after a list failed.
    """

    def __init__(self, remote: Remote, objects: Objects, queues: ConnectionQueues, canaries: ListCanaries) -> None:
        self._remote = remote
        self._objects = objects
        self._queues = queues
        self._canaries = canaries
        self._quiet_until: dict[tuple[Connection, object], float] = {}

    async def ask(self, request: Request) -> Answer | Listed:
        """Send the request, and wait for its answer."""
        connection, namespace = request.connection, request.namespace
        if isinstance(request, ListRequest):
            known = known_of(request, self._objects)
            return await self._remote.list_backups(connection, request.collection, known, namespace=namespace)
        tracked = self._objects.index.get(request.uid)
        digest = tracked.cache.document_digest if tracked is not None else None
        return await self._remote.get_backup(connection, request.document, digest, namespace=namespace)

    def answered(
        self, request: Request, answer: Answer | Listed, *, started: float, moment: Moment
    ) -> Iterator[RequestEffect | HandOut]:
        """The effects of the answer to a request that was sent at `started`, in the order to perform them."""
        connection = request.connection
        queue = self._queues.of(connection)
        asked = request.collection if isinstance(request, ListRequest) else request.document
        queue.reachability.learn(asked, answer, sent=started, now=moment.at)
        yield from queue.answered(request, answer, moment)
        list_digest = answer.digest if isinstance(answer, Listed) else None
        poll = Poll(connection, started, request.draw, list_digest)
        if isinstance(request, ListRequest):
            yield from self._list_answered(request, answer, poll, moment)
            return
        if isinstance(answer, Listed):
            raise TypeError("a list for a single backup")
        # Other requests need not wait until this answer has been fanned out.
        yield Pump(connection)
        yield from self._canaries.single_ended(request, answer)
        yield SingleAnswer(request, answer, poll)

    def held(self, shown: HeldBack) -> Iterator[Replan | HandOut]:
        """What follows when a request is held back: objects that its failure does not affect are replanned."""
        request = shown.request
        if isinstance(request, SingleRequest):
            self._canaries.held(request)
            others = shown.unconcerned(self._objects)
            if others:
                yield Replan(request.connection, others, request.due)
        yield shown

    def _list_answered(
        self, request: ListRequest, answer: Answer | Listed, poll: Poll, moment: Moment
    ) -> Iterator[RequestEffect | HandOut]:
        match answer:
            case Failed():
                # The canary replaces the failed list within the same probe: submit it before any other request starts.
                yield from self._canaries.list_failed(request, answer, started=poll.started, now=moment.at)
                yield Pump(request.connection)
                yield ListFailure(request, answer, poll)
            case Listed():
                yield Pump(request.connection)
                handed = ListAnswer(request, answer, poll, self._is_for_all(request, answer, moment.at))
                yield from handed.learned()
                yield handed
            case _:
                raise TypeError("a single backup for a list")

    def _is_for_all(self, request: ListRequest, answer: Listed, now: float) -> bool:
        """Whether a list is handed out to objects that did not wait for it. One that has not changed seldom is."""
        key = request.connection, request.collection
        if answer.is_unchanged and now < self._quiet_until.get(key, 0.0):
            return False
        if len(self._quiet_until) >= _MAX_QUIET:
            self._quiet_until = {each: until for each, until in self._quiet_until.items() if until > now}
        self._quiet_until[key] = now + QUIET_SECONDS
        return True

    def retain(self, connections: set[Connection]) -> None:
        """Keep only these connections, and the requests that an object still waits for."""
        self._canaries.retain(connections)
        self._quiet_until = {key: at for key, at in self._quiet_until.items() if key[0] in connections}

    def clear(self) -> None:
        """Forget all."""
        self._canaries.clear()
        self._quiet_until.clear()
