"""How a poll can end. The engine turns every error of the remote side into one of these values, once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from astra_mirror.core.backup import Backup
from astra_mirror.core.messages import text_of
from astra_mirror.core.reasons import SyncReason

__all__ = [
    "MAX_RETRY_AFTER",
    "Answer",
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
class Observed:
    """The remote described the backup. Two documents with the same `digest` are the same, byte for byte."""

    backup: Backup
    digest: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The remote sent the very document that it sent last time."""


@dataclass(frozen=True, slots=True)
class NotFound:
    """The remote said, in a problem document, that the backup does not exist.

    `correlation_id` is the answer's own, as the remote spells it.
    """

    message: str
    correlation_id: str | None = None

    @property
    def text(self) -> str:
        """What people read."""
        return text_of(self.message, self.correlation_id)


@dataclass(frozen=True, slots=True)
class Failed:
    """The mirror could not be refreshed.

    `retry_after` is seconds, where the remote asked for a pause; `code` is the HTTP status code, where there was an
    answer: it may prove the token all the same. `correlation_id` is the answer's own, as the remote spells it.
    """

    reason: SyncReason
    message: str
    retry_after: float | None = None
    code: int | None = None
    correlation_id: str | None = None

    @property
    def text(self) -> str:
        """What people read."""
        return text_of(self.message, self.correlation_id)

    @property
    def pause(self) -> float | None:
        """For how many seconds the remote asks not to be called: an hour at the most, None for no time at all."""
        return min(self.retry_after, MAX_RETRY_AFTER) if self.retry_after and self.retry_after > 0 else None


Outcome = Observed | NotFound | Failed
Answer = Outcome | Unchanged


@dataclass(frozen=True, slots=True)
class Known:
    """What a list is asked for.

    `documents` are the ids of the backups, each with the digest of the document that is known, if any; `body` is the
    digest of the list in which they all were found as they are known, if there is such a list.
    """

    documents: Mapping[str, int | None]
    body: int | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """An answer to a request for a list.

    `found` has the backups that were asked for and are described rightly and once; what is missing there may exist all
    the same. `digest` stands for the whole body, and `size` is the number of its items, None when it was not counted
    because the body is the one of last time. `complete` is false when the remote held something back.
    """

    digest: int
    found: Mapping[str, Observed | Unchanged]
    size: int | None
    complete: bool = True


def proves_token(outcome: Answer | Listed) -> bool:
    """Whether Astra Control has accepted the token: any 2xx, 400, 403, a problem document 404."""
    if not isinstance(outcome, Failed):
        return True
    return outcome.reason.facts.proves_token or (outcome.code is not None and 200 <= outcome.code < 300)
