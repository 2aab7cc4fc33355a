"""The reasons of the condition Synced, and all that follows from each of them, in one total table.

A decision that depends on a reason reads its row. No other module keeps a set of reasons.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from types import MappingProxyType
from typing import Final


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
    def facts(self) -> "Facts":
        """What follows from this reason."""
        return FACTS[self]


class Concerns(Enum):
    """How far a failure reaches: which other requests would fail in the same way."""

    REQUEST = auto()
    APP = auto()
    ACCOUNT = auto()
    CONNECTION = auto()
    SECRET = auto()


class Retry(Enum):
    """When a ref is polled again."""

    INTERVAL = "after its interval"
    BACKOFF = "after an exponential backoff with full jitter"
    PROBE = "with the probe of a circuit breaker, once a minute"


@dataclass(frozen=True, slots=True)
class Facts:
    """One row.

    Attributes:
        requires_user_action: whether waiting cannot help, because somebody has to change a credential, a Secret, an ID
            or a rule: the condition Stalled goes with it.
        proves_token: whether Astra Control has accepted the token. Any 2xx proves it as well, see `outcome`.
        is_answer: whether the server has sent an HTTP response.
        concerns: which other requests would fail in the same way.
        retry: when the ref is polled again, unless a Retry-After says so.
    """

    requires_user_action: bool
    proves_token: bool
    is_answer: bool
    concerns: Concerns
    retry: Retry


FACTS: Final[Mapping[SyncReason, Facts]] = MappingProxyType(
    {
        SyncReason.OBSERVED: Facts(False, True, True, Concerns.REQUEST, Retry.INTERVAL),
        SyncReason.UNAUTHORIZED: Facts(True, False, True, Concerns.ACCOUNT, Retry.PROBE),
        SyncReason.FORBIDDEN: Facts(True, True, True, Concerns.APP, Retry.PROBE),
        SyncReason.INVALID_REQUEST: Facts(True, True, True, Concerns.REQUEST, Retry.BACKOFF),
        SyncReason.SERVER_ERROR: Facts(False, False, True, Concerns.CONNECTION, Retry.BACKOFF),
        SyncReason.RATE_LIMITED: Facts(False, False, True, Concerns.CONNECTION, Retry.BACKOFF),
        SyncReason.UNREACHABLE: Facts(False, False, False, Concerns.CONNECTION, Retry.BACKOFF),
        SyncReason.UNEXPECTED_RESPONSE: Facts(False, False, True, Concerns.REQUEST, Retry.BACKOFF),
        SyncReason.TLS_VERIFICATION_FAILED: Facts(True, False, False, Concerns.CONNECTION, Retry.PROBE),
        SyncReason.SECRET_UNREADABLE: Facts(False, False, False, Concerns.SECRET, Retry.BACKOFF),
        SyncReason.SECRET_NOT_FOUND: Facts(True, False, False, Concerns.SECRET, Retry.BACKOFF),
        SyncReason.SECRET_INVALID: Facts(True, False, False, Concerns.SECRET, Retry.BACKOFF),
        SyncReason.SECRET_FORBIDDEN: Facts(True, False, False, Concerns.SECRET, Retry.BACKOFF),
        SyncReason.URL_NOT_ALLOWED: Facts(True, False, False, Concerns.CONNECTION, Retry.BACKOFF),
        SyncReason.INVALID_SPEC: Facts(True, False, False, Concerns.REQUEST, Retry.BACKOFF),
    }
)
