"""The outcomes of a poll. The package `astra` turns every error of the remote side into one of these values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from astra_mirror.core.backup import Backup
from astra_mirror.core.messages import text_of
from astra_mirror.core.reasons import SyncReason

__all__ = [
    "MAX_RETRY_AFTER",
    "Answer",
    "Described",
    "Failed",
    "Known",
    "Listed",
    "NotFound",
    "Observed",
    "Outcome",
    "SyncReason",
    "Unchanged",
    "proves_token",
]

MAX_RETRY_AFTER: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Described:
    """The remote described what an object asks about. What it said is known to a subclass, which the kind reads.

    Descriptions with equal `digest` are the same, byte for byte.
    """

    digest: int = field(default=0, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Observed(Described):
    """The remote described the backup."""

    backup: Backup


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The response is byte for byte the same document as the last one."""


@dataclass(frozen=True, slots=True)
class NotFound:
    """The remote said, in a problem document, that the backup does not exist.

    `correlation_id` is that of the response, as the remote spells it.
    """

    message: str
    correlation_id: str | None = None

    @property
    def text(self) -> str:
        """The text that people read."""
        return text_of(self.message, self.correlation_id)


@dataclass(frozen=True, slots=True)
class Failed:
    """The mirror could not be refreshed.

    `retry_after` is in seconds, None if the remote did not ask for a pause. `code` is the HTTP status code, None
    without a response; a failure may still prove the token. `correlation_id` is that of the response, as the remote
    spells it.
    """

    reason: SyncReason
    message: str
    retry_after: float | None = None
    code: int | None = None
    correlation_id: str | None = None

    @property
    def text(self) -> str:
        """The text that people read."""
        return text_of(self.message, self.correlation_id)

    @property
    def pause(self) -> float | None:
        """For how many seconds the remote asks not to be called, at most an hour; None without a pause."""
        return min(self.retry_after, MAX_RETRY_AFTER) if self.retry_after and self.retry_after > 0 else None


Outcome = Described | NotFound | Failed
Answer = Outcome | Unchanged


WHOLE: Final = ""
"""The key of the whole list among the answers for single backups."""


@dataclass(frozen=True, slots=True)
class Known:
    """The backups that a list request is made for.

    `documents` has the ids of the backups, each with the digest of its last known document, if any. `list_digest` is
    that of the list that contained the documents of all objects that wait for the answer, if there is such a list: if
    it has not changed, nobody asks for `documents`.
    """

    documents: Mapping[str, int | None]
    list_digest: int | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """The response to a list request.

    `found` has the answers for the requested backups that are described validly and exactly once; others may exist
    nevertheless.
    `digest` is that of the whole body, and `size` the number of its items, None if they were not counted because the
    body has not changed; then `found` may be empty. `complete` is false if the list was incomplete.
    """

    digest: int
    found: Mapping[str, Answer]
    size: int | None
    complete: bool = True

    @property
    def is_unchanged(self) -> bool:
        """Whether the body is that of the last list."""
        return self.size is None and self.complete

    def said_of(self, backup_id: str) -> Answer | None:
        """The answer for a backup; None if the list has none. An unchanged list says of each that it is unchanged."""
        found = self.found.get(backup_id)
        return Unchanged() if found is None and self.is_unchanged else found


def proves_token(outcome: Answer | Listed) -> bool:
    """Whether Astra Control has accepted the token: any 2xx, 400, 403, a problem document 404."""
    if not isinstance(outcome, Failed):
        return True
    return outcome.reason.facts.proves_token or (outcome.code is not None and 200 <= outcome.code < 300)
