"""What the answers of the API server mean for those who wait for a Secret.

A refusal or a failure counts only when it has lasted: an API server that has just started gives some of either. What
was read once stands while reading fails; a role that no longer names the Secret ends that. Times are monotonic seconds.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from astra_mirror.core.outcome import Failed, SyncReason

FORBIDDEN_SECONDS: Final = 30.0
"""For how long a 403 has to last before it counts."""
FAILING_SECONDS: Final = 10.0
"""For how long any other failure has to last before it counts."""
SINGLE_READ_SECONDS: Final = 3.0
"""For how much longer one waits for the read of the Secret alone, which is made when the list has failed."""
SINGLE_TURN_SECONDS: Final = 50.0
"""For how much longer one waits for its turn, while the reads of others alone succeed."""
_RECENT_SECONDS: Final = 5.0


class Finding(Enum):
    """What the answers have come to over time; the last one alone decides nothing."""

    FORBIDDEN = "forbidden"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Reading:
    """How the reading of a list of Secrets, or of one Secret, has gone so far."""

    is_read: bool = False
    is_forbidden: bool = False
    refused_since: float | None = None
    failing_since: float | None = None

    def begun(self, now: float) -> "Reading":
        """A request has been sent: from now on the lack of an answer is a failure too."""
        return self if self.failing_since is not None else replace(self, failing_since=now)

    def interrupted(self) -> "Reading":
        """Nothing is asked because the API server is away: that says nothing of Secrets."""
        return replace(self, failing_since=None)

    def progressed(self) -> "Reading":
        """A part was read."""
        return Reading(is_read=self.is_read)

    def succeeded(self) -> "Reading":
        """It was read to its end."""
        return Reading(is_read=True)

    def refused(self, now: float) -> "Reading":
        """A 403 was the answer; it counts when the first one is long enough ago."""
        since = self.refused_since if self.refused_since is not None else now
        return Reading(self.is_read, self.is_forbidden or now - since >= FORBIDDEN_SECONDS, since)

    def failed(self, now: float) -> "Reading":
        """Anything else went wrong."""
        return self.begun(now)

    def finding(self, now: float) -> Finding | None:
        """What counts at `now`; None while nothing does that speaks against reading."""
        if self.is_forbidden:
            return Finding.FORBIDDEN
        return Finding.FAILING if self.fails_for(now) >= FAILING_SECONDS else None

    def fails_for(self, now: float) -> float:
        """For how many seconds it has failed without a refusal; 0 while it does not."""
        return 0.0 if self.failing_since is None else now - self.failing_since

    def is_unreadable(self, last_single: float | None, now: float) -> bool:
        """Whether what was not read in this list counts as unreadable; `last_single` is when another was read alone."""
        works_alone = last_single is not None and now - last_single < _RECENT_SECONDS
        patience = SINGLE_TURN_SECONDS if works_alone else SINGLE_READ_SECONDS
        return self.fails_for(now) >= FAILING_SECONDS + patience


def unreadable(name: str, namespace: str) -> Failed:
    """What a ref shows whose Secret this process has never read, because the API server does not deliver it."""
    return Failed(
        SyncReason.SECRET_UNREADABLE,
        f"The API server does not deliver the Secret {name!r} in the namespace {namespace!r}; the operator goes on "
        "trying. If it lasts, an administrator finds the API server's answer in the operator's log.",
    )


def not_found(name: str, namespace: str) -> Failed:
    """What a ref shows whose Secret does not exist."""
    return Failed(
        SyncReason.SECRET_NOT_FOUND,
        f"There is no Secret {name!r} in the namespace {namespace!r}: create it with the keys url and token.",
    )
