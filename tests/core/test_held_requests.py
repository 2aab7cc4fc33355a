"""Who is probed next: by turns, with limits, and never by the order in which somebody came."""

import pytest

from astra_mirror.core.breaker import Breakers
from astra_mirror.core.held_requests import PROBES_A_MINUTE, Canary, Candidate, Held, Probe, Wait, next_step
from astra_mirror.core.outcome import Failed, NotFound, SyncReason
from astra_mirror.core.tickets import Purpose

UNAUTHORIZED = Failed(SyncReason.UNAUTHORIZED, "no")
OK = NotFound("no such backup")


@pytest.fixture
def held() -> Held[str]:
    """Nothing is held back."""
    return Held()


def closed(*refused: str, now: float = 0.0) -> Breakers:
    """A connection whose account "good" is good, and those others are refused."""
    breakers = Breakers()
    breakers.record(breakers.start("good", ("good", "app"), now), OK, now)
    for each in refused:
        breakers.record(breakers.start(each, (each, "app"), now), UNAUTHORIZED, now)
    breakers.start("good", ("good", "app"), now, Purpose.CANARY)
    return breakers


def opened(*refused: str) -> Breakers:
    """A connection all of whose accounts are refused since 0."""
    breakers = Breakers()
    for each in refused:
        breakers.record(breakers.start(each, (each, "app"), 0), UNAUTHORIZED, 0)
    return breakers


def put(held: Held[str], account: str, namespace: str = "ns", *, is_observed: bool = False, due: float = 0.0) -> None:
    """Hold something back, named by its account, namespace and time."""
    name = f"{account}/{namespace}/{due:g}"
    held.put(Candidate(account, None, namespace), name, is_observed=is_observed, due=due)


def probes(breakers: Breakers, held: Held[str], now: float) -> list[Candidate]:
    """Send what may be sent at `now`; each of them is refused and waits anew."""
    sent: list[Candidate] = []
    while isinstance(step := next_step(breakers, held, now), Probe):
        for who in step.candidates:
            at = held.when(breakers, who)
            if at is not None and at <= now and not breakers.is_testing:
                value = held.take(who)
                assert value is not None
                held.probed(who, breakers, now)
                ticket = breakers.start(who.account, (who.account, "app"), now, step.purpose)
                breakers.record(ticket, UNAUTHORIZED, now)
                put(held, str(who.account), who.namespace)
                sent.append(who)
    return sent


def test_an_open_connection_is_probed_once_a_minute_for_another_account_each_time(held: Held[str]) -> None:
    """By turns over all of them."""
    breakers = opened("a", "b", "c")
    for account in "abc":
        put(held, account)
    assert next_step(breakers, held, 59) == Wait(60)
    accounts = [[each.account for each in probes(breakers, held, 60 * minute)] for minute in range(1, 7)]
    assert all(len(each) == 1 for each in accounts)
    first, second = accounts[:3], accounts[3:]
    assert sorted(first) == [["a"], ["b"], ["c"]]
    assert first == second


def test_who_has_succeeded_before_is_probed_first(held: Held[str]) -> None:
    """On this connection, or before the operator's start, as the status shows."""
    breakers = closed()
    breakers.record(breakers.start("z", ("z", "app"), 1), OK, 1)
    for each in ("good", "z"):
        breakers.record(breakers.start(each, (each, "app"), 2), UNAUTHORIZED, 2)
    assert breakers.is_open
    put(held, "a")
    put(held, "y", is_observed=True)
    put(held, "z")
    order = [probes(breakers, held, 62 + 60 * minute)[0].account for minute in range(3)]
    assert set(order[:2]) == {"y", "z"}
    assert order[2] == "a"


def test_refused_accounts_are_probed_once_a_minute_each(held: Held[str]) -> None:
    """Side by side, when they are of different namespaces."""
    breakers = closed("a", "b")
    put(held, "a", "one")
    put(held, "b", "two")
    assert next_step(breakers, held, 59) == Wait(60)
    assert len(probes(breakers, held, 60)) == 2
    assert next_step(breakers, held, 61) == Wait(120)


def test_a_namespace_has_one_probe_a_minute(held: Held[str]) -> None:
    """However many wrong accounts it names, each of them has its turn, and no other namespace waits for it."""
    names = [f"a{number}" for number in range(5)]
    breakers = closed(*names, "other")
    for each in names:
        put(held, each, "hostile")
    put(held, "other", "victim")
    turns = [probes(breakers, held, 60 * minute) for minute in range(1, 6)]
    assert all(len(each) == 2 for each in turns)
    assert all(Candidate("other", None, "victim") in each for each in turns)
    assert {who.account for each in turns for who in each} == {*names, "other"}


def test_a_connection_has_ten_a_minute(held: Held[str]) -> None:
    """By turns over namespaces."""
    names = [f"a{number:02}" for number in range(25)]
    breakers = closed(*names)
    for each in names:
        put(held, each, f"ns-{each}")
    turns = [probes(breakers, held, 60 * minute) for minute in range(1, 6)]
    assert [len(each) for each in turns] == [PROBES_A_MINUTE] * 5
    asked = [who.account for each in turns for who in each]
    assert all(asked.count(each) == 2 for each in names)


def test_of_a_namespace_the_observed_ref_is_probed_and_then_another(held: Held[str]) -> None:
    """It is more likely to be right than one that has never been."""
    put(held, "a", due=1)
    put(held, "a", due=3, is_observed=True)
    put(held, "a", due=2, is_observed=True)
    who = Candidate("a", None, "ns")
    assert [held.take(who), held.take(who), held.take(who), held.take(who)] == ["a/ns/2", "a/ns/3", "a/ns/1", None]


def test_after_a_pause_one_is_asked_whose_account_is_not_refused(held: Held[str]) -> None:
    """And nobody before it has ended."""
    breakers = closed("a")
    breakers.record(breakers.start("good", ("good", "app"), 5), Failed(SyncReason.RATE_LIMITED, "no", 30), 5)
    put(held, "a")
    put(held, "good")
    assert next_step(breakers, held, 34) == Wait(35)
    assert next_step(breakers, held, 35) == Probe([Candidate("good", None, "ns")], None)
    breakers.start("good", ("good", "app"), 35)
    assert next_step(breakers, held, 35) == Wait(None)


def test_the_canary_goes_at_its_time(held: Held[str]) -> None:
    """Also when nothing is held back."""
    breakers = closed()
    breakers.record(breakers.start("a", ("a", "app"), 1), UNAUTHORIZED, 1)
    assert next_step(breakers, held, 9) == Wait(10)
    assert next_step(breakers, held, 10) == Canary("good")


def test_nothing_is_waited_for_when_nothing_is_held_back(held: Held[str]) -> None:
    """A breaker without anybody behind it needs no timer."""
    assert next_step(opened("a"), held, 100) == Wait(None)
    assert next_step(closed(), held, 100) == Wait(None)


def test_what_nobody_wants_any_more_is_forgotten(held: Held[str]) -> None:
    """A ref that is edited in a loop behind a breaker leaves nothing behind."""
    for due in range(100):
        put(held, "a", due=due)
    held.retain({"a"}, {"ns"}, {"a/ns/7"})
    assert list(held) == ["a/ns/7"]
    held.retain({"a"}, {"ns"}, set())
    assert not held
