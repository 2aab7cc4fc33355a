"""When a write of a ref is tried again: what a round remembers of the rounds before it. Times are monotonic seconds.

Of a list its number alone is kept, and of a monitor what is about refs that it wants or has.
"""

from collections.abc import Container
from dataclasses import dataclass
from typing import Final

from astra_mirror.core.corrections import Corrections
from astra_mirror.core.monitor.ref_report import Problem

RETRY_SECONDS: Final = 60.0
"""How often at most a write is tried again that was not allowed."""
_AGAIN_SECONDS: Final = 600.0
_AGAIN: Final = 2
"""How often in that time a ref that a user has deleted is made again at once."""

Key = tuple[str, str]
"""A verb, and the name of a ref, which is empty if all of them are concerned."""


@dataclass(frozen=True, slots=True)
class _Failure:
    at: float
    number: int
    problem: Problem


@dataclass(frozen=True, slots=True)
class _Again:
    """When a ref was made again, and with which list for the last time."""

    times: tuple[float, ...]
    number: int


class Attempts:
    """The writes of one monitor's refs: those that were not allowed, and those that had to be done again.

    Lists are told apart by a number, `number`.
    """

    def __init__(self) -> None:
        self._failures: dict[Key, _Failure] = {}
        self._known: set[str] = set()
        self._again: dict[str, _Again] = {}
        self._corrections: dict[str, Corrections] = {}

    def problem(self, key: Key, number: int, now: float) -> Problem | None:
        """Why this write is not tried now: it failed, and no later list has come since, or it is not long ago."""
        failure = self._failures.get(key)
        if failure is None or (failure.number != number and now - failure.at >= RETRY_SECONDS):
            return None
        return failure.problem

    def failed(self, key: Key, number: int, now: float, problem: Problem) -> bool:
        """Note that a write was not allowed. Returns whether that is news."""
        before = self._failures.get(key)
        self._failures[key] = _Failure(now, number, problem)
        return before is None or before.problem != problem

    def succeeded(self, key: Key) -> None:
        """Note that a write was allowed."""
        self._failures.pop(key, None)

    def failed_at(self, key: Key) -> float:
        """When a write failed last."""
        failure = self._failures.get(key)
        return failure.at if failure is not None else float("-inf")

    # What users and other controllers undo.

    def may_make(self, backup_id: str, number: int, now: float) -> bool:
        """Whether the ref of a backup may be made now: again for the third time only with the next list."""
        again = self._again.get(backup_id)
        if again is None:
            return True
        return again.number != number or sum(now - each < _AGAIN_SECONDS for each in again.times) < _AGAIN

    def exists(self, backup_id: str) -> None:
        """Note that there is a ref of a backup."""
        self._known.add(backup_id)

    def made(self, backup_id: str, number: int, now: float) -> None:
        """Note that the ref of a backup was made."""
        if backup_id in self._known:
            before = self._again[backup_id].times if backup_id in self._again else ()
            self._again[backup_id] = _Again((*before[-_AGAIN:], now), number)
        self.exists(backup_id)

    def repair_at(self, name: str, now: float) -> float:
        """When a ref may be repaired: against a client that always changes it back, once a minute is enough."""
        return self._corrections.get(name, Corrections()).due(now)

    def repaired(self, name: str, now: float) -> None:
        """Note that a ref was repaired."""
        self._corrections[name] = self._corrections.get(name, Corrections()).made(now)

    def retain(self, names: Container[str], backup_ids: Container[str]) -> None:
        """Forget all but these refs, which are wanted or exist."""
        self._failures = {key: each for key, each in self._failures.items() if not key[1] or key[1] in names}
        self._known = {each for each in self._known if each in backup_ids}
        self._again = {each: again for each, again in self._again.items() if each in backup_ids}
        self._corrections = {each: made for each, made in self._corrections.items() if each in names}
