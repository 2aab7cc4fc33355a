"""What is said of a connection: first answer, failure, recovery; each once, and one pair a minute."""

from itertools import pairwise
from typing import Any

import pytest

from astra_mirror.core.backup import Backup
from astra_mirror.core.journal.connections import Answers, Change, Closes, ConnectionJournal, Fails, Recovers
from astra_mirror.core.outcome import Failed, Listed, NotFound, Observed, SyncReason, Unchanged

GOOD = Observed(Backup("id", "running"))
AWAY = Failed(SyncReason.UNREACHABLE, "no response")
ERROR = Failed(SyncReason.SERVER_ERROR, "an error", code=503)
REFUSED = Failed(SyncReason.UNAUTHORIZED, "the token is refused", code=401)
PAGE = Failed(SyncReason.UNEXPECTED_RESPONSE, "a page", code=404)
UNTRUSTED = Failed(SyncReason.TLS_VERIFICATION_FAILED, "not trusted")


class Connection:
    """One connection, and all that was said of it with the times."""

    def __init__(self) -> None:
        self.journal = ConnectionJournal()
        self.opened_by: Failed | None = None
        self.said: list[tuple[float, Change]] = []

    def ends(self, at: float, outcome: Any, *, sent: float | None = None, key: str = "a") -> None:
        """A request ends."""
        self.journal.record(key, outcome, sent=at if sent is None else sent, now=at)
        self.look(at)

    def look(self, at: float) -> None:
        """Say what has to be said."""
        change = self.journal.change(self.opened_by, at)
        if change is not None:
            self.journal.said(change, at)
            self.said.append((at, change))
            assert self.journal.change(self.opened_by, at) is None, "once"

    def opens(self, at: float, failure: Failed) -> None:
        """Its breaker opens."""
        self.opened_by = failure
        self.look(at)

    def closes(self, at: float) -> None:
        """Its breaker closes."""
        self.opened_by = None
        self.look(at)


@pytest.fixture
def connection() -> Connection:
    """A new one."""
    return Connection()


@pytest.fixture
def good() -> Connection:
    """One that has answered."""
    connection = Connection()
    connection.ends(0, GOOD)
    assert connection.said == [(0, Answers())]
    connection.said.clear()
    return connection


@pytest.mark.parametrize(
    "outcome",
    [
        GOOD,
        Unchanged(),
        NotFound("no such backup"),
        Listed(1, {}, 0),
        Failed(SyncReason.FORBIDDEN, "not this app", code=403),
        Failed(SyncReason.INVALID_REQUEST, "not an id", code=400),
        Failed(SyncReason.UNEXPECTED_RESPONSE, "no JSON", code=200),
    ],
)
def test_the_first_answer(connection: Connection, outcome: Any) -> None:
    """Whatever proves the token is an answer, and no failure of the connection; the second one is no news."""
    connection.ends(1, outcome)
    connection.ends(2, outcome)
    assert connection.said == [(1, Answers())]


@pytest.mark.parametrize(
    "failure",
    [AWAY, ERROR, Failed(SyncReason.RATE_LIMITED, "fewer", code=429), Failed(SyncReason.URL_NOT_ALLOWED, "no")],
)
def test_failure_and_recovery(good: Connection, failure: Failed) -> None:
    """One line each, and nothing while nothing changes."""
    for at in range(10, 100, 10):
        good.ends(at, failure)
    good.ends(130, GOOD)
    good.ends(140, GOOD)
    assert good.said == [(10, Fails(failure, opens=False)), (130, Recovers(120, closes=False))]


@pytest.mark.parametrize("outcome", [PAGE, REFUSED, Failed(SyncReason.FORBIDDEN, "no", code=403), NotFound("none")])
def test_what_concerns_one_request_is_no_failure(good: Connection, outcome: Any) -> None:
    """A 404, a 403 of an app, a bad body; a 401 is one of an account until it opens the breaker of the connection."""
    for at in range(10):
        good.ends(at, outcome)
    assert good.said == []


def test_a_request_that_was_sent_later_decides(good: Connection) -> None:
    """It has failed when none sent later has succeeded, and answers again when one sent later does."""
    good.ends(12, GOOD, sent=5, key="b")
    good.ends(13, AWAY, sent=3)
    assert good.said == []
    good.ends(23, AWAY, sent=13, key="c")
    good.ends(24, GOOD, sent=12, key="b")
    good.ends(25, GOOD, sent=13, key="b")
    assert good.said == [(23, Fails(AWAY, opens=False))]
    good.ends(26, GOOD, sent=14, key="b")
    assert good.said[1:] == [(26, Recovers(3, closes=False))]


def test_one_pair_a_minute(good: Connection) -> None:
    """What moves every second is said twice a minute, and at the minute's end as it is then."""
    for at in range(10, 610):
        good.ends(at, GOOD if at % 2 else AWAY)
    fails = [at for at, each in good.said if isinstance(each, Fails)]
    assert len(fails) == 10
    assert all(later - earlier >= 60 for earlier, later in pairwise(fails))
    assert len(good.said) - len(fails) in {9, 10}


def test_the_end_of_the_minute(good: Connection) -> None:
    """One line if the state differs from what was said, and none if it does not."""
    good.ends(10, AWAY)
    good.ends(11, GOOD)
    assert good.journal.due_at is None
    good.ends(12, AWAY)
    assert good.journal.due_at == 70
    good.look(69)
    assert len(good.said) == 2
    good.look(70)
    assert good.said[2:] == [(70, Fails(AWAY, opens=False))]
    assert good.journal.due_at is None
    good.ends(71, GOOD)
    good.ends(72, AWAY)
    good.ends(73, GOOD)
    assert good.journal.due_at is None
    good.look(200)
    assert good.said[3:] == [(71, Recovers(59, closes=False))]


def test_a_connection_that_has_never_answered(connection: Connection) -> None:
    """It fails first, and then answers again: that is its first answer, and one line."""
    connection.ends(1, AWAY)
    connection.ends(5, GOOD)
    assert connection.said == [(1, Fails(AWAY, opens=False)), (5, Recovers(4, closes=False))]


def test_an_address_that_is_not_astra_control(connection: Connection) -> None:
    """Three unusable responses in a row, and none that was usable ever."""
    connection.ends(1, PAGE)
    connection.ends(2, PAGE)
    assert connection.said == []
    connection.ends(3, PAGE)
    connection.ends(4, PAGE)
    assert connection.said == [(3, Fails(PAGE, opens=False))]


def test_what_one_request_gives_again_and_again(good: Connection) -> None:
    """One backup that always gives a 500, while others succeed, is said once."""
    for at in range(10, 1000, 10):
        good.ends(at, ERROR, key="a")
        good.ends(at + 1, GOOD, key="b")
    assert good.said == [(10, Fails(ERROR, opens=False)), (11, Recovers(1, closes=False))]
    # When nothing else succeeds any more, it counts.
    good.ends(1000, ERROR, key="a")
    good.ends(1010, ERROR, key="a")
    assert good.said[2:] == [(1010, Fails(ERROR, opens=False))]


def test_its_own_success_is_what_counts_for_a_request(good: Connection) -> None:
    """One that has succeeded meanwhile, and fails anew, is a failure of the connection."""
    good.ends(10, ERROR)
    good.ends(20, GOOD)
    good.ends(100, ERROR)
    assert [type(each) for _, each in good.said] == [Fails, Recovers, Fails]


def test_many_requests_that_fail_cost_little_memory(good: Connection) -> None:
    """Of thousands the latest are known."""
    for number in range(10_000):
        good.ends(10 + number / 1000, AWAY, key=str(number))
    assert len(good.journal._faulty) <= 256


def test_its_breaker_opens_and_closes(good: Connection) -> None:
    """Each is one line with the failure and the recovery, and the limit of a minute does not hold it back."""
    good.ends(10, ERROR)
    good.ends(11, GOOD)
    good.ends(12, REFUSED)
    good.opens(12, REFUSED)
    good.ends(72, REFUSED)
    assert good.journal.is_open
    good.ends(132, GOOD)
    good.closes(132)
    assert good.said[2:] == [(12, Fails(REFUSED, opens=True)), (132, Recovers(120, closes=True))]
    assert not good.journal.is_open


def test_a_breaker_that_opens_while_it_fails(good: Connection) -> None:
    """It has failed since the first failure."""
    good.ends(10, ERROR)
    good.ends(40, REFUSED)
    good.opens(40, REFUSED)
    good.ends(100, GOOD)
    good.closes(100)
    assert good.said[1:] == [(40, Fails(REFUSED, opens=True)), (100, Recovers(90, closes=True))]


def test_a_breaker_that_closes_while_it_fails(good: Connection) -> None:
    """The certificate is trusted again, and the server has an error."""
    good.opened_by = UNTRUSTED
    good.ends(10, UNTRUSTED)
    assert good.said == [(10, Fails(UNTRUSTED, opens=True))]
    good.ends(70, ERROR)
    good.closes(70)
    good.ends(80, GOOD)
    assert good.said[-2:] == [(70, Closes(ERROR)), (80, Recovers(70, closes=False))]
