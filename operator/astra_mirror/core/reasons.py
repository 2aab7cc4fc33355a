"""The reasons of the condition Synced, and the consequences of each of them, in one total table.

A decision that depends on a reason reads its row. No other module keeps a set of reasons.
"""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
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
    LIST_INCOMPLETE = "ListIncomplete"
    TLS_VERIFICATION_FAILED = "TLSVerificationFailed"
    SECRET_UNREADABLE = "SecretUnreadable"  # noqa: S105 - a reason, as the next three
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105
    SECRET_INVALID = "SecretInvalid"  # noqa: S105
    SECRET_FORBIDDEN = "SecretForbidden"  # noqa: S105
    URL_NOT_ALLOWED = "URLNotAllowed"
    INVALID_SPEC = "InvalidSpec"

    @property
    def facts(self) -> "Facts":
        """The consequences of this reason."""
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
    """The consequences of one reason. Flags that are not given are False.

    Attributes:
        concerns: which other requests would fail in the same way.
        retry: when the ref is polled again, unless a Retry-After says so.
        requires_user_action: whether waiting cannot help, because a user has to change a credential, a Secret, an ID or
            a rule; the condition Stalled shows it.
        proves_token: whether Astra Control has accepted the token. Any 2xx proves it as well, see `outcome`.
        is_answer: whether the server has sent an HTTP response.
        pauses_connection: whether the server asks for fewer requests, so that the connection pauses even without a
            Retry-After.
        absent_after: the number of consecutive failures of this kind after which the server counts as absent, on a
            connection without a proven token; None if it never does.
        may_heal_while_young: whether the failure may end by itself while the object is young, because other controllers
            create Secrets seconds after the objects that need them.
    """

    concerns: Concerns
    retry: Retry
    _: KW_ONLY
    requires_user_action: bool = False
    proves_token: bool = False
    is_answer: bool = False
    pauses_connection: bool = False
    absent_after: int | None = None
    may_heal_while_young: bool = False

    @property
    def opens(self) -> Concerns | None:
        """The scope whose circuit breaker such a failure opens, which is `concerns`; None if it opens none."""
        return self.concerns if self.retry is Retry.PROBE else None

    @property
    def means_outage(self) -> bool:
        """Whether such a failure may mean that the server is away."""
        return self.absent_after is not None


FACTS: Final[Mapping[str, Facts]] = MappingProxyType(
    {
        SyncReason.OBSERVED: Facts(Concerns.REQUEST, Retry.INTERVAL, proves_token=True, is_answer=True),
        SyncReason.UNAUTHORIZED: Facts(Concerns.ACCOUNT, Retry.PROBE, requires_user_action=True, is_answer=True),
        SyncReason.FORBIDDEN: Facts(
            Concerns.APP, Retry.PROBE, requires_user_action=True, proves_token=True, is_answer=True
        ),
        SyncReason.INVALID_REQUEST: Facts(
            Concerns.REQUEST, Retry.BACKOFF, requires_user_action=True, proves_token=True, is_answer=True
        ),
        # A single 5xx may concern only the requested backup.
        SyncReason.SERVER_ERROR: Facts(Concerns.CONNECTION, Retry.BACKOFF, is_answer=True, absent_after=3),
        SyncReason.RATE_LIMITED: Facts(Concerns.CONNECTION, Retry.BACKOFF, is_answer=True, pauses_connection=True),
        SyncReason.UNREACHABLE: Facts(Concerns.CONNECTION, Retry.BACKOFF, absent_after=1),
        SyncReason.UNEXPECTED_RESPONSE: Facts(Concerns.REQUEST, Retry.BACKOFF, is_answer=True),
        SyncReason.LIST_INCOMPLETE: Facts(Concerns.REQUEST, Retry.BACKOFF, proves_token=True, is_answer=True),
        SyncReason.TLS_VERIFICATION_FAILED: Facts(Concerns.CONNECTION, Retry.PROBE, requires_user_action=True),
        SyncReason.SECRET_UNREADABLE: Facts(Concerns.SECRET, Retry.BACKOFF),
        SyncReason.SECRET_NOT_FOUND: Facts(
            Concerns.SECRET, Retry.BACKOFF, requires_user_action=True, may_heal_while_young=True
        ),
        SyncReason.SECRET_INVALID: Facts(Concerns.SECRET, Retry.BACKOFF, requires_user_action=True),
        SyncReason.SECRET_FORBIDDEN: Facts(Concerns.SECRET, Retry.BACKOFF, requires_user_action=True),
        SyncReason.URL_NOT_ALLOWED: Facts(Concerns.CONNECTION, Retry.BACKOFF, requires_user_action=True),
        SyncReason.INVALID_SPEC: Facts(Concerns.REQUEST, Retry.BACKOFF, requires_user_action=True),
    }
)
"""By reason. A plain string is a valid key, because a status that is read back contains strings."""
