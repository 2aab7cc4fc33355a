"""When a Secret name that the operator's role forbids is tried anew, so that an extended role counts without a restart.

Such names hold no watch: one is tried a second, whatever their number. None comes again before the others have come,
and where there are more than can come within five minutes, they come by turns over the namespaces that use them.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from astra_mirror.core.fair import FairQueue
from astra_mirror.core.secret_names import Watched

MAX_ROUND_SECONDS: Final = 299.0
"""After this long a name that few use comes again, however many others there are."""


class Retries:
    """The forbidden names. Times are monotonic seconds, passed in."""

    def __init__(self) -> None:
        self._users: dict[Watched, tuple[str, ...]] = {}
        self._rests: dict[Watched, float] = {}
        self._queue: FairQueue[tuple[str, Watched], None] = FairQueue()

    def __contains__(self, watched: object) -> bool:
        return watched in self._users

    def __len__(self) -> int:
        return len(self._users)

    def __iter__(self) -> Iterator[Watched]:
        return iter(self._users)

    def put(self, watched: Watched, users: Iterable[str], now: float) -> None:
        """It was forbidden just now, in whatever way that was found out; `users` are the namespaces that use it."""
        self.drop(watched)
        self._users[watched] = tuple(users)
        self._rests[watched] = now + min(len(self._users) - 1, MAX_ROUND_SECONDS)

    def drop(self, watched: Watched) -> None:
        """It is forbidden no longer, or used by nobody."""
        for namespace in self._users.pop(watched, ()):
            self._queue.drop((namespace, watched))
        self._rests.pop(watched, None)

    def take(self, now: float) -> tuple[Watched, tuple[str, ...]] | None:
        """The name whose turn it is, which is to be put back if it is still forbidden; None when none is due."""
        for watched in [each for each, until in self._rests.items() if until <= now]:
            del self._rests[watched]
            for namespace in self._users[watched]:
                self._queue.put((namespace,), (namespace, watched), None)
        taken = self._queue.take()
        if taken is None:
            return None
        watched = taken.item[1]
        users = self._users[watched]
        for namespace in users:
            self._queue.drop((namespace, watched))
        return watched, users
