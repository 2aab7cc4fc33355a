"""The queues of all connections that objects use."""

from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field

from astra_mirror.core.circuit import State
from astra_mirror.core.connection import Connection
from astra_mirror.core.reachability import Reach
from astra_mirror.core.request_plan import Collection
from astra_mirror.engine.connection.queue import ConnectionQueue
from astra_mirror.engine.connection.total_rate import TotalRate
from astra_mirror.engine.effects import Defect
from astra_mirror.engine.objects import Objects


@dataclass(frozen=True, slots=True)
class _Usage:
    """The accounts, apps and namespaces of one connection's objects."""

    accounts: set[str] = field(default_factory=set)
    apps: set[Collection] = field(default_factory=set)
    namespaces: set[str] = field(default_factory=set)


class ConnectionQueues:
    """A queue for each connection, created when it is first needed.

    Args:
        objects: all objects, and the requests that they wait for.
    """

    def __init__(self, objects: Objects) -> None:
        self.total = TotalRate()
        self._objects = objects
        self._queues: dict[Connection, ConnectionQueue] = {}

    def of(self, connection: Connection) -> ConnectionQueue:
        """The queue of a connection."""
        queue = self._queues.get(connection)
        if queue is None:
            queue = self._queues[connection] = ConnectionQueue(connection, self.total, self._objects)
        return queue

    def __contains__(self, connection: Connection) -> bool:
        return connection in self._queues

    def _in_use(self) -> Iterator[ConnectionQueue]:
        """The queues whose connection a Secret still describes; `drop_unused` will drop the others."""
        connections = self._objects.connections
        used = {connections.connection(*each) for each in self._objects.index.secrets()}
        return (queue for connection, queue in self._queues.items() if connection in used)

    def open_breakers(self) -> int:
        """How many circuit breakers hold requests back."""
        return sum(queue.breakers.open_breakers + queue.lists.breakers.open_breakers for queue in self._in_use())

    def states(self, now: float) -> Mapping[State, int]:
        """How many connections are in each state."""
        return Counter(queue.lists.state(queue.breakers.state(now), now) for queue in self._in_use())

    def reachability(self, now: float) -> Mapping[Reach, int]:
        """On how many connections Astra Control answers, and on how many not."""
        known = (queue.reachability.at(now) for queue in self._in_use())
        return Counter(each for each in known if each is not None)

    def drop_unused(self, busy: Container[Connection]) -> tuple[set[Connection], list[Defect]]:
        """Drop the queues of connections, and the breakers of apps, that no object uses.

        Args:
            busy: the connections for which a report is still being fanned out.

        Returns:
            The connections that remain, and a `Defect` for each held request that was dropped.
        """
        used, lost = self._usage(), list[Defect]()
        for connection, queue in list(self._queues.items()):
            usage = used.get(connection, _Usage())
            queue.retain(usage.accounts, usage.apps, usage.namespaces)
            if connection not in used and queue.is_idle and connection not in busy:
                del self._queues[connection]
                lost += [Defect(each) for each in queue.close()]
        return set(self._queues) | set(used), lost

    def _usage(self) -> Mapping[Connection, _Usage]:
        """Each connection that an object uses, with the accounts, apps and namespaces of those objects."""
        used: defaultdict[Connection, _Usage] = defaultdict(_Usage)
        for tracked in self._objects.index:
            connection = self._objects.connection_of(tracked) if tracked.desire.is_readable else None
            if isinstance(connection, Connection):
                usage = used[connection]
                usage.accounts.add(tracked.spec.account_id)
                usage.apps.add(Collection(tracked.spec.account_id, tracked.spec.app_id))
                usage.namespaces.add(tracked.namespace)
        return used

    def clear(self) -> None:
        """Drop all queues."""
        for queue in self._queues.values():
            queue.close()
        self._queues.clear()
