"""What is still to be handed out about requests that are held back: one thing after the other for each connection."""

from collections import deque

from astra_mirror.core.connection import Connection
from astra_mirror.engine.effects import Resume, Show, ShowSlow
from astra_mirror.engine.requests import Request

Item = Show | ShowSlow | Resume


class HandOutQueue:
    """What waits, in the order in which it came about. That answers are slow waits once at most."""

    def __init__(self) -> None:
        self._waiting: dict[Connection, deque[Item]] = {}

    def __contains__(self, connection: object) -> bool:
        """Whether something is being handed out for this connection."""
        return connection in self._waiting

    def put(self, connection: Connection, item: Item) -> bool:
        """Let something wait; whether it is the first, so that somebody has to begin with it."""
        waiting = self._waiting.get(connection)
        if waiting is None:
            self._waiting[connection] = deque([item])
            return True
        if not isinstance(item, ShowSlow) or item not in waiting:
            waiting.append(item)
        return False

    def take(self, connection: Connection) -> Item | None:
        """The next; None when nothing is left, and whoever is next begins anew."""
        waiting = self._waiting.get(connection)
        if waiting:
            return waiting.popleft()
        self._waiting.pop(connection, None)
        return None

    def clear(self) -> None:
        """Hand nothing out any more."""
        self._waiting.clear()


def requests_of(item: Item) -> tuple[Request, ...]:
    """The requests that an item is about: those of which nothing comes when handing it out fails."""
    match item:
        case Show(request):
            return (request,)
        case Resume(requests=requests):
            return requests
        case ShowSlow():
            return ()
