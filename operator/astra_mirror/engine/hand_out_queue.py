"""Reports about held-back, slow and released requests: a queue for each connection, fanned out one at a time."""

from collections import deque

from astra_mirror.core.connection import Connection
from astra_mirror.engine.effects import Resume, Show, ShowSlow
from astra_mirror.engine.requests import Request

Item = Show | ShowSlow | Resume


class HandOutQueue:
    """Pending reports in arrival order. `ShowSlow` is queued at most once."""

    def __init__(self) -> None:
        self._waiting: dict[Connection, deque[Item]] = {}

    def __contains__(self, connection: object) -> bool:
        """Whether a report is being fanned out for this connection."""
        return connection in self._waiting

    def put(self, connection: Connection, item: Item) -> bool:
        """Queue an item. Returns True if none was being fanned out, so that the caller has to start."""
        waiting = self._waiting.get(connection)
        if waiting is None:
            self._waiting[connection] = deque([item])
            return True
        if not isinstance(item, ShowSlow) or item not in waiting:
            waiting.append(item)
        return False

    def take(self, connection: Connection) -> Item | None:
        """The next item. None if none is left; then the next `put` returns True."""
        waiting = self._waiting.get(connection)
        if waiting:
            return waiting.popleft()
        self._waiting.pop(connection, None)
        return None

    def clear(self) -> None:
        """Drop all items."""
        self._waiting.clear()


def requests_of(item: Item) -> tuple[Request, ...]:
    """The requests that an item is about; they are lost if its fan-out fails."""
    match item:
        case Show(request):
            return (request,)
        case Resume(requests=requests):
            return requests
        case ShowSlow():
            return ()
