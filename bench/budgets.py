"""What the project promises, held against what was measured."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Final

from bench.measure import Result
from bench.memory import Memory
from bench.monitors import INTERVAL_SECONDS, Made
from bench.polls import Polls
from bench.process import TICK

FLOOR_MARGIN: Final = 1.1
"""A budget that cannot be had is kept within this of the floor: what is left without our code, in the same run."""
_IDLE_MIB: Final = {0: 85, 1000: 105}


@dataclass(frozen=True)
class Measured:
    """Everything that one run has measured.

    Attributes:
        results: each operator on each number of refs.
        sweeps: the operator with other shares of active refs and other numbers of apps, and without lists.
        hold: for how many milliseconds a list of the largest size has held the event loop.
        polls: what one poll costs; None where that was left out, as are the next.
        memory: what an idle operator takes.
        monitors: the operator with monitors beside the largest number of refs.
        made: the operator with monitors that make refs.
    """

    results: tuple[Result, ...]
    sweeps: tuple[Result, ...]
    hold: float
    polls: Polls | None = None
    memory: tuple[Memory, ...] = ()
    monitors: Result | None = None
    made: Made | None = None

    @property
    def largest(self) -> Result:
        """The operator with the largest number of refs."""
        return max((each for each in self.results if each.operator == "mirror"), key=lambda each: each.layout.refs)


@dataclass(frozen=True)
class Budget:
    """One promise: what was measured, and the most (or least) that it may be.

    Where there is a `floor`, what is left without our code, a figure within 10% of it keeps the promise as well.
    """

    name: str
    value: float
    limit: float
    at_least: bool = False
    floor: float | None = None

    @property
    def is_within_limit(self) -> bool:
        """Whether the figure is had."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def holds(self) -> bool:
        """Whether the promise is kept."""
        return self.is_within_limit or (self.floor is not None and self.value <= FLOOR_MARGIN * self.floor)


def budgets(measured: Measured) -> Iterator[Budget]:
    """All of them: of the largest number of refs, of the token that may not list, and of the single parts."""
    largest = measured.largest
    yield from _first_pass(largest)
    yield from _steady_state(largest)
    for each in (largest, *(each for each in measured.sweeps if not each.layout.lists)):
        yield from _punctuality(each)
    yield Budget("longest hold of the event loop while a list of 64 MiB is read, ms", measured.hold, 50)
    for each in measured.results:
        if each.operator == "stock" and each.layout == largest.layout:
            # What takes no time that can be measured takes less than one tick of the clock.
            cpu = max(largest.steady.cpu, TICK / largest.steady.seconds)
            yield Budget(f"CPU a ref, times less than stock{_of(largest)}", each.steady.cpu / cpu, 20, at_least=True)
    if measured.polls is not None:
        yield _poll(measured.polls)
    for memory in measured.memory:
        yield _memory(memory)
    if measured.monitors is not None:
        yield from _first_pass(measured.monitors)
        yield from _steady_state(measured.monitors)
        yield from _punctuality(measured.monitors)
    if measured.made is not None:
        made = measured.made
        of = f" with {made.refs:,} refs made by {made.monitors:,} monitors"
        yield Budget(f"monitors and refs that are not done{of}", made.missing, 0)
        yield Budget(f"memory growth, MB{of}", made.growth * 2**20 / 10**6, 150)
        yield Budget(f"steady writes{of}", made.steady.writes, 0)


def _first_pass(mirror: Result) -> Iterator[Budget]:
    of = _of(mirror)
    if mirror.ratios:
        yield Budget(f"first full pass, times the bare loop of PATCHes, median{of}", median(mirror.ratios), 1.5)
    if mirror.watched:
        name = f"first full pass, times a bare loop of equal PATCHes that holds a watch, median{of}"
        yield Budget(name, median(mirror.watched.ratios), 1.25, floor=mirror.watched.floor)
    yield Budget(f"memory growth, MB{of}", mirror.first.growth * 2**20 / 10**6, 150)


def _steady_state(mirror: Result) -> Iterator[Budget]:
    of = _of(mirror)
    yield Budget(f"steady CPU, % of a core{of}", 100 * mirror.steady.cpu, 3)
    yield Budget(f"steady writes{of}", mirror.steady.writes, 0)
    if mirror.restart and mirror.bare:
        yield Budget(f"restart, times the bare loop{of}", mirror.restart.seconds / mirror.bare, 1.5)
    if mirror.restart:
        yield Budget(f"writes after a restart{of}", mirror.restart.writes, 0)
    rounds = mirror.steady.seconds / 15 + 1
    of_monitors = mirror.steady.seconds / INTERVAL_SECONDS + 1
    allowed = rounds * mirror.layout.apps + of_monitors * max(mirror.layout.monitors - mirror.layout.apps, 0)
    yield Budget(f"steady requests an app and interval{of}", mirror.steady.requests / allowed, 1)


def _punctuality(mirror: Result) -> Iterator[Budget]:
    of = _of(mirror) + ("" if mirror.layout.lists else " and no lists")
    for name, steady in (("", mirror.steady), (", a tenth of the answers hanging", mirror.hanging)):
        if steady is not None and steady.on_time is not None:
            yield Budget(f"requests that start within 1 s{of}{name}, %", 100 * steady.on_time, 99.9, at_least=True)


def _poll(polls: Polls) -> Budget:
    stock = polls.stock.cost
    name = "CPU of a poll where no list can be shared, times that of stock"
    return Budget(name, polls.mirror.cost / stock, 0.5, floor=polls.floor.cost / stock)


def _memory(memory: Memory) -> Budget:
    of = f" with {memory.refs:,} refs" if memory.refs else ""
    return Budget(f"memory of an idle process{of}, MiB", memory.mirror, _IDLE_MIB[memory.refs], floor=memory.floor)


def _of(mirror: Result) -> str:
    monitors = f" and {mirror.layout.monitors:,} monitors" if mirror.layout.monitors else ""
    return f" with {mirror.layout.refs:,} refs{monitors}"
