"""What is measured is held against what is promised."""

from dataclasses import replace

import pytest

from bench import page
from bench.budgets import Budget, Measured, budgets
from bench.measure import Layout, Pass, Result, Steady, Watched, ratios
from bench.memory import Memory
from bench.monitors import Made
from bench.polls import Polling, Polls

PASS = Pass(startup=1.0, seconds=30.0, cpu=15.0, writes=10_000, requests=200, memory=180.0, growth=80.0, peak=190.0)
STEADY = Steady(seconds=45.0, cpu=0.01, writes=0, requests=16, polls=12, on_time=1.0, late=0.1)
MIRROR = Result(
    operator="mirror",
    layout=Layout(10_000, 200, 4, 0.05),
    first=PASS,
    steady=STEADY,
    bare=22.0,
    ratios=(1.3, 1.4, 1.6),
    watched=Watched(bare=25.0, ratios=(1.1, 1.2, 1.4), floor=1.15),
)
STOCK = replace(MIRROR, operator="stock", steady=replace(STEADY, cpu=0.9), bare=None, ratios=(), watched=None)
MEASURED = Measured(
    results=(MIRROR, STOCK),
    sweeps=(),
    hold=10.0,
    polls=Polls(refs=1000, mirror=Polling(66.7, 1.2), stock=Polling(66.4, 2.5), floor=Polling(66.7, 1.1)),
    memory=(Memory(refs=0, mirror=84.0, floor=75.0), Memory(refs=1000, mirror=104.0, floor=95.0)),
)
FIRST_PASS = "first full pass, times a bare loop of equal PATCHes that holds a watch, median with 10,000 refs"
POLL = "CPU of a poll where no list can be shared, times that of stock"
IDLE = "memory of an idle process, MiB"
IDLE_WITH_REFS = "memory of an idle process with 1,000 refs, MiB"


MONITORS = replace(
    MIRROR,
    layout=Layout(10_000, 200, 4, 0.05, monitors=1000),
    steady=replace(STEADY, cpu=0.02, requests=920),
    bare=None,
    ratios=(),
    watched=None,
)
MADE = Made(
    monitors=100,
    refs=10_000,
    seconds=520.0,
    cpu=30.0,
    writes=20_400,
    requests=100,
    growth=90.0,
    missing=0,
    steady=STEADY,
)


def judged(measured: Measured) -> dict[str, Budget]:
    """The budgets by their names."""
    return {each.name: each for each in budgets(measured)}


@pytest.mark.parametrize(
    ("value", "limit", "floor", "holds"),
    [
        (0.5, 0.5, None, True),
        (0.51, 0.5, None, False),
        (0.51, 0.5, 0.47, True),
        (0.51, 0.5, 0.46, False),
        (0.4, 0.5, 0.1, True),
    ],
)
def test_figure_within_ten_percent_of_the_floor_keeps_the_promise(
    value: float, limit: float, floor: float | None, *, holds: bool
) -> None:
    """Also where it is over the limit; a lower floor takes nothing from what is within the limit."""
    assert Budget("memory", value, limit, floor=floor).holds is holds


def test_figure_that_must_be_reached_has_no_floor() -> None:
    """At least so many."""
    assert Budget("requests in time, %", 99.9, 99.9, at_least=True).holds
    assert not Budget("requests in time, %", 99.8, 99.9, at_least=True).holds


def test_first_pass_is_held_against_both_kinds_of_loops() -> None:
    """The median of each: 1.5 without a watch, 1.25 with one."""
    found = judged(MEASURED)
    plain = found["first full pass, times the bare loop of PATCHes, median with 10,000 refs"]
    assert (plain.value, plain.limit, plain.floor) == (1.4, 1.5, None)
    watched = found[FIRST_PASS]
    assert (watched.value, watched.limit, watched.floor) == (1.2, 1.25, 1.15)


def test_poll_is_held_against_the_stock_operators() -> None:
    """Half its CPU, or within 10% of what aiohttp alone takes."""
    found = judged(MEASURED)[POLL]
    assert found.limit == 0.5
    assert [found.value, found.floor] == pytest.approx([0.48, 0.44])


def test_idle_process_is_held_to_its_memory() -> None:
    """85 MiB without refs, 105 with a thousand."""
    found = judged(MEASURED)
    assert (found[IDLE].value, found[IDLE].limit, found[IDLE].floor) == (84.0, 85, 75.0)
    assert (found[IDLE_WITH_REFS].value, found[IDLE_WITH_REFS].limit, found[IDLE_WITH_REFS].floor) == (104.0, 105, 95.0)


def test_monitors_are_held_to_the_steady_budgets() -> None:
    """Their own apps are read every five minutes, those of the refs every 15 seconds."""
    found = judged(replace(MEASURED, monitors=MONITORS, made=replace(MADE, missing=1)))
    of = " with 10,000 refs and 1,000 monitors"
    assert found[f"steady CPU, % of a core{of}"].value == 2.0
    assert found[f"steady writes{of}"].limit == 0
    # 200 apps four times, and 800 apps 1.15 times.
    assert found[f"steady requests an app and interval{of}"].value == pytest.approx(920 / (800 + 920))
    made = found["monitors and refs that are not done with 10,000 refs made by 100 monitors"]
    assert (made.value, made.limit, made.holds) == (1, 0, False)


def test_what_was_left_out_is_not_judged() -> None:
    """A part of the run has fewer budgets."""
    part = replace(MEASURED, results=(replace(MIRROR, watched=None), STOCK), polls=None, memory=())
    assert judged(MEASURED).keys() - judged(part).keys() == {FIRST_PASS, POLL, IDLE, IDLE_WITH_REFS}


def test_pass_is_compared_with_the_loops_around_it() -> None:
    """With the mean of both."""
    assert ratios([30.0, 45.0], [20.0, 40.0, 20.0]) == (1.0, 1.5)


def test_page_says_which_budget_only_the_floor_keeps() -> None:
    """And which none does."""
    document = {
        "results": [],
        "polls": None,
        "memory": [],
        "budgets": [
            {"name": "a", "value": 0.5, "limit": 0.5, "at_least": False, "floor": 0.4, "holds": True},
            {"name": "b", "value": 0.52, "limit": 0.5, "at_least": False, "floor": 0.48, "holds": True},
            {"name": "c", "value": 0.6, "limit": 0.5, "at_least": False, "floor": 0.48, "holds": False},
        ],
    }
    ((_, rows),) = page.small_tables(document)
    assert [row[3] for row in rows[1:]] == ["holds", "within 10% of the floor, 0.48", "**broken**"]
