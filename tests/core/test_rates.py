"""How many requests may start in a second, and how many may be under way."""

from astra_mirror.core.concurrency import MAX_IN_FLIGHT, MAX_SLOW, SHARE, RequestSlots
from astra_mirror.core.rate import Rate


def test_a_second_s_worth_at_once_and_then_so_many_a_second() -> None:
    """What is beyond it waits for its turn."""
    rate = Rate(100)
    for _ in range(100):
        assert rate.ready_at(50) == 50
        rate.take()
    assert rate.ready_at(50) == 50.01
    started = 0
    for tick in range(1, 1001):
        while rate.ready_at(50 + tick / 100) <= 50 + tick / 100:
            rate.take()
            started += 1
    assert 998 <= started <= 1000


def test_nobody_takes_more_than_three_quarters() -> None:
    """Neither a namespace with many accounts, nor an account in many namespaces."""
    most = int(SHARE * MAX_IN_FLIGHT)
    by_namespace, by_account = RequestSlots(), RequestSlots()
    for number in range(most):
        by_namespace.enter(("ns", f"account-{number}"))
        by_account.enter((f"ns-{number}", "account"))
    assert ("ns",) not in by_namespace
    assert ("other",) in by_namespace
    assert ("other",) in by_account
    assert ("other", "account") not in by_account
    assert not by_namespace.is_full()


def test_what_has_no_answer_counts_among_the_slow_ones() -> None:
    """Of which there are many, but not without end, and three quarters of them for one as well."""
    slots = RequestSlots()
    for number in range(MAX_SLOW):
        slots.enter((f"ns-{number}", f"account-{number}"))
        slots.slow((f"ns-{number}", f"account-{number}"))
    assert not slots.is_full()
    for number in range(MAX_IN_FLIGHT):
        slots.enter((f"quick-{number}", f"quick-{number}"))
    assert slots.is_full()
    slots.leave(("ns-0", "account-0"), is_slow=True)
    assert slots.is_full()
    slots.leave(("quick-0", "quick-0"), is_slow=False)
    assert not slots.is_full()
    for _ in range(int(SHARE * (MAX_IN_FLIGHT + MAX_SLOW))):
        slots.enter(("hangs", "hangs"))
        slots.slow(("hangs", "hangs"))
    assert ("hangs",) not in slots


def test_what_has_ended_leaves_nothing_behind() -> None:
    """Names of namespaces come and go."""
    slots = RequestSlots()
    for number in range(1000):
        slots.enter((f"ns-{number}", "a"))
        if number % 2:
            slots.slow((f"ns-{number}", "a"))
        slots.leave((f"ns-{number}", "a"), is_slow=bool(number % 2))
    assert ("ns-0", "a") in slots
    assert not slots._all
    assert not slots._quick
