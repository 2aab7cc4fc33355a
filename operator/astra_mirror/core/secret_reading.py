"""What the API server's responses mean for the refs that need a Secret.

A 403 or another failure is a problem only after it has lasted for a while, because an API server that has just started
gives both. A content that was read once stays in effect while reads fail, until a 403 is a problem. Times are
monotonic seconds.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from astra_mirror.core.outcome import Failed, SyncReason

FORBIDDEN_SECONDS: Final = 30.0
"""How long a 403 has to last before it is a problem."""
FAILING_SECONDS: Final = 10.0
"""How long any other failure has to last before it is a problem."""
SINGLE_READ_SECONDS: Final = 3.0
"""How much longer a ref waits for the single read that follows a failed list."""
SINGLE_ROUND_SECONDS: Final = 50.0
"""How much longer a ref waits for the single read of its Secret, while those of other Secrets succeed."""
_RECENT_SECONDS: Final = 5.0


class ReadProblem(Enum):
    """Why Secrets cannot be read; set when failures have lasted, never by one failure."""

    FORBIDDEN = "forbidden"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class ReadState:
    """How the reads of a list of Secrets, or of one Secret, have gone so far.

    Attributes:
        is_read: whether a read has ever succeeded.
        is_forbidden: whether a 403 has lasted long enough to be a problem.
        refused_since: when the first 403 of the present series came; None without one.
        failing_since: the start of the first request that has neither succeeded nor been refused; None without one.
    """

    is_read: bool = False
    is_forbidden: bool = False
    refused_since: float | None = None
    failing_since: float | None = None

    def started(self, now: float) -> "ReadState":
        """The state after a request was sent at `now`: until it has a response, reads have been failing since then."""
        return self if self.failing_since is not None else replace(self, failing_since=now)

    def paused(self) -> "ReadState":
        """The state after requests have stopped because the API server is away, which is no failure to read Secrets."""
        return replace(self, failing_since=None)

    def page_read(self) -> "ReadState":
        """The state after one page was read."""
        return ReadState(is_read=self.is_read)

    def succeeded(self) -> "ReadState":
        """The state after the list, or the Secret, was read to its end."""
        return ReadState(is_read=True)

    def refused(self, now: float) -> "ReadState":
        """The state after a 403 at `now`; it is a problem when the first 403 is FORBIDDEN_SECONDS ago."""
        since = self.refused_since if self.refused_since is not None else now
        return ReadState(self.is_read, self.is_forbidden or now - since >= FORBIDDEN_SECONDS, since)

    def failed(self, now: float) -> "ReadState":
        """The state after any other failure at `now`."""
        return self.started(now)

    def problem(self, now: float) -> ReadProblem | None:
        """The problem at `now`; None without one."""
        if self.is_forbidden:
            return ReadProblem.FORBIDDEN
        return ReadProblem.FAILING if self.failing_seconds(now) >= FAILING_SECONDS else None

    def failing_seconds(self, now: float) -> float:
        """How many seconds reads have failed, other than by a 403; 0 while they do not fail."""
        return 0.0 if self.failing_since is None else now - self.failing_since

    def is_unreadable(self, last_single_read_at: float | None, now: float) -> bool:
        """Whether a Secret of this list that was never read is unreadable.

        Args:
            last_single_read_at: when a single read of any Secret last succeeded; None if none has.
            now: the time.
        """
        works_alone = last_single_read_at is not None and now - last_single_read_at < _RECENT_SECONDS
        patience = SINGLE_ROUND_SECONDS if works_alone else SINGLE_READ_SECONDS
        return self.failing_seconds(now) >= FAILING_SECONDS + patience


def unreadable(name: str, namespace: str) -> Failed:
    """The failure of a ref whose Secret this process has never read, because the API server does not deliver it."""
    return Failed(
        SyncReason.SECRET_UNREADABLE,
        f"The API server does not deliver the Secret {name!r} in the namespace {namespace!r}; the operator goes on "
        "trying. If it lasts, an administrator finds the API server's answer in the operator's log.",
    )


def not_found(name: str, namespace: str) -> Failed:
    """The failure of a ref whose Secret does not exist."""
    return Failed(
        SyncReason.SECRET_NOT_FOUND,
        f"There is no Secret {name!r} in the namespace {namespace!r}: create it with the keys url and token.",
    )
