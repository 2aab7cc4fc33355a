"""When each object is looked at: for its next poll, for its first one, or because nothing has been said of it yet."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from astra_mirror.engine.timers import Timers

GATHER_SECONDS: Final = 0.05
"""How long after the last new object their first polls start: those that come in one go are to share their requests."""
MAX_GATHER_SECONDS: Final = 0.25
EXPECT_SECONDS: Final = 5.0
"""After how long without any answer an object of which nothing is known has a status that says so."""


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be done now.

    Attributes:
        timers: the uids whose time has come, each with that time.
        first: the uids of new objects, each with the time from which their first polls are late.
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

    def start(self, now: float) -> None:
        """A process that has just taken over is not late for what was due before."""
        self._runs_since = now

    def poll_at(self, uid: str, at: float) -> None:
        """Look at an object then."""
        self._timers.set(uid, at)

    def poll_first(self, uid: str, now: float) -> None:
        """Poll a new object together with those that come with it."""
        if not self._first:
            self._gather_from = now
        self._first[uid] = None
        self._gather_until = min(now + GATHER_SECONDS, self._gather_from + MAX_GATHER_SECONDS)

    def expect(self, uid: str, now: float) -> None:
        """Let something be said of an object of which nothing is known, if no answer comes for a while."""
        if uid not in self._expected:
            self._expected.set(uid, now + EXPECT_SECONDS)

    def stop_expecting(self, uid: str) -> None:
        """Let nothing be said of an object."""
        self._expected.drop(uid)

    def secret_changed(self, namespace: str, name: str, now: float) -> None:
        """Take note that a Secret has changed."""
        self._secrets[namespace, name] = now

    def forget(self, uid: str) -> None:
        """Look at an object no more."""
        self._timers.drop(uid)
        self._expected.drop(uid)
        self._first.pop(uid, None)

    # What is due.

    def take_changed_secrets(self) -> Mapping[tuple[str, str], float]:
        """The Secrets that have changed, by namespace and name, each with the time."""
        changed, self._secrets = self._secrets, {}
        return changed

    def take_expected(self, now: float) -> list[str]:
        """The uids of the objects of which nothing has been said for a while."""
        return [uid for uid, _ in self._expected.pop_due(now)]

    def take_due(self, now: float) -> Due:
        """The objects that are to be looked at now."""
        first: dict[str, float] = {}
        if self._first and now >= self._gather_until:
            first = dict.fromkeys(self._first, max(self._gather_until, self._runs_since))
            self._first = {}
        timers = {uid: max(since, self._runs_since) for uid, since in self._timers.pop_due(now)}
        return Due(timers, first)

    def next_due(self) -> float | None:
        """When the next object is to be looked at; None without one."""
        gathered = self._gather_until if self._first else None
        times = (self._timers.next_due(), self._expected.next_due(), gathered)
        return min((each for each in times if each is not None), default=None)
