"""Whether Astra Control answers on a connection: a failing one, and one that is silent for long, are told apart."""

import pytest

from astra_mirror.core.outcome import Answer, Failed, NotFound, Unchanged
from astra_mirror.core.reachability import RECENT_SECONDS, Reach, Reachability
from astra_mirror.core.reasons import SyncReason

AWAY = Failed(SyncReason.UNREACHABLE, "no")


def _after(*answers: tuple[float, Answer]) -> Reachability:
    """One request after the other, each answered at once."""
    reachability = Reachability()
    for at, answer in answers:
        reachability.learn("one", answer, sent=at, now=at)
    return reachability


def test_nothing_is_known_before_the_first_request() -> None:
    """So it counts for nothing."""
    assert Reachability().at(5.0) is None


@pytest.mark.parametrize("reason", list(SyncReason))
def test_which_failures_mean_an_outage(reason: SyncReason) -> None:
    """Unreachable and ServerError alone: a refused token is an answer."""
    found = _after((1.0, Unchanged()), (2.0, Failed(reason, "no"))).at(3.0)
    assert (found is Reach.FAILING) == (reason in {"Unreachable", "ServerError"})


def test_a_connection_that_has_not_answered_for_an_hour_is_silent() -> None:
    """And one that never has as well."""
    assert _after((1.0, AWAY), (2.0, AWAY)).at(3.0) is Reach.SILENT
    assert _after((1.0, Unchanged()), (2.0, AWAY)).at(1 + RECENT_SECONDS) is Reach.FAILING
    assert _after((1.0, Unchanged()), (2.0, AWAY)).at(2 + RECENT_SECONDS) is Reach.SILENT


def test_an_answer_counts_for_an_hour() -> None:
    """A 404 is one."""
    reachability = _after((1.0, NotFound("no such backup")))
    assert reachability.at(1 + RECENT_SECONDS) is Reach.ANSWERING
    assert reachability.at(2 + RECENT_SECONDS) is None


def test_it_recovers_with_the_first_answer() -> None:
    """Also one that was silent."""
    assert _after((1.0, AWAY), (2.0, Unchanged())).at(3.0) is Reach.ANSWERING


def test_only_what_was_sent_later_counts() -> None:
    """A request that hung from before the last answer on says nothing new, and neither does an answer to an old one."""
    reachability = _after((5.0, Unchanged()))
    reachability.learn("one", AWAY, sent=1.0, now=11.0)
    assert reachability.at(12.0) is Reach.ANSWERING
    reachability.learn("next", AWAY, sent=12.0, now=13.0)
    reachability.learn("other", Unchanged(), sent=11.0, now=14.0)
    assert reachability.at(15.0) is Reach.FAILING


def test_a_request_that_alone_fails_again_and_again_is_no_outage() -> None:
    """Its failures count until another request is answered, and again after an answer of its own."""
    reachability = _after((1.0, AWAY), (2.0, AWAY))
    assert reachability.at(2.5) is Reach.SILENT
    reachability.learn("other", Unchanged(), sent=3.0, now=3.0)
    for sent in (4.0, 5.0, 6.0):
        reachability.learn("one", AWAY, sent=sent, now=sent)
    assert reachability.at(7.0) is Reach.ANSWERING
    reachability.learn("other", AWAY, sent=8.0, now=8.0)
    assert reachability.at(9.0) is Reach.FAILING
    reachability.learn("one", Unchanged(), sent=10.0, now=10.0)
    reachability.learn("one", AWAY, sent=11.0, now=11.0)
    assert reachability.at(12.0) is Reach.FAILING


def test_what_is_remembered_is_bounded() -> None:
    """Thousands of backups that can never be read cost no memory."""
    reachability = _after((1.0, Unchanged()))
    for number in range(5000):
        reachability.learn(number, AWAY, sent=2.0 + number, now=2.0 + number)
    assert len(reachability._faulty) == 256
    assert reachability.at(5003.0) is Reach.SILENT
