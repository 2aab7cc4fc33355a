"""The objects, the requests that they wait for, and their connections: the input of decisions about several objects."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Failed
from astra_mirror.core.schedule import urgency
from astra_mirror.engine.in_flight import InFlight
from astra_mirror.engine.index import Index
from astra_mirror.engine.ports import Connections
from astra_mirror.engine.requests import Request, SingleRequest
from astra_mirror.engine.state.tracked import Tracked


@dataclass(frozen=True, slots=True)
class Objects:
    """The state of all objects.

    Attributes:
        index: the objects.
        in_flight: which request each of them waits for.
        connections: the connections that Secrets describe.
    """

    index: Index
    in_flight: InFlight
    connections: Connections

    def connection_of(self, tracked: Tracked) -> Connection | Failed | None:
        """The connection of the object's Secret, or why there is none; None while that is not known."""
        return self.connections.connection(tracked.namespace, tracked.spec.secret_name)

    def is_current(self, connection: Connection | Failed, tracked: Tracked) -> bool:
        """Whether the object is polled over this connection: it is not suspended, and its Secret still describes it."""
        return tracked.desire.is_polled and self.connection_of(tracked) == connection

    def is_free(self, connection: Connection, tracked: Tracked) -> bool:
        """Whether the object is polled over this connection, and waits for no request."""
        return self.in_flight.request_of(tracked.uid) is None and self.is_current(connection, tracked)

    def waits_for(self, uid: str, request: Request) -> bool:
        """Whether the object waits for this request."""
        return self.in_flight.request_of(uid) is request

    def waiting(self, request: Request) -> list[Tracked]:
        """The objects that wait for this request, the longest-waiting first."""
        found = map(self.index.get, self.in_flight.waiting(request))
        return [each for each in found if each is not None]

    def alone(self, those: Iterable[Tracked]) -> list[Tracked]:
        """Those of them whose backup a single GET can read: the others read the list of their app itself."""
        return [each for each in those if not each.spec.reads_list]

    def request_for(
        self,
        connection: Connection,
        tracked: Tracked,
        *,
        due: float,
        draw: float,
        others: Sequence[Tracked] = (),
        is_fallback: bool = True,
    ) -> SingleRequest:
        """A request for the backup of this object, one of `alone`. The object, and `others`, wait for it from now on.

        Args:
            connection: the Astra Control to call.
            tracked: the object.
            due: when it should have been polled, in monotonic seconds.
            draw: the random sample for its next poll.
            others: other objects that wait for the answer.
            is_fallback: whether it continues a poll that another request has begun.
        """
        waiting = [tracked, *others]
        request = SingleRequest(
            connection=connection,
            about=tracked.identity,
            due=due,
            urgency=urgency_of(waiting),
            draw=draw,
            is_fallback=is_fallback,
            is_observed=any(each.reported.is_observed for each in waiting),
            document=tracked.spec.document,
        )
        for each in waiting:
            self.in_flight.wait(each.uid, request)
        return request


def urgency_of(waiting: Iterable[Tracked]) -> float:
    """How many seconds the most urgent of these may be late."""
    return min(urgency(is_observed=each.reported.is_observed, is_at_rest=each.reported.is_at_rest) for each in waiting)
