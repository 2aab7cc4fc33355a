"""When a write of a ref is tried again: what a round remembers of the rounds before it. Times are monotonic seconds."""

from collections.abc import Container
from dataclasses import dataclass
from typing import Final

from astra_mirror.core.monitor.listing import ListRead
from astra_mirror.core.monitor.ref_report import Problem

RETRY_SECONDS: Final = 60.0
"""How often at most a write is tried again that was not allowed."""
_AGAIN_SECONDS: Final = 600.0
_AGAIN: Final = 2
"""How often in that time a ref that a user has deleted is made again at once."""

Key = tuple[str, str, str]
"""The uid of a monitor, a verb, and the name of a ref, which is empty if all of them are concerned."""


@dataclass(frozen=True, slots=True)
class _Failure:
    at: float
    read: ListRead
    problem: Problem


@dataclass(frozen=True, slots=True)
class _Again:
    """When a ref was made again, and with which list for the last time."""

    times: tuple[float, ...]
    read: ListRead


class Attempts:
    """The writes that were not allowed, and the refs that had to be made again."""

    def __init__(self) -> None:
        self._failures: dict[Key, _Failure] = {}
        self._known: dict[str, set[str]] = {}
        self._again: dict[tuple[str, str], _Again] = {}

    def problem(self, key: Key, read: ListRead, now: float) -> Problem | None:
        """Why this write is not tried now: it failed, and no later list has come since, or it is not long ago."""
        failure = self._failures.get(key)
        if failure is None:
            return None
        if failure.read is not read and now - failure.at >= RETRY_SECONDS:
            del self._failures[key]
            return None
        return failure.problem

    def failed(self, key: Key, read: ListRead, now: float, problem: Problem) -> Problem:
        """Note that a write was not allowed."""
        self._failures[key] = _Failure(now, read, problem)
        return problem

    def may_make(self, monitor: str, backup_id: str, read: ListRead, now: float) -> bool:
        """Whether the ref of a backup may be made now: again for the third time only with the next list."""
        again = self._again.get((monitor, backup_id))
        if again is None:
            return True
        return again.read is not read or sum(now - each < _AGAIN_SECONDS for each in again.times) < _AGAIN

    def exists(self, monitor: str, backup_id: str) -> None:
        """Note that there is a ref of a backup."""
        self._known.setdefault(monitor, set()).add(backup_id)

    def made(self, monitor: str, backup_id: str, read: ListRead, now: float) -> None:
        """Note that the ref of a backup was made."""
        key = monitor, backup_id
        if backup_id in self._known.get(monitor, ()):
            before = self._again[key].times if key in self._again else ()
            self._again[key] = _Again((*before[-_AGAIN:], now), read)
        self.exists(*key)

    def retain(self, monitors: Container[str]) -> None:
        """Forget other monitors."""
        self._failures = {key: each for key, each in self._failures.items() if key[0] in monitors}
        self._again = {key: each for key, each in self._again.items() if key[0] in monitors}
        self._known = {monitor: each for monitor, each in self._known.items() if monitor in monitors}
