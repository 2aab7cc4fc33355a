"""One request and its answer: what is asked, and what follows from the answer for all whom it concerns."""

from collections.abc import Iterator

from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Answer, Failed, Listed
from astra_mirror.engine.connection.queues import ConnectionQueues
from astra_mirror.engine.effects import Pump, Replan, RequestEffect
from astra_mirror.engine.fan_out import known_of
from astra_mirror.engine.hand_outs import HandOut, HeldBack, ListAnswer, SingleAnswer
from astra_mirror.engine.list_canaries import ListCanaries
from astra_mirror.engine.objects import Objects
from astra_mirror.engine.ports import Moment, Remote
from astra_mirror.engine.requests import ListRequest, Request, Round, SingleRequest


class Exchange:
    """Asks, and says what follows.

    Args:
        remote: Astra Control.
        objects: all objects.
        queues: the connections' requests.
        canaries: who goes ahead where lists fail.
    """

    def __init__(self, remote: Remote, objects: Objects, queues: ConnectionQueues, canaries: ListCanaries) -> None:
        self._remote = remote
        self._objects = objects
        self._queues = queues
        self._canaries = canaries

    async def ask(self, request: Request) -> Answer | Listed:
        """Make the request."""
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
        """What follows from the answer to a request that was sent at `started`, in this order."""
        connection = request.connection
        yield from self._queues.of(connection).answered(request, answer, moment)
        round_ = Round(connection, started, request.draw)
        if isinstance(request, ListRequest):
            yield from self._list_answered(request, answer, round_, moment)
            return
        if isinstance(answer, Listed):
            raise TypeError("a list for a single backup")
        # The others need not wait until this answer has been handed out.
        yield Pump(connection)
        yield from self._canaries.single_ended(request, answer)
        yield SingleAnswer(request, answer, round_)

    def held(self, shown: HeldBack) -> Iterator[Replan | HandOut]:
        """What follows from a request's being held back: those whom the failure does not concern are planned anew."""
        request = shown.request
        if isinstance(request, SingleRequest):
            self._canaries.held(request)
            others = shown.unconcerned(self._objects)
            if others:
                yield Replan(request.connection, others, request.due)
        yield shown

    def _list_answered(
        self, request: ListRequest, answer: Answer | Listed, round_: Round, moment: Moment
    ) -> Iterator[RequestEffect | HandOut]:
        match answer:
            case Failed():
                # The single request that goes in place of the list is part of the same probe: nobody goes before it.
                yield from self._canaries.list_failed(request, answer, started=round_.started, now=moment.at)
                yield Pump(request.connection)
            case Listed():
                yield Pump(request.connection)
                handed = ListAnswer(request, answer, round_)
                yield from handed.learned()
                yield handed
            case _:
                raise TypeError("a single backup for a list")

    def retain(self, connections: set[Connection]) -> None:
        """Forget what concerns other connections, and what nobody waits for any more."""
        self._canaries.retain(connections)

    def clear(self) -> None:
        """Forget all."""
        self._canaries.clear()
