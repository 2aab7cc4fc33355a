"""The timers of all objects: for the next poll or status update, for the first poll, and for a NotObserved status."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from astra_mirror.engine.timers import Timers

GATHER_SECONDS: Final = 0.05
"""How long after the last new object the first polls start, so that objects created together share requests."""
MAX_GATHER_SECONDS: Final = 0.25
TOGETHER_SECONDS: Final = 0.1
"""How long after a timer has expired the poll loop wakes up, unless something new is due.

What expires meanwhile is handled with it: single polls at even distances would each cost a wake-up of their own.
"""
EXPECT_SECONDS: Final = 5.0
"""How long an unobserved object may wait for an answer before it gets a NotObserved status."""


@dataclass(frozen=True, slots=True)
class Due:
    """The objects that are due.

    Attributes:
        timers: the uids whose timers have expired, each with its time.
        first: the uids of new objects, each with the time at which its first poll is due.
    """

    timers: Mapping[str, float] = field(default_factory=dict)
    first: Mapping[str, float] = field(default_factory=dict)


class Poller:
    """The timers of all objects. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._timers: Timers[str] = Timers()
        self._expected: Timers[str] = Timers()
        self._first: dict[str, None] = {}
        self._gather_from, self._gather_until = 0.0, 0.0
        self._secrets: dict[tuple[str, str], float] = {}
        self._runs_since = 0.0
        self._sleeps_until = math.inf

    def start(self, now: float) -> None:
        """A new leader measures lateness from now, not from when polls were due before."""
        self._runs_since = now

    def check_at(self, uid: str, at: float) -> bool:
        """Process an object at that time. Returns whether that is earlier than `next_due` said last."""
        self._timers.set(uid, at)
        return at < self._sleeps_until

    def poll_first(self, uid: str, now: float) -> bool:
        """Poll a new object together with the others that arrive at about the same time.

        Returns:
            Whether `next_due` said last that nothing was due until after that.
        """
        if not self._first:
            self._gather_from = now
        self._first[uid] = None
        self._gather_until = min(now + GATHER_SECONDS, self._gather_from + MAX_GATHER_SECONDS)
        return self._gather_until < self._sleeps_until

    def expect(self, uid: str, now: float) -> bool:
        """Give an unobserved object a NotObserved status if no answer arrives within `EXPECT_SECONDS`.

        Returns:
            Whether `next_due` said last that nothing was due until after that.
        """
        if uid not in self._expected:
            self._expected.set(uid, now + EXPECT_SECONDS)
        return now + EXPECT_SECONDS < self._sleeps_until

    def stop_expecting(self, uid: str) -> None:
        """Cancel `expect` for an object."""
        self._expected.drop(uid)

    def secret_changed(self, namespace: str, name: str, now: float) -> None:
        """Record that a Secret has changed."""
        self._secrets[namespace, name] = now

    def forget(self, uid: str) -> None:
        """Drop the timers of an object."""
        self._timers.drop(uid)
        self._expected.drop(uid)
        self._first.pop(uid, None)

    # What is due.

    def take_changed_secrets(self) -> Mapping[tuple[str, str], float]:
        """The Secrets that have changed, by namespace and name, each with the time."""
        changed, self._secrets = self._secrets, {}
        return changed

    def take_expected(self, now: float) -> list[str]:
        """The uids of the objects whose `expect` timer has expired."""
        return [uid for uid, _ in self._expected.pop_due(now)]

    def take_due(self, now: float) -> Due:
        """The objects that are due now."""
        first: dict[str, float] = {}
        if self._first and now >= self._gather_until:
            first = dict.fromkeys(self._first, max(self._gather_until, self._runs_since))
            self._first = {}
        timers = {uid: max(since, self._runs_since) for uid, since in self._timers.pop_due(now)}
        return Due(timers, first)

    def next_due(self) -> float:
        """When to look at what is due next, so that nothing waits for longer than a moment; infinite if nothing is."""
        gathered = self._gather_until if self._first else None
        timer = self._timers.next_due()
        times = (None if timer is None else timer + TOGETHER_SECONDS, self._expected.next_due(), gathered)
        self._sleeps_until = min((each for each in times if each is not None), default=math.inf)
        return self._sleeps_until
