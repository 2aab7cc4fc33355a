"""How a poll can end. The engine turns every error of the remote side into one of these values, once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from astra_mirror.core.backup import Backup


class SyncReason(StrEnum):
    """The reasons of the condition Synced, and the values of the label `result` in the metrics."""

    OBSERVED = "Observed"
    UNAUTHORIZED = "Unauthorized"
    FORBIDDEN = "Forbidden"
    INVALID_REQUEST = "InvalidRequest"
    SERVER_ERROR = "ServerError"
    RATE_LIMITED = "RateLimited"
    UNREACHABLE = "Unreachable"
    UNEXPECTED_RESPONSE = "UnexpectedResponse"
    TLS_VERIFICATION_FAILED = "TLSVerificationFailed"
    SECRET_UNREADABLE = "SecretUnreadable"  # noqa: S105 - a reason, as the next three
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105
    SECRET_INVALID = "SecretInvalid"  # noqa: S105
    SECRET_FORBIDDEN = "SecretForbidden"  # noqa: S105
    URL_NOT_ALLOWED = "URLNotAllowed"
    INVALID_SPEC = "InvalidSpec"

    @property
    def needs_person(self) -> bool:
        """Whether waiting cannot help: somebody has to change a credential, a Secret, an ID or a rule."""
        return self in _NEEDS_PERSON


_NEEDS_PERSON = frozenset(
    {
        SyncReason.UNAUTHORIZED,
        SyncReason.FORBIDDEN,
        SyncReason.INVALID_REQUEST,
        SyncReason.TLS_VERIFICATION_FAILED,
        SyncReason.SECRET_NOT_FOUND,
        SyncReason.SECRET_INVALID,
        SyncReason.SECRET_FORBIDDEN,
        SyncReason.URL_NOT_ALLOWED,
        SyncReason.INVALID_SPEC,
    }
)


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
    """The remote said, in a problem document, that the backup does not exist."""

    message: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The mirror could not be refreshed.

    `retry_after` is seconds, where the remote asked for a pause; `code` is the HTTP status code, where there was an
    answer: it may prove the token all the same.
    """

    reason: SyncReason
    message: str
    retry_after: float | None = None
    code: int | None = None


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
