"""The results of circuit breakers: a request that may be sent, or the reason why it has to wait."""

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from astra_mirror.core.outcome import Failed, proves_token
from astra_mirror.core.reasons import Concerns, SyncReason

Account = Hashable
App = Hashable
"""Identifies an app within an account."""

HELD_BACK: Final = Failed(
    SyncReason.UNAUTHORIZED,
    "The token was refused for other requests with this Secret; none was made for this object.",
)
"""The failure of a ref for which no request is made, because other requests were rejected."""


class Purpose(Enum):
    """Why a request is sent."""

    REGULAR = auto()
    FIRST = "shows whether the token is valid at all"
    PROBE = "shows whether a breaker may close"
    CANARY = "shows whether the token was rejected, or only another account"


@dataclass(frozen=True, slots=True)
class Ticket:
    """A request that was sent. `app` is None for a list, to which no app's breaker applies."""

    account: Account
    app: App | None
    started: float
    purpose: Purpose = Purpose.REGULAR
    resumes: bool = False

    def is_of_the_list_alone(self, failure: Failed) -> bool:
        """Whether a failure concerns this list only: it neither proves the token nor concerns the certificate."""
        is_of_all = proves_token(failure) or failure.reason.facts.opens is Concerns.CONNECTION
        return self.app is None and not is_of_all


@dataclass(frozen=True, slots=True)
class Hold:
    """The request has to wait. `failure` is what its refs show; None leaves their status unchanged."""

    failure: Failed | None
