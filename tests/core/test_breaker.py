"""The circuit breakers of one connection: what a bad token, a wrong account, a 403 and a Retry-After change."""

from dataclasses import dataclass, field

import pytest

from astra_mirror.core.account_breakers import CANARY_INTERVAL
from astra_mirror.core.breaker import Breakers
from astra_mirror.core.circuit import State
from astra_mirror.core.connection_breaker import ACCOUNTS_TRIED
from astra_mirror.core.connection_pause import RETRY_INTERVAL
from astra_mirror.core.outcome import Answer, Failed, Listed, NotFound, SyncReason
from astra_mirror.core.tickets import HELD_BACK, Hold, Purpose, Ticket

UNAUTHORIZED = Failed(SyncReason.UNAUTHORIZED, "no", code=401)
FORBIDDEN = Failed(SyncReason.FORBIDDEN, "no", code=403)
AWAY = Failed(SyncReason.UNREACHABLE, "away")
ERROR = Failed(SyncReason.SERVER_ERROR, "no", code=500)
EXPIRED = Failed(SyncReason.TLS_VERIFICATION_FAILED, "expired")
OK = NotFound("an answer to a good token")
BREAKER = Hold(HELD_BACK)
WAITS = Hold(None)


@dataclass
class Connection:
    """Breakers, and requests that are let through and answered in one go, or apart."""

    breakers: Breakers = field(default_factory=Breakers)

    def hold(self, account: str = "A", now: float = 0.0, app: str | None = "app") -> Hold | None:
        """What a request would meet."""
        return self.breakers.hold(account, app and (account, app), now)

    def send(
        self, account: str = "A", now: float = 0.0, purpose: Purpose | None = None, app: str | None = "app"
    ) -> Ticket:
        """Let one go."""
        return self.breakers.start(account, app and (account, app), now, purpose)

    def ask(
        self,
        answer: Answer | Listed,
        account: str = "A",
        now: float = 0.0,
        purpose: Purpose | None = None,
        app: str | None = "app",
    ) -> None:
        """Let one go, and answer it."""
        self.breakers.record(self.send(account, now, purpose, app), answer, now)


@pytest.fixture
def new() -> Connection:
    """A connection of which nothing is proven."""
    return Connection()


@pytest.fixture
def good() -> Connection:
    """A connection on which the accounts A, B and C are good, C last."""
    connection = Connection()
    for account in "ABC":
        connection.ask(OK, account)
    return connection


def test_a_new_connection_is_tried_by_one_request(new: Connection) -> None:
    """Until the first answer only one request is under way; then all may go."""
    assert new.breakers.may_start(0)
    assert new.breakers.state(0) is State.HALF_OPEN
    first = new.send()
    assert not new.breakers.may_start(0)
    new.breakers.record(first, OK, 1)
    assert new.breakers.may_start(1)
    assert new.hold("B") is None
    assert new.breakers.state(1) is State.CLOSED
    assert new.breakers.open_breakers == 0


@pytest.mark.parametrize(
    "proof",
    [
        OK,
        Listed(1, {}, 0),
        Failed(SyncReason.FORBIDDEN, "no", code=403),
        Failed(SyncReason.INVALID_REQUEST, "no", code=400),
        Failed(SyncReason.UNEXPECTED_RESPONSE, "no JSON", code=200),
    ],
)
def test_what_proves_a_token(new: Connection, proof: Answer | Listed) -> None:
    """Any 2xx, whatever is wrong with its body; 403, 400, a problem document 404; of a list as well."""
    new.ask(proof, app=None if isinstance(proof, Listed) else "app")
    assert new.breakers.is_proven


@pytest.mark.parametrize(
    "answer",
    [AWAY, ERROR, Failed(SyncReason.UNEXPECTED_RESPONSE, "302", code=302), Failed(SyncReason.RATE_LIMITED, "no")],
)
def test_what_proves_nothing(new: Connection, answer: Failed) -> None:
    """The next request is again the only one."""
    new.ask(answer)
    assert not new.breakers.is_proven
    assert new.breakers.may_start(60)
    new.send(now=60)
    assert not new.breakers.may_start(60)


# A 401 while another account is good.


def test_a_401_stops_its_own_account(good: Connection) -> None:
    """The others go on, and a canary for the one that was good last goes at once."""
    good.ask(UNAUTHORIZED, "A", 10)
    assert good.hold("A") == BREAKER
    assert good.hold("B") is None
    assert good.breakers.state(10) is State.CLOSED
    assert good.breakers.open_breakers == 1
    assert good.breakers.canary_at == 10
    assert good.breakers.canary_account() == "C"


def test_the_canary_is_for_the_account_that_was_good_last(good: Connection) -> None:
    """Not for the one that was good first, or named last."""
    good.ask(OK, "B", 5)
    good.ask(UNAUTHORIZED, "A", 10)
    assert good.breakers.canary_account() == "B"
    good.ask(UNAUTHORIZED, "B", 11)
    assert good.breakers.canary_account() == "C"


def test_a_canary_that_proves_the_token_leaves_the_others_alone(good: Connection) -> None:
    """And the refused account stays refused."""
    good.ask(UNAUTHORIZED, "A", 10)
    good.ask(OK, "C", 10, Purpose.CANARY)
    assert good.hold("A") == BREAKER
    assert good.hold("B") is None
    assert good.breakers.canary_at is None


def test_a_canary_that_is_refused_opens_the_connection(good: Connection) -> None:
    """Everybody waits, also those of whom nobody has asked."""
    good.ask(UNAUTHORIZED, "A", 10)
    good.ask(UNAUTHORIZED, "C", 10, Purpose.CANARY)
    assert [good.hold(each) for each in "ABCD"] == [BREAKER] * 4
    assert good.breakers.open_breakers == 1
    assert good.breakers.state(10) is State.OPEN
    assert good.breakers.probe_at("B") == 70


@pytest.mark.parametrize("answer", [AWAY, ERROR, Failed(SyncReason.UNEXPECTED_RESPONSE, "302", code=302)])
def test_a_canary_that_says_nothing_decides_nothing(good: Connection, answer: Failed) -> None:
    """Neither way."""
    good.ask(UNAUTHORIZED, "A", 10)
    good.ask(answer, "C", 10, Purpose.CANARY)
    assert good.hold("A") == BREAKER
    assert good.hold("B") is None
    assert good.breakers.canary_at is None


def test_one_canary_in_ten_seconds(good: Connection) -> None:
    """A 401 in between waits for the next one, its account refused meanwhile."""
    good.ask(UNAUTHORIZED, "A", 10)
    canary = good.send("C", 10, Purpose.CANARY)
    good.ask(UNAUTHORIZED, "B", 11)
    assert good.hold("B") == BREAKER
    assert good.breakers.canary_at == 10 + CANARY_INTERVAL
    good.breakers.record(canary, OK, 12)
    assert good.breakers.canary_at == 10 + CANARY_INTERVAL
    good.ask(UNAUTHORIZED, "D", 13)
    assert good.breakers.canary_at == 10 + CANARY_INTERVAL
    assert good.hold("C") is None


def test_the_probe_of_a_refused_account_needs_no_canary(good: Connection) -> None:
    """That it is refused is known."""
    good.ask(UNAUTHORIZED, "A", 10)
    good.ask(OK, "C", 10, Purpose.CANARY)
    assert good.breakers.probe_at("A") == 70
    probe = good.send("A", 70, Purpose.PROBE)
    assert good.breakers.probe_at("A") is None
    good.breakers.record(probe, UNAUTHORIZED, 71)
    assert good.breakers.canary_at is None
    assert good.breakers.probe_at("A") == 131
    good.ask(OK, "A", 131, Purpose.PROBE)
    assert good.hold("A", 131) is None


def test_the_last_good_accounts_own_401_opens_the_connection() -> None:
    """There is nobody to compare with."""
    only = Connection()
    only.ask(OK)
    only.ask(UNAUTHORIZED, now=10)
    assert only.breakers.is_open
    assert only.breakers.canary_at is None


def test_an_account_without_a_ref_is_no_canary(good: Connection) -> None:
    """It does not count as good any more; without any the connection is open."""
    good.ask(UNAUTHORIZED, "A", 10)
    good.breakers.no_canary("C", 10)
    assert good.breakers.canary_account() == "B"
    good.breakers.no_canary("B", 10)
    assert good.breakers.is_open


def test_an_answer_from_before_the_refusal_proves_nothing(good: Connection) -> None:
    """A token that is revoked while requests are under way is not good because of them."""
    before = good.send("A", 9)
    good.ask(UNAUTHORIZED, "A", 10)
    good.breakers.record(before, OK, 11)
    assert good.hold("A", 11) == BREAKER


# A 401 before anything is proven.


def test_after_the_first_401_four_other_accounts_are_tried_at_once(new: Connection) -> None:
    """A fifth one waits, and shows what it shows; the refused one is told."""
    new.ask(UNAUTHORIZED, "A")
    assert new.hold("A") == BREAKER
    others = "BCDE"
    assert len(others) == ACCOUNTS_TRIED
    tickets = []
    for each in others:
        assert new.hold(each) is None
        tickets.append(new.send(each))
    assert new.hold("F") == WAITS
    assert new.hold("B") == WAITS
    assert new.breakers.is_testing
    new.breakers.record(tickets[0], UNAUTHORIZED, 1)
    assert new.hold("F") == WAITS
    new.breakers.record(tickets[1], OK, 1)
    assert new.hold("F") is None
    assert new.hold("B") == BREAKER
    assert not new.breakers.is_open


def test_when_all_of_them_are_refused_the_connection_is_open(new: Connection) -> None:
    """One probe a minute, and those for whom nothing was asked are told so."""
    new.ask(UNAUTHORIZED, "A")
    for ticket in [new.send(each, 1) for each in "BCDE"]:
        new.breakers.record(ticket, UNAUTHORIZED, 2)
    assert new.hold("F") == BREAKER
    assert new.breakers.state(2) is State.OPEN
    assert new.breakers.probe_at("F") == 62
    new.ask(UNAUTHORIZED, "F", 62, Purpose.PROBE)
    assert new.breakers.probe_at("G") == 122
    new.ask(OK, "G", 122, Purpose.PROBE)
    assert new.hold("H", 122) is None
    assert new.hold("F", 122) == BREAKER


def test_one_of_them_that_says_nothing_leaves_its_place_to_another(new: Connection) -> None:
    """Only a 401 counts as refused."""
    new.ask(UNAUTHORIZED, "A")
    for ticket in [new.send(each) for each in "BCDE"]:
        new.breakers.record(ticket, ERROR if ticket.account == "B" else UNAUTHORIZED, 1)
    assert new.hold("F") is None
    new.send("F", 1)
    assert new.hold("G") == WAITS


# The certificate.


def test_a_certificate_that_is_not_trusted_opens_the_connection(good: Connection) -> None:
    """As a 401 does, and at once; everybody shows why."""
    good.ask(EXPIRED, "A", 10)
    assert [good.hold(each) for each in "ABD"] == [Hold(EXPIRED)] * 3
    assert good.breakers.probe_at("B") == 70
    good.ask(AWAY, "B", 70, Purpose.PROBE)
    assert good.hold("A") == Hold(EXPIRED)
    assert good.breakers.probe_at("B") == 130
    good.ask(ERROR, "B", 130, Purpose.PROBE)
    assert good.hold("A", 130) is None


def test_a_list_can_find_it_as_well(new: Connection) -> None:
    """It is the server's, whatever is asked of it."""
    new.ask(EXPIRED, app=None)
    assert new.hold("B") == Hold(EXPIRED)


# Forbidden apps.


def test_a_403_closes_one_app_only(good: Connection) -> None:
    """The other apps of the account go on, and so does its list."""
    good.ask(FORBIDDEN, "A", 10)
    assert good.hold("A") == Hold(FORBIDDEN)
    assert good.hold("A", app="other") is None
    assert good.hold("A", app=None) is None
    assert good.breakers.is_forbidden(("A", "app"))
    assert good.breakers.probe_at("A", ("A", "app")) == 70
    good.ask(OK, "A", 70, Purpose.PROBE)
    assert good.hold("A") is None


@pytest.mark.parametrize("refusal", [UNAUTHORIZED, FORBIDDEN])
@pytest.mark.parametrize("reason", ["Unreachable", "ServerError", "RateLimited", "UnexpectedResponse", "URLNotAllowed"])
def test_a_probe_that_proves_nothing_leaves_the_next_one_a_minute_away(
    good: Connection, refusal: Failed, reason: str
) -> None:
    """Whatever else goes wrong, a refused account or app costs one request a minute."""
    good.ask(refusal, "A", 0)
    good.ask(Failed(SyncReason(reason), "no"), "A", 60, Purpose.PROBE)
    assert good.hold("A", 62) is not None
    assert good.breakers.probe_at("A", ("A", "app")) == 120


# Lists.


@pytest.mark.parametrize("retry_after", [None, 3600.0])
@pytest.mark.parametrize(
    "reason",
    ["Unauthorized", "Forbidden", "InvalidRequest", "RateLimited", "ServerError", "UnexpectedResponse", "Unreachable"],
)
def test_a_list_that_fails_concerns_that_list(
    good: Connection, new: Connection, reason: str, retry_after: float | None
) -> None:
    """It refuses nobody, pauses nothing, and leaves the way to the single request."""
    failure = Failed(SyncReason(reason), "no", retry_after)
    good.ask(failure, app=None)
    assert good.hold() is None
    assert good.breakers.state(0) is State.CLOSED
    new.ask(failure, app=None)
    assert new.hold() is None
    assert new.breakers.may_start(0)


def test_a_403_for_a_list_closes_nothing(good: Connection) -> None:
    """It proves the token, and only means that the backups have to be asked for one by one."""
    good.ask(FORBIDDEN, "A", app=None)
    assert good.hold() is None
    assert not good.breakers.is_forbidden(("A", "app"))


# Pauses.


@pytest.mark.parametrize(("asked", "waited"), [(30, 30), (999_999, 3600)])
@pytest.mark.parametrize("reason", [SyncReason.RATE_LIMITED, SyncReason.SERVER_ERROR])
def test_retry_after_holds_the_connection(good: Connection, reason: SyncReason, asked: float, waited: float) -> None:
    """Everybody waits as long as the remote asks, an hour at the most, and a shorter wish does not cut it."""
    failure = Failed(reason, "slowly", asked)
    tickets = good.send("A"), good.send("B")
    good.breakers.record(tickets[0], failure, 0)
    good.breakers.record(tickets[1], Failed(reason, "slowly", 1), 0)
    assert good.hold("C", waited - 1) == Hold(failure)
    assert good.breakers.state(waited - 1) is State.PAUSED
    assert good.hold("C", waited) is None


def test_a_pause_ends_with_one_request(good: Connection) -> None:
    """The others wait for its answer."""
    good.ask(Failed(SyncReason.RATE_LIMITED, "slowly", 30), "A", 0)
    assert good.breakers.state(30) is State.HALF_OPEN
    assert good.breakers.may_start(30)
    first = good.send("B", 30)
    assert not good.breakers.may_start(30)
    good.breakers.record(first, OK, 31)
    assert good.breakers.may_start(31)
    assert good.breakers.state(31) is State.CLOSED


def test_a_pause_that_is_asked_for_again_goes_on(good: Connection) -> None:
    """One request each time."""
    slowly = Failed(SyncReason.RATE_LIMITED, "slowly", 30)
    good.ask(slowly, "A", 0)
    good.ask(slowly, "B", 30)
    assert good.hold("C", 59) == Hold(slowly)
    assert good.hold("C", 60) is None


@pytest.mark.parametrize("retry_after", [0.0, -3.0, None])
def test_a_429_without_a_time_is_a_short_pause_for_all(good: Connection, retry_after: float | None) -> None:
    """Nobody goes on at full speed against a server that asks for fewer requests."""
    limited = Failed(SyncReason.RATE_LIMITED, "no", retry_after)
    good.ask(limited, "A", 10)
    assert good.hold("B", 11) == Hold(limited)
    assert good.hold("B", 10 + RETRY_INTERVAL) is None


def test_a_refusal_is_what_is_shown_in_a_pause(good: Connection) -> None:
    """It lasts longer, and needs the user."""
    good.ask(UNAUTHORIZED, "A", 0)
    good.ask(Failed(SyncReason.RATE_LIMITED, "slowly", 30), "B", 0)
    assert good.hold("A", 1) == BREAKER


# A server that is away.


def test_an_outage_says_nothing_of_the_token(new: Connection) -> None:
    """A new connection whose server is away stays half open: one request at a time, and those who wait are told."""
    new.ask(AWAY, now=10)
    assert new.hold(now=10) == Hold(AWAY)
    assert new.breakers.open_breakers == 0
    new.send(now=10 + RETRY_INTERVAL)
    assert not new.breakers.may_start(10 + RETRY_INTERVAL)


def test_a_server_that_only_fails_counts_as_away(new: Connection) -> None:
    """Nobody waits in a long line for one error after the other; but one alone may be about one backup."""
    for number in range(3):
        assert new.hold(now=number) is None
        new.ask(ERROR, now=number)
    assert new.hold("B", 3) == Hold(ERROR)


def test_a_server_that_names_its_own_pause_is_asked_when_that_ends(new: Connection) -> None:
    """However often it fails: a pause of the operator's own does not come on top."""
    busy = Failed(SyncReason.SERVER_ERROR, "no", 3, 503)
    for number in range(5):
        assert new.hold(now=3 * number) is None
        new.ask(busy, now=3 * number)
        assert new.hold(now=3 * number + 2.9) == Hold(busy)
    assert new.hold(now=15) is None


# What is cancelled, and what is forgotten.


def test_a_cancelled_request_lets_the_next_one_go(new: Connection, good: Connection) -> None:
    """A request that ends without an answer does not block the connection for ever."""
    new.breakers.abandon(new.send())
    assert new.breakers.may_start(0)
    good.ask(Failed(SyncReason.RATE_LIMITED, "slowly", 30), "A", 0)
    good.breakers.abandon(good.send("B", 30))
    assert good.breakers.may_start(30)
    good.ask(OK, "B", 30)
    good.ask(UNAUTHORIZED, "A", 31)
    good.breakers.abandon(good.send("A", 91, Purpose.PROBE))
    assert good.breakers.probe_at("A") == 91


def test_what_nobody_names_any_more_is_forgotten(good: Connection) -> None:
    """Wrong accounts and forbidden apps of refs that are gone hold nothing, and cost nothing."""
    good.ask(UNAUTHORIZED, "A")
    good.ask(FORBIDDEN, "B")
    good.breakers.retain({"B", "C"}, set())
    assert good.breakers.open_breakers == 0
    assert good.hold("A") is None


def test_the_version_moves_with_what_holds(good: Connection) -> None:
    """And with nothing else: a poll that goes well costs no second look."""
    before = good.breakers.version
    good.ask(OK, "A")
    good.ask(ERROR, "A")
    assert good.breakers.version == before
    for answer in (UNAUTHORIZED, FORBIDDEN, EXPIRED):
        good.ask(answer, "B")
        assert good.breakers.version > before
        before = good.breakers.version
