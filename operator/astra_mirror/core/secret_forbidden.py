"""When to read again a Secret name that the operator's role forbids, so that an extended role needs no restart.

Such names hold no watch. One of them is read each second, however many there are, and none is read again before the
others have been. Where a round takes longer than five minutes, the namespaces that use the names are served in turn.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from astra_mirror.core.fair import FairQueue
from astra_mirror.core.secret_names import SecretSelector

MAX_ROUND_SECONDS: Final = 299.0
"""The longest time for which a name rests after a read, however many names there are."""


class ForbiddenNames:
    """The forbidden names. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._users: dict[SecretSelector, tuple[str, ...]] = {}
        self._rests_until: dict[SecretSelector, float] = {}
        self._queue: FairQueue[tuple[str, SecretSelector], None] = FairQueue()

    def __contains__(self, selector: object) -> bool:
        return selector in self._users

    def __len__(self) -> int:
        return len(self._users)

    def __iter__(self) -> Iterator[SecretSelector]:
        return iter(self._users)

    def add(self, selector: SecretSelector, users: Iterable[str], now: float) -> None:
        """Record that a read was forbidden at `now`; `users` are the namespaces that use the name."""
        self.remove(selector)
        self._users[selector] = tuple(users)
        self._rests_until[selector] = now + min(len(self._users) - 1, MAX_ROUND_SECONDS)

    def remove(self, selector: SecretSelector) -> None:
        """Remove a name that is allowed now, or that no ref uses any more; does nothing for any other name."""
        for namespace in self._users.pop(selector, ()):
            self._queue.drop((namespace, selector))
        self._rests_until.pop(selector, None)

    def take_due(self, now: float) -> tuple[SecretSelector, tuple[str, ...]] | None:
        """The next name to read, with its users; None when none is due.

        The caller adds the name again if it is still forbidden.
        """
        for selector in [each for each, until in self._rests_until.items() if until <= now]:
            del self._rests_until[selector]
            for namespace in self._users[selector]:
                self._queue.put((namespace,), (namespace, selector), None)
        taken = self._queue.take()
        if taken is None:
            return None
        selector = taken.item[1]
        users = self._users[selector]
        for namespace in users:
            self._queue.drop((namespace, selector))
        return selector, users
