"""What the log says of the circuit breakers of accounts and apps: that one opens, and that it closes.

While the breaker of the whole connection is open it speaks for all of them.
"""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass

from astra_mirror.core.outcome import Failed


@dataclass(frozen=True, slots=True)
class Opened:
    """A breaker has opened."""

    scope: Hashable
    failure: Failed


@dataclass(frozen=True, slots=True)
class Closed:
    """A breaker that was said to be open has closed, after so many seconds."""

    scope: Hashable
    seconds: float


class BreakerJournal:
    """The breakers of one connection's accounts and apps that were said to be open. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._said: dict[Hashable, float] = {}

    def __iter__(self) -> Iterator[Hashable]:
        return iter(list(self._said))

    def change(self, scope: Hashable, failure: Failed | None, now: float) -> Opened | Closed | None:
        """What has to be said of a breaker, which `said` records; None if nothing has to be.

        Args:
            scope: whose breaker it is.
            failure: the failure that has opened it; None while it is closed.
            now: the time.
        """
        since = self._said.get(scope)
        if failure is not None:
            return Opened(scope, failure) if since is None else None
        return None if since is None else Closed(scope, now - since)

    def said(self, change: Opened | Closed, now: float) -> None:
        """Record that this was said."""
        if isinstance(change, Opened):
            self._said[change.scope] = now
        else:
            del self._said[change.scope]

    def retain(self, scopes: Iterable[Hashable]) -> None:
        """Keep only these, without a word: nobody uses the others any more."""
        kept = set(scopes)
        self._said = {scope: since for scope, since in self._said.items() if scope in kept}
