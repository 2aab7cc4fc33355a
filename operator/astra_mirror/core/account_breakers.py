"""Which accounts of a connection are good, which are refused, and when a canary request is due.

An account is good from an answer that proves the token until its own 401. When one is refused while another is good,
a canary request for the one that was good last shows whether the fault is in the token or in the account.
"""

from collections.abc import Container, Iterator
from typing import Final

from astra_mirror.core.circuit import OpenBreaker
from astra_mirror.core.outcome import Failed
from astra_mirror.core.tickets import Account

CANARY_INTERVAL: Final = 10.0


class AccountBreakers:
    """The accounts of one connection. Times are monotonic seconds.

    Attributes:
        version: a number that grows with each account that becomes refused or good.
        canary_at: when the next canary request is due; None if none is needed.
    """

    def __init__(self) -> None:
        self.version = 0
        self.canary_at: float | None = None
        self._canary_last = float("-inf")
        self._good: dict[Account, None] = {}
        self._succeeded: set[Account] = set()
        self._refused: dict[Account, OpenBreaker] = {}

    def __len__(self) -> int:
        return len(self._refused)

    def __iter__(self) -> Iterator[Account]:
        """The accounts that are refused."""
        return iter(list(self._refused))

    def of(self, account: Account) -> OpenBreaker | None:
        """The account's breaker, where it is refused."""
        return self._refused.get(account)

    @property
    def is_proven(self) -> bool:
        """Whether an account is good."""
        return bool(self._good)

    def has_succeeded(self, account: Account) -> bool:
        """Whether the account has ever been good."""
        return account in self._succeeded

    def good_last(self) -> Account | None:
        """The account that was good last."""
        return next(reversed(self._good), None)

    def accept(self, account: Account) -> None:
        """Record that the token is good for this account."""
        if account in self._refused or not self._good:
            self.version += 1
        self._refused.pop(account, None)
        self._good.pop(account, None)
        self._good[account] = None
        self._succeeded.add(account)

    def refuse(self, account: Account, failure: Failed, now: float) -> bool:
        """Record a 401 of the account; return whether its breaker was closed before."""
        is_news = account not in self._refused
        self._refused[account] = OpenBreaker(failure, now)
        self._good.pop(account, None)
        self.version += 1
        return is_news

    def doubt(self, account: Account) -> None:
        """Stop treating the account as good, because no ref is left to poll for it."""
        self._good.pop(account, None)

    def doubt_all(self) -> None:
        """Stop treating any account as good."""
        self._good.clear()

    def schedule_canary(self, now: float) -> None:
        """Schedule a canary request for the earliest permitted time, unless one is scheduled."""
        if self.canary_at is None:
            self.canary_at = max(now, self._canary_last + CANARY_INTERVAL)

    def canary_started(self, now: float) -> None:
        """Record that the canary request was sent."""
        self.canary_at, self._canary_last = None, now

    def canary_lost(self, started: float) -> None:
        """Schedule another canary request, because the last one ended without a response."""
        if self._good and self.canary_at is None:
            self.canary_at = started + CANARY_INTERVAL

    def retain(self, accounts: Container[Account]) -> None:
        """Remove what is known of accounts that are not in `accounts`, because no ref names them."""
        self._refused = {account: breaker for account, breaker in self._refused.items() if account in accounts}
        self._good = {account: None for account in self._good if account in accounts}
        self._succeeded = {account for account in self._succeeded if account in accounts}
        if not self._good:
            # No account is left that a canary request could be sent for.
            self.canary_at = None
