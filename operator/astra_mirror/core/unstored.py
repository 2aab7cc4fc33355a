"""What the API server makes of the operator's writes, where it is something else: a fact to live with, not to fight.

A CRD of an older release prunes fields that it does not know; a webhook may change any. The answer to the operator's
own PATCH shows it, and writing the same again would only show it again.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from astra_mirror.core.diff import fields_of, merge_patch

HOLD_SECONDS: Final = 3600.0
_MAX_LOGGED: Final = 100


@dataclass(frozen=True, slots=True)
class _Fact:
    sent: bytes
    stored: bytes
    until: float


class Unstored:
    """For each object what was sent last and what was stored of it, where the two differ. Monotonic seconds."""

    def __init__(self) -> None:
        self._facts: dict[Hashable, _Fact] = {}
        self._logged: set[tuple[str, ...]] = set()

    def learn(self, item: Hashable, *, sent: bytes, stored: bytes, now: float) -> float:
        """Take note of it; until when nothing is written because of it."""
        until = now + HOLD_SECONDS
        self._facts[item] = _Fact(sent, stored, until)
        return until

    def until(self, item: Hashable, *, desired: bytes, actual: bytes, now: float) -> float | None:
        """Until when the difference between the two is the API server's word; None when it is not, or no longer."""
        fact = self._facts.get(item)
        if fact is None or (fact.sent, fact.stored) != (desired, actual) or now >= fact.until:
            return None
        return fact.until

    def forget(self, item: Hashable) -> None:
        """The API server stores what is sent, or the object is gone."""
        self._facts.pop(item, None)

    def news(self, sent: Mapping[str, Any], stored: Mapping[str, Any]) -> tuple[str, ...]:
        """The fields that are stored differently, in words for a log; empty when that has been logged before."""
        fields = tuple(sorted(fields_of(merge_patch(stored, sent))))
        if fields in self._logged or len(self._logged) >= _MAX_LOGGED:
            return ()
        self._logged.add(fields)
        return fields
