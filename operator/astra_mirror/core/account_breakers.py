"""Which accounts of a connection are good, which are refused, and when a canary is to go.

An account is good from an answer that proves the token until its own 401. When one is refused while another is good,
a canary request for the one that was good last finds out whether the token is at fault or the account.
"""

from collections.abc import Container
from typing import Final

from astra_mirror.core.circuit import OpenBreaker
from astra_mirror.core.outcome import Failed
from astra_mirror.core.tickets import Account

CANARY_INTERVAL: Final = 10.0


class AccountBreakers:
    """The accounts of one connection. Times are monotonic seconds.

    Attributes:
        version: a number that grows with each account that becomes refused or good.
        canary_at: when a canary is to go, None when none is wanted.
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
        """The token is good for this account."""
        if account in self._refused or not self._good:
            self.version += 1
        self._refused.pop(account, None)
        self._good.pop(account, None)
        self._good[account] = None
        self._succeeded.add(account)

    def refuse(self, account: Account, failure: Failed, now: float) -> bool:
        """A 401 of this account; whether it was not refused before."""
        is_news = account not in self._refused
        self._refused[account] = OpenBreaker(failure, now)
        self._good.pop(account, None)
        self.version += 1
        return is_news

    def doubt(self, account: Account) -> None:
        """The account does not count as good any more: no ref is left for which it could be asked."""
        self._good.pop(account, None)

    def doubt_all(self) -> None:
        """No account counts as good any more."""
        self._good.clear()

    def want_canary(self, now: float) -> None:
        """Let a canary go as soon as one may, unless one waits already."""
        if self.canary_at is None:
            self.canary_at = max(now, self._canary_last + CANARY_INTERVAL)

    def canary_started(self, now: float) -> None:
        """Take note that it goes."""
        self.canary_at, self._canary_last = None, now

    def canary_lost(self, started: float) -> None:
        """It ended without an answer and has found nothing out: another one does."""
        if self._good and self.canary_at is None:
            self.canary_at = started + CANARY_INTERVAL

    def retain(self, accounts: Container[Account]) -> None:
        """Forget all others: no ref names them any more."""
        self._refused = {account: breaker for account, breaker in self._refused.items() if account in accounts}
        self._good = {account: None for account in self._good if account in accounts}
        self._succeeded = {account for account in self._succeeded if account in accounts}
        if not self._good:
            # Nobody is left for whom a canary could find anything out.
            self.canary_at = None
