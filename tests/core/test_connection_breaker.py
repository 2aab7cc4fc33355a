"""A connection whose token is not proven, or is refused: how many requests it may have, and who is told what."""

import pytest

from astra_mirror.core.circuit import State
from astra_mirror.core.connection_breaker import ACCOUNTS_TRIED
from astra_mirror.core.outcome import Answer, Failed, Listed, SyncReason
from astra_mirror.core.tickets import Hold, Purpose
from tests.core.breakers import AWAY, BREAKER, ERROR, EXPIRED, OK, UNAUTHORIZED, WAITS, Connection


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
