"""What circuit breakers decide about: a request of an account that was let through, or why it has to wait."""

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from astra_mirror.core.outcome import Failed, proves_token
from astra_mirror.core.reasons import Concerns, SyncReason

Account = Hashable
App = Hashable
"""Whatever stands for an app of an account."""

HELD_BACK: Final = Failed(
    SyncReason.UNAUTHORIZED,
    "The token was refused for other requests with this Secret; none was made for this object.",
)
"""What a ref shows for which nothing is asked because others were refused."""


class Purpose(Enum):
    """Why a request goes."""

    REGULAR = auto()
    FIRST = "nothing is proven yet: it finds out"
    PROBE = "it finds out whether a breaker may close"
    CANARY = "another account was refused: it finds out whether the token is"


@dataclass(frozen=True, slots=True)
class Ticket:
    """A request that has been let through. `app` is None for a list, which no app's breaker concerns."""

    account: Account
    app: App | None
    started: float
    purpose: Purpose = Purpose.REGULAR
    resumes: bool = False

    def is_of_the_list_alone(self, failure: Failed) -> bool:
        """Whether a failure concerns nothing but a list: it neither proves the token nor is about the certificate."""
        is_of_all = proves_token(failure) or failure.reason.facts.opens is Concerns.CONNECTION
        return self.app is None and not is_of_all


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing may be asked now. `failure` is what the refs that wait show, None to keep what they show."""

    failure: Failed | None
