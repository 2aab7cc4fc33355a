"""The circuit breakers and the pause of one connection: which requests may go, and what an answer changes.

Two rules explain the rest. An account is good from an answer that proves the token until its own 401. While one
account is good, a 401 stops its own account only: a wrong accountID in one ref must not stop those whose token is good.

    phase      when                           what may go
    unproven   no account has been good       one request at a time, until the first proof or 401
    closed     an account is good             all but refused accounts and forbidden apps, which are probed
    open       no account is good any more    up to four accounts that were not asked yet; then one probe a minute
    paused     Retry-After                    nothing until it ends, then one request; its answer lets the others go

Times are monotonic seconds, passed in. What is held back waits outside of this module: see core.held.
"""

from collections.abc import Container, Hashable
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Final

from astra_mirror.core.outcome import Answer, Failed, Listed, proves_token
from astra_mirror.core.reasons import Concerns, SyncReason

Account = Hashable
App = Hashable
"""Whatever stands for an app of an account."""

PROBE_INTERVAL: Final = 60.0
CANARY_INTERVAL: Final = 10.0
RETRY_INTERVAL: Final = 5.0
"""For how long a connection waits after a 429 without Retry-After, or when its server seems to be away."""
ACCOUNTS_TRIED: Final = 4
"""How many other accounts are tried at once after the first 401 of a connection without a good account."""

HELD_BACK: Final = Failed(
    SyncReason.UNAUTHORIZED,
    "The token was refused for other requests with this Secret; none was made for this object.",
)
"""What a ref shows for which nothing is asked because others were refused."""


class State(StrEnum):
    """The state of a connection, for the metric."""

    CLOSED = auto()
    OPEN = auto()
    HALF_OPEN = auto()
    PAUSED = auto()


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


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing may be asked now. `failure` is what the refs that wait show, None to keep what they show."""

    failure: Failed | None


@dataclass(slots=True)
class _Breaker:
    """An open one. It closes by an answer to a request that was sent after `since`."""

    failure: Failed
    since: float
    probe_at: float
    is_probed: bool = False


@dataclass(frozen=True, slots=True)
class _Pause:
    failure: Failed
    until: float


class Breakers:
    """The state of one connection. Not for concurrent use from several threads.

    Attributes:
        version: a number that grows with each change of what `hold` says.
        canary_at: when a canary is to go, None when none is wanted.
    """

    def __init__(self) -> None:
        self.version = 0
        self.canary_at: float | None = None
        self._good: dict[Account, None] = {}
        self._succeeded: set[Account] = set()
        self._refused: dict[Account, _Breaker] = {}
        self._apps: dict[App, _Breaker] = {}
        self._opened: _Breaker | None = None
        self._tries = 0
        self._trying: dict[Account, None] = {}
        self._pause: _Pause | None = None
        self._is_resuming = False
        self._canary_last = float("-inf")
        self._failures = 0
        self._last_failure: Failed | None = None

    # What may go.

    def may_start(self, now: float) -> bool:
        """Whether anything may be taken from the queue: not while one request finds out for all."""
        if self._pause is not None and now < self._pause.until:
            return True  # Each of them is held back, and its refs show why.
        return not self._is_resuming and (self._opened is not None or bool(self._good) or not self._trying)

    def hold(self, account: Account, app: App | None, now: float) -> Hold | None:
        """Why a request has to wait; None when it may start.

        Args:
            account: the account whose backups are asked for.
            app: the app whose backup is asked for; None for a list.
            now: monotonic seconds.
        """
        refusal = self._refusal(account, app)
        if refusal is None and self._pause is not None and now < self._pause.until:
            return Hold(self._pause.failure)
        return refusal

    def _refusal(self, account: Account, app: App | None) -> Hold | None:
        if self._opened is not None:
            return self._hold_while_open(self._opened, account)
        if account in self._refused:
            return Hold(HELD_BACK)
        breaker = self._apps.get(app) if app is not None else None
        return Hold(breaker.failure) if breaker is not None else None

    def _hold_while_open(self, opened: _Breaker, account: Account) -> Hold | None:
        if opened.failure.reason.facts.opens is not Concerns.ACCOUNT:
            return Hold(opened.failure)
        if account in self._refused:
            return Hold(HELD_BACK)
        if self._tries and account not in self._trying:
            return None
        # An account that waits for the first answers keeps what it shows.
        return Hold(None if self._trying else HELD_BACK)

    def start(self, account: Account, app: App | None, now: float, purpose: Purpose | None = None) -> Ticket:
        """Let a request go; `record` or `abandon` must follow. Without a purpose the phase says what it is for."""
        if purpose is None:
            is_first = self._opened is not None or not self._good
            purpose = Purpose.FIRST if is_first else Purpose.REGULAR
        match purpose:
            case Purpose.FIRST:
                self._trying[account] = None
                if self._opened is not None:
                    self._tries -= 1
            case Purpose.PROBE:
                for each in self._probed(account, app):
                    each.is_probed = True
            case Purpose.CANARY:
                self.canary_at, self._canary_last = None, now
            case Purpose.REGULAR:
                pass
        resumes = self._pause is not None
        self._is_resuming |= resumes
        return Ticket(account, app, now, purpose, resumes)

    def _probed(self, account: Account, app: App | None) -> list[_Breaker]:
        """The open breakers on the way of a request for that app, from the outside in."""
        ways = (self._opened, self._refused.get(account), self._apps.get(app) if app is not None else None)
        return [each for each in ways if each is not None]

    # When a probe may go.

    @property
    def paused_until(self) -> float | None:
        """When the pause ends; in the past while the first request after it has not been answered."""
        return self._pause.until if self._pause is not None else None

    @property
    def is_open(self) -> bool:
        """Whether the whole connection is held back."""
        return self._opened is not None

    @property
    def opened_at(self) -> float:
        """Since when the whole connection is held back."""
        return self._opened.since if self._opened is not None else float("inf")

    @property
    def is_finding_out(self) -> bool:
        """Whether a request is under way whose answer decides for the whole connection."""
        return self._is_resuming or bool(self._trying) or (self._opened is not None and self._opened.is_probed)

    def probe_at(self, account: Account, app: App | None = None) -> float | None:
        """When the breaker on the way of these requests may be probed; None without one, or while it is probed."""
        breaker = next(iter(self._probed(account, app)), None)
        return breaker.probe_at if breaker is not None and not breaker.is_probed else None

    @property
    def is_proven(self) -> bool:
        """Whether an account is good."""
        return bool(self._good)

    def is_refused(self, account: Account) -> bool:
        """Whether the account's own breaker is open."""
        return account in self._refused

    def has_succeeded(self, account: Account) -> bool:
        """Whether the account has ever been good on this connection."""
        return account in self._succeeded

    def canary_account(self) -> Account | None:
        """The account that was good last."""
        return next(reversed(self._good), None)

    def no_canary(self, account: Account, now: float) -> None:
        """Learn that no ref is left for which the account could be asked: it does not count as good any more."""
        self._good.pop(account, None)
        if not self._good:
            self._open(HELD_BACK, now, tries=0)

    # What an answer changes.

    def abandon(self, ticket: Ticket) -> None:
        """Forget a request that ended without an answer, because it was cancelled or nobody wanted it any more."""
        self._end(ticket)
        if ticket.purpose is Purpose.CANARY and self._opened is None and self._good and self.canary_at is None:
            # It has found nothing out; another one does.
            self.canary_at = ticket.started + CANARY_INTERVAL

    def _end(self, ticket: Ticket) -> None:
        match ticket.purpose:
            case Purpose.FIRST:
                self._trying.pop(ticket.account, None)
                if self._opened is not None:
                    # A request without an answer leaves its place to another account.
                    self._tries += 1
                self.version += 1
            case Purpose.PROBE:
                for each in self._probed(ticket.account, ticket.app):
                    each.is_probed = False
            case _:
                pass
        if ticket.resumes:
            self._is_resuming = False

    def record(self, ticket: Ticket, outcome: Answer | Listed, now: float) -> None:
        """Learn from the answer to a request that was let through with `ticket`."""
        self._end(ticket)
        failure = outcome if isinstance(outcome, Failed) else None
        if failure is not None and ticket.app is None and _is_of_the_list(failure):
            # The request for one backup goes next, and decides for the refs.
            return
        self._end_pause(ticket, failure, now)
        if self._opened is not None and self._opened.failure.reason.facts.opens is Concerns.CONNECTION:
            self._learn_of_tls(ticket, failure)
        if failure is None or proves_token(failure):
            self._accept(ticket, failure, now)
        elif failure.reason.facts.opens is Concerns.ACCOUNT:
            self._refuse(ticket, failure, now)
        elif failure.reason.facts.opens is Concerns.CONNECTION:
            self._open(failure, now, tries=0)
        else:
            self._learn_nothing(ticket, failure, now)

    def _accept(self, ticket: Ticket, failure: Failed | None, now: float) -> None:
        """The token is good for this account."""
        account, app = ticket.account, ticket.app
        self._failures, self._last_failure = 0, None
        refusals = (self._opened, self._refused.get(account))
        if any(each is not None and ticket.started < each.since for each in refusals):
            # Sent before the refusal: what was true then says nothing of now.
            return
        if account in self._refused or self._opened is not None or not self._good:
            self.version += 1
        self._refused.pop(account, None)
        self._opened = None
        self._good.pop(account, None)
        self._good[account] = None
        self._succeeded.add(account)
        if app is None:
            return
        if failure is not None and failure.reason.facts.opens is Concerns.APP:
            self._apps[app] = _Breaker(failure, now, now + PROBE_INTERVAL)
            self.version += 1
        elif app in self._apps and ticket.started >= self._apps[app].since:
            del self._apps[app]
            self.version += 1

    def _refuse(self, ticket: Ticket, failure: Failed, now: float) -> None:
        """A 401: of this account, and of the connection when no other account is good."""
        account, is_news = ticket.account, ticket.account not in self._refused
        self._refused[account] = _Breaker(failure, now, now + PROBE_INTERVAL)
        self._good.pop(account, None)
        self.version += 1
        if self._opened is not None:
            self._opened.probe_at = now + PROBE_INTERVAL
            if ticket.purpose is Purpose.FIRST:
                self._tries = max(self._tries - 1, 0)
        elif ticket.purpose is Purpose.CANARY:
            self._open(failure, now, tries=0)
        elif not self._good:
            self._open(failure, now, tries=ACCOUNTS_TRIED)
        elif is_news and self.canary_at is None:
            self.canary_at = max(now, self._canary_last + CANARY_INTERVAL)

    def _open(self, failure: Failed, now: float, *, tries: int) -> None:
        self._opened = _Breaker(failure, now, now + PROBE_INTERVAL)
        self._tries = tries
        self.canary_at = None
        if failure.reason.facts.opens is Concerns.ACCOUNT:
            self._good.clear()
        self.version += 1

    def _learn_of_tls(self, ticket: Ticket, failure: Failed | None) -> None:
        """Close what a certificate has opened: any answer shows that the certificate was accepted."""
        answered = failure is None or failure.reason.facts.is_answer
        if answered and self._opened is not None and ticket.started >= self._opened.since:
            self._opened = None
            self.version += 1

    def _learn_nothing(self, ticket: Ticket, failure: Failed, now: float) -> None:
        """A refused account stays refused, and is probed again in a minute."""
        if ticket.purpose is Purpose.PROBE:
            for breaker in self._probed(ticket.account, ticket.app):
                breaker.probe_at = now + PROBE_INTERVAL
        if failure.pause is not None:
            # The server has said itself when to ask again.
            return
        if failure.reason.facts.pauses_connection or self._seems_away(ticket, failure):
            # Nobody waits in a long line for a server that does not answer, ten seconds each.
            self._pause_until(failure, now + RETRY_INTERVAL)

    def _seems_away(self, ticket: Ticket, failure: Failed) -> bool:
        # A list may fail by its size alone: only the request for one backup decides.
        if ticket.purpose is not Purpose.FIRST or ticket.app is None:
            return False
        limit = failure.reason.facts.absent_after
        is_same = self._last_failure is not None and self._last_failure.reason is failure.reason
        self._failures = self._failures + 1 if is_same else 1
        self._last_failure = failure
        return limit is not None and self._failures >= limit

    def _end_pause(self, ticket: Ticket, failure: Failed | None, now: float) -> None:
        if ticket.resumes and self._pause is not None and now >= self._pause.until:
            self._pause = None
            self.version += 1
        if failure is not None and failure.pause is not None and ticket.app is not None:
            self._pause_until(failure, now + failure.pause)

    def _pause_until(self, failure: Failed, until: float) -> None:
        if self._pause is None or until > self._pause.until:
            self._pause = _Pause(failure, until)
            self.version += 1

    # For the engine and the metrics.

    def is_forbidden(self, app: App) -> bool:
        """Whether the app's breaker is open, which only the request for a single backup can close."""
        return app in self._apps

    def retain(self, accounts: Container[Account], apps: Container[App]) -> None:
        """Forget all others: no ref names them any more."""
        for account in [each for each in self._refused if each not in accounts]:
            del self._refused[account]
        for account in [each for each in self._good if each not in accounts]:
            del self._good[account]
        if not self._good:
            # Nobody is left for whom a canary could find anything out.
            self.canary_at = None
        self._succeeded = {each for each in self._succeeded if each in accounts}
        for app in [each for each in self._apps if each not in apps]:
            del self._apps[app]

    @property
    def open_breakers(self) -> int:
        """How many breakers hold requests back: the connection's, or those of accounts; and those of apps."""
        return (1 if self._opened is not None else len(self._refused)) + len(self._apps)

    def state(self, now: float) -> State:
        """The connection's state: half-open while a request finds out, or has to before the others may go."""
        if self._pause is not None and now < self._pause.until:
            return State.PAUSED
        if self._opened is not None:
            is_probing = self._opened.is_probed or self._trying or now >= self._opened.probe_at
            return State.HALF_OPEN if is_probing else State.OPEN
        return State.CLOSED if self._good and self._pause is None else State.HALF_OPEN


def _is_of_the_list(failure: Failed) -> bool:
    """Whether a list's failure is its own: not what proves the token, nor what is about the certificate."""
    return not proves_token(failure) and failure.reason.facts.opens is not Concerns.CONNECTION
