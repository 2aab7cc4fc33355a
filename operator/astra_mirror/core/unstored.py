"""Where the API server stores something else than the operator wrote, which the operator accepts.

The CRD of an older release prunes unknown fields, and a webhook may change any field. The response to the PATCH shows
this, and the same write would have the same result.
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
    """For each object the last status that was sent and what was stored, where the two differ. Monotonic seconds."""

    def __init__(self) -> None:
        self._facts: dict[Hashable, _Fact] = {}
        self._logged: set[tuple[str, ...]] = set()

    def learn(self, item: Hashable, *, sent: bytes, stored: bytes, now: float) -> float:
        """Record a difference; return until when nothing is written because of it."""
        until = now + HOLD_SECONDS
        self._facts[item] = _Fact(sent, stored, until)
        return until

    def until(self, item: Hashable, *, desired: bytes, actual: bytes, now: float) -> float | None:
        """Until when the difference between the two statuses is accepted; None when it is not."""
        fact = self._facts.get(item)
        if fact is None or (fact.sent, fact.stored) != (desired, actual) or now >= fact.until:
            return None
        return fact.until

    def forget(self, item: Hashable) -> None:
        """Forget an object that was stored as sent, or that no longer exists."""
        self._facts.pop(item, None)

    def news(self, sent: Mapping[str, Any], stored: Mapping[str, Any]) -> tuple[str, ...]:
        """The names of the fields that were stored differently, for a log; empty if they were logged before."""
        fields = tuple(sorted(fields_of(merge_patch(stored, sent))))
        if fields in self._logged or len(self._logged) >= _MAX_LOGGED:
            return ()
        self._logged.add(fields)
        return fields
