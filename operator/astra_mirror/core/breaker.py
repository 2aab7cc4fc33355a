"""The circuit breakers and the pause of one connection: which requests may be sent, and how a response changes that.

Two rules explain the rest. An account is good from a response that proves the token until its own 401. While one
account is good, a 401 stops its own account only: a wrong accountID in one ref must not stop those whose token is good.

    state      when                           permitted requests
    half-open  no account has been good yet   one request at a time, until the first proof or 401
    closed     an account is good             all but those of refused accounts and forbidden apps, which are probed
    open       no account is good any more    up to four accounts that were not tried yet; then one probe a minute
    paused     Retry-After                    none until it ends, then one; after its response, all

An open connection whose probe is in flight or due is half-open as well. Times are monotonic seconds, passed in. What is
held back waits outside of this module: see core.held_requests.
"""

from collections.abc import Container

from astra_mirror.core.account_breakers import AccountBreakers
from astra_mirror.core.app_breakers import AppBreakers
from astra_mirror.core.circuit import OpenBreaker, State
from astra_mirror.core.connection_breaker import ACCOUNTS_TRIED, ConnectionBreaker
from astra_mirror.core.connection_pause import ConnectionPause
from astra_mirror.core.outcome import Answer, Failed, Listed, proves_token
from astra_mirror.core.reasons import Concerns
from astra_mirror.core.server_absence import ServerAbsence
from astra_mirror.core.tickets import HELD_BACK, Account, App, Hold, Purpose, Ticket


class Breakers:
    """The state of one connection. Not for concurrent use from several threads.

    Attributes:
        connection, accounts, apps: the breakers; others only read them.
    """

    def __init__(self) -> None:
        self.connection = ConnectionBreaker()
        self.accounts = AccountBreakers()
        self.apps = AppBreakers()
        self._pause = ConnectionPause()
        self._absence = ServerAbsence()

    @property
    def version(self) -> int:
        """A number that grows with each change of the results of `hold`."""
        return self.connection.version + self.accounts.version + self.apps.version + self._pause.version

    # Permitted requests.

    def may_start(self, now: float) -> bool:
        """Whether a request may be taken from the queue; False while the outcome of a single request is awaited."""
        if self._pause.hold(now) is not None:
            # During a pause, requests are taken only to be held back, so that their refs show the reason.
            return True
        is_alone = self.connection.is_trying and not (self.is_open or self.is_proven)
        return not self._pause.is_resuming and not is_alone

    def hold(self, account: Account, app: App | None, now: float) -> Hold | None:
        """Why a request has to wait; None if it may start.

        Args:
            account: the account whose backups are requested.
            app: the app whose backup is requested; None for a list.
            now: monotonic seconds.
        """
        return self._refusal(account, app) or self._pause.hold(now)

    def _refusal(self, account: Account, app: App | None) -> Hold | None:
        if self.is_open:
            return self.connection.hold(account, is_refused=self.is_refused(account))
        if self.is_refused(account):
            return Hold(HELD_BACK)
        breaker = self.apps.of(app)
        return Hold(breaker.failure) if breaker is not None else None

    def start(self, account: Account, app: App | None, now: float, purpose: Purpose | None = None) -> Ticket:
        """Register a request that is sent; `record` or `abandon` must follow. Without `purpose` the state decides."""
        if purpose is None:
            purpose = Purpose.FIRST if self.is_open or not self.is_proven else Purpose.REGULAR
        match purpose:
            case Purpose.FIRST:
                self.connection.start(account)
            case Purpose.PROBE:
                for each in self._probed(account, app):
                    each.is_probed = True
            case Purpose.CANARY:
                self.accounts.canary_started(now)
            case Purpose.REGULAR:
                pass
        return Ticket(account, app, now, purpose, resumes=self._pause.start())

    def _probed(self, account: Account, app: App | None) -> list[OpenBreaker]:
        """The open breakers that apply to a request for that app, outermost first."""
        breakers = (self.connection.opened, self.accounts.of(account), self.apps.of(app))
        return [each for each in breakers if each is not None]

    # When a probe or a canary request may be sent.

    @property
    def paused_until(self) -> float | None:
        """When the pause ends; in the past until the first request after it has a response."""
        return self._pause.until

    @property
    def is_open(self) -> bool:
        """Whether the breaker of the whole connection is open."""
        return self.connection.opened is not None

    @property
    def opened_at(self) -> float:
        """Since when the breaker of the whole connection is open."""
        opened = self.connection.opened
        return opened.since if opened is not None else float("inf")

    @property
    def is_testing(self) -> bool:
        """Whether a request is in flight whose response decides for the whole connection."""
        return self._pause.is_resuming or self.connection.is_testing

    def probe_at(self, account: Account, app: App | None = None) -> float | None:
        """When the outermost open breaker of these requests may be probed; None without one, or while it is probed."""
        breaker = next(iter(self._probed(account, app)), None)
        return breaker.probe_at if breaker is not None and not breaker.is_probed else None

    @property
    def is_proven(self) -> bool:
        """Whether an account is good."""
        return self.accounts.is_proven

    def is_refused(self, account: Account) -> bool:
        """Whether the account's own breaker is open."""
        return self.accounts.of(account) is not None

    def has_succeeded(self, account: Account) -> bool:
        """Whether the account has ever been good on this connection."""
        return self.accounts.has_succeeded(account)

    @property
    def canary_at(self) -> float | None:
        """When the next canary request is due; None if none is needed."""
        return self.accounts.canary_at

    def canary_account(self) -> Account | None:
        """The account that was good last."""
        return self.accounts.good_last()

    def no_canary(self, account: Account, now: float) -> None:
        """Stop treating the account as good, because no ref is left to poll for it."""
        self.accounts.doubt(account)
        if not self.is_proven:
            self._open(HELD_BACK, now, tries=0)

    # Changes by a response.

    def abandon(self, ticket: Ticket) -> None:
        """Forget a request that ended without a response, because it was cancelled or no longer needed."""
        self._end(ticket)
        if ticket.purpose is Purpose.CANARY and not self.is_open:
            self.accounts.canary_lost(ticket.started)

    def _end(self, ticket: Ticket) -> None:
        if ticket.purpose is Purpose.FIRST:
            self.connection.end(ticket.account)
        elif ticket.purpose is Purpose.PROBE:
            for each in self._probed(ticket.account, ticket.app):
                each.is_probed = False
        self._pause.end(ticket)

    def record(self, ticket: Ticket, outcome: Answer | Listed, now: float) -> None:
        """Update the breakers after the response to the request of `ticket`."""
        self._end(ticket)
        failure = outcome if isinstance(outcome, Failed) else None
        if failure is not None and ticket.is_of_the_list_alone(failure):
            # A request for a single backup follows, and its result applies to the refs.
            return
        self._pause.learn(ticket, failure, now)
        self.connection.learn_of_certificate(ticket, failure)
        if failure is None or proves_token(failure):
            self._accept(ticket, failure, now)
        elif failure.reason.facts.opens is Concerns.ACCOUNT:
            self._refuse(ticket, failure, now)
        elif failure.reason.facts.opens is Concerns.CONNECTION:
            self._open(failure, now, tries=0)
        else:
            self._learn_nothing(ticket, failure, now)

    def _accept(self, ticket: Ticket, failure: Failed | None, now: float) -> None:
        """Record that the token is good for this account."""
        self._absence.answered()
        refusals = (self.connection.opened, self.accounts.of(ticket.account))
        if any(each is not None and ticket.started < each.since for each in refusals):
            # The request was sent before the refusal, so its success is no evidence for the present.
            return
        self.accounts.accept(ticket.account)
        self.connection.close()
        self.apps.learn(ticket, failure, now)

    def _refuse(self, ticket: Ticket, failure: Failed, now: float) -> None:
        """Open the breaker of the account after a 401, or that of the connection if no other account is good."""
        is_news = self.accounts.refuse(ticket.account, failure, now)
        if self.is_open:
            self.connection.refused_again(ticket, now)
        elif ticket.purpose is Purpose.CANARY:
            self._open(failure, now, tries=0)
        elif not self.is_proven:
            self._open(failure, now, tries=ACCOUNTS_TRIED)
        elif is_news:
            self.accounts.schedule_canary(now)

    def _open(self, failure: Failed, now: float, *, tries: int) -> None:
        self.connection.open(failure, now, tries=tries)
        self.accounts.canary_at = None
        if failure.reason.facts.opens is Concerns.ACCOUNT:
            self.accounts.doubt_all()

    def _learn_nothing(self, ticket: Ticket, failure: Failed, now: float) -> None:
        """Handle a failure that says nothing about the token: delay the next probe, or pause the connection."""
        if ticket.purpose is Purpose.PROBE:
            for breaker in self._probed(ticket.account, ticket.app):
                breaker.probe_later(now)
        if failure.pause is not None:
            # `_pause.learn` has applied the Retry-After already.
            return
        if failure.reason.facts.pauses_connection or self._absence.failed(ticket, failure):
            # Otherwise each queued request would wait ten seconds for a server that does not respond.
            self._pause.retry_later(failure, now)

    # For the engine and the metrics.

    def retain(self, accounts: Container[Account], apps: Container[App]) -> None:
        """Remove what is known of other accounts and apps, because no ref names them."""
        self.accounts.retain(accounts)
        self.apps.retain(apps)

    @property
    def open_breakers(self) -> int:
        """The number of open breakers: one for the connection, or one for each account; plus one for each app."""
        return (1 if self.is_open else len(self.accounts)) + len(self.apps)

    def state(self, now: float) -> State:
        """The connection's state: half-open while a request that decides about the others is in flight or due."""
        if self._pause.hold(now) is not None:
            return State.PAUSED
        opened = self.connection.opened
        if opened is not None:
            is_probing = self.connection.is_testing or now >= opened.probe_at
            return State.HALF_OPEN if is_probing else State.OPEN
        return State.CLOSED if self.is_proven and self.paused_until is None else State.HALF_OPEN
