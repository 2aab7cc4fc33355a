"""Schedules: an app's backups over days or months, a retention that removes the old ones, a clock that can be moved.

A schedule is a pure function of the time: which backups there are, and how far each of them is. The store asks for it
whenever a list is asked for, so that hours pass as fast as a test moves the clock.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from dev.simulator.model import SCENARIOS, Document, Life, uuid_of


class WallClock:
    """The time of day, which can be moved."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        """The present time."""
        return self._now() + self._ahead

    def move(self, **by: float) -> None:
        """Move it on by `hours=3`, or whatever `timedelta` understands."""
        with self._lock:
            self._ahead += timedelta(**by)


@dataclass(frozen=True, slots=True)
class Run:
    """One backup of a schedule: when it is taken, and what becomes of it."""

    id: str
    name: str
    taken: datetime
    scenario: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """What a schedule of Astra Control does.

    Attributes:
        id: its ID, which its backups have as scheduleID.
        name: what the names of its backups begin with.
        first: when the first backup is taken.
        every: the time between two of them.
        keep: how many there are at most: the older ones are removed.
        seconds: how long one takes.
        scenario: what becomes of each.
        missed: the numbers of runs that did not happen, counted from 0.
        others: what becomes of some of them instead, by their numbers.
    """

    id: str
    name: str
    first: datetime
    every: timedelta = timedelta(days=1)
    keep: int = 30
    seconds: float = 600.0
    scenario: str = "completes"
    missed: frozenset[int] = frozenset()
    others: tuple[tuple[int, str], ...] = ()

    def runs(self, now: datetime) -> Iterator[Run]:
        """The backups that there are at that time, the oldest first."""
        if now < self.first:
            return
        last = (now - self.first) // self.every
        numbers = [number for number in range(last + 1) if number not in self.missed]
        for number in numbers[-self.keep :]:
            taken = self.first + number * self.every
            scenario = dict(self.others).get(number, self.scenario)
            yield Run(uuid_of(f"{self.id} {number}"), f"{self.name}-{taken:%Y%m%d%H%M%S}", taken, scenario)

    def document(self, run: Run, now: datetime) -> Document | None:
        """A backup as it is at that time."""
        life = Life(run.id, run.name, self.seconds, born=run.taken)
        found = SCENARIOS[run.scenario](life, (now - run.taken).total_seconds())
        return None if found is None else {**found, "scheduleID": self.id}


def over_days(name: str, *, days: float, now: datetime, **fields: Any) -> Schedule:  # noqa: ANN401 - Schedule's own
    """A schedule whose first backup was taken so many days ago."""
    return Schedule(uuid_of(f"schedule {name}"), name, now - timedelta(days=days), **fields)
