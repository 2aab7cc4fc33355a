"""The circuit breaker of a whole connection, and the first requests, whose responses show whether its token is valid.

Until an account is good, requests are sent one at a time. After a 401 up to four other accounts are tried concurrently;
if all of them are refused the breaker stays open, and one request a minute probes it.
"""

from typing import Final

from astra_mirror.core.circuit import OpenBreaker
from astra_mirror.core.outcome import Failed
from astra_mirror.core.reasons import Concerns
from astra_mirror.core.tickets import HELD_BACK, Account, Hold, Purpose, Ticket

ACCOUNTS_TRIED: Final = 4
"""How many other accounts are tried concurrently after the first 401 of a connection without a good account."""


class ConnectionBreaker:
    """The breaker of one connection. Times are monotonic seconds.

    Attributes:
        version: a number that grows with each change of the results of `hold`.
        opened: the open breaker; None while it is closed.
    """

    def __init__(self) -> None:
        self.version = 0
        self.opened: OpenBreaker | None = None
        self._tries = 0
        self._trying: dict[Account, None] = {}

    def hold(self, account: Account, *, is_refused: bool) -> Hold | None:
        """Why a request of the account has to wait while the breaker is open; None if it may be sent."""
        if self.opened is None:
            return None
        if self.opened.failure.reason.facts.opens is not Concerns.ACCOUNT:
            return Hold(self.opened.failure)
        if is_refused:
            return Hold(HELD_BACK)
        if self._tries and account not in self._trying:
            return None
        # The refs of an account that waits for the first responses keep their status.
        return Hold(None if self._trying else HELD_BACK)

    @property
    def is_trying(self) -> bool:
        """Whether a first request is in flight."""
        return bool(self._trying)

    @property
    def is_testing(self) -> bool:
        """Whether a request is in flight whose response decides for the whole connection."""
        return self.is_trying or (self.opened is not None and self.opened.is_probed)

    def start(self, account: Account) -> None:
        """Record that a first request was sent for the account."""
        self._trying[account] = None
        if self.opened is not None:
            self._tries -= 1

    def end(self, account: Account) -> None:
        """Record that the first request for the account has ended, with a response or without."""
        self._trying.pop(account, None)
        if self.opened is not None:
            # Give the attempt back; after a 401 `refused_again` takes it away again.
            self._tries += 1
        self.version += 1

    def open(self, failure: Failed, now: float, *, tries: int) -> None:
        """Open the breaker; up to `tries` other accounts may still be tried."""
        self.opened = OpenBreaker(failure, now)
        self._tries = tries
        self.version += 1

    def refused_again(self, ticket: Ticket, now: float) -> None:
        """Record a 401 while the breaker is open."""
        if self.opened is not None:
            self.opened.probe_later(now)
        if ticket.purpose is Purpose.FIRST:
            self._tries = max(self._tries - 1, 0)

    def close(self) -> None:
        """Close the breaker, because the token is good."""
        if self.opened is not None:
            self.opened = None
            self.version += 1

    def learn_of_certificate(self, ticket: Ticket, failure: Failed | None) -> None:
        """Close a breaker that a certificate has opened: any response shows that the certificate was accepted."""
        if self.opened is None or self.opened.failure.reason.facts.opens is not Concerns.CONNECTION:
            return
        is_answered = failure is None or failure.reason.facts.is_answer
        if is_answered and ticket.started >= self.opened.since:
            self.close()
