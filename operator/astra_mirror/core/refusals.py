"""When to retry a write that the API server refused: a backoff for each object, and a rate limit for its place.

A policy may refuse every status write in a namespace for ever. A thousand such objects must not cost more than a few.
A role may refuse those of one kind, which slows down no other: a place is a kind in a namespace.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final

FIRST_DELAY_SECONDS: Final = 1.0
MAX_DELAY_SECONDS: Final = 60.0
STRICT_AFTER: Final = 10
"""After so many refusals in a row, a place has one write a second in all."""
STRICT_SECONDS: Final = 1.0
MAX_LINES: Final = 10
LINES_SECONDS: Final = 3600.0
"""The time in which each reason of a namespace is logged once, and at most MAX_LINES reasons of it."""
_MAX_NAMESPACES: Final = 1000


@dataclass(slots=True)
class _Place:
    in_a_row: int = 0
    next_at: float = 0.0
    objects: set[Hashable] = field(default_factory=set)


class Refusals:
    """The refused writes of all objects. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._attempts: dict[Hashable, int] = {}
        self._places: dict[Hashable, _Place] = {}
        self._logged: OrderedDict[str, dict[str, float]] = OrderedDict()

    def refused(self, item: Hashable, where: Hashable) -> float:
        """Record a refusal; return the seconds after which to retry the object."""
        attempt = self._attempts[item] = self._attempts.get(item, 0) + 1
        place = self._places.setdefault(where, _Place())
        place.in_a_row += 1
        place.objects.add(item)
        return min(FIRST_DELAY_SECONDS * 2.0 ** min(attempt - 1, 10), MAX_DELAY_SECONDS)

    def is_news(self, namespace: str, reason: str, now: float) -> bool:
        """Whether to log this reason of this namespace; if so, record that it was logged."""
        known = self._logged.pop(namespace, {})
        logged = self._logged[namespace] = {each: at for each, at in known.items() if now - at < LINES_SECONDS}
        if len(self._logged) > _MAX_NAMESPACES:
            self._logged.popitem(last=False)
        if reason in logged or len(logged) >= MAX_LINES:
            return False
        logged[reason] = now
        return True

    def accepted(self, item: Hashable, where: Hashable) -> None:
        """Record that a write has succeeded, which ends the rate limit of the place."""
        self._attempts.pop(item, None)
        place = self._places.pop(where, None)
        if place is not None and place.objects - {item}:
            self._places[where] = _Place(objects=place.objects - {item})

    def forget(self, item: Hashable, where: Hashable) -> None:
        """Forget an object that no longer exists, and a place without objects."""
        self._attempts.pop(item, None)
        place = self._places.get(where)
        if place is not None:
            place.objects.discard(item)
            if not place.objects:
                del self._places[where]

    def forgive(self) -> None:
        """Forget all refusals, because an outage of the API server has caused them."""
        self._attempts.clear()
        self._places.clear()

    def admits(self, where: Hashable, now: float) -> bool:
        """Whether a write in that place may start at `now`."""
        place = self._places.get(where)
        return place is None or place.in_a_row < STRICT_AFTER or now >= place.next_at

    def started(self, where: Hashable, now: float) -> None:
        """Record that a write in that place starts."""
        place = self._places.get(where)
        if place is not None and place.in_a_row >= STRICT_AFTER:
            place.next_at = now + STRICT_SECONDS

    def next_turn(self, now: float) -> float | None:
        """When the next write may start in a place that has to wait for it now; None if none has to."""
        strict = (each.next_at for each in self._places.values() if each.in_a_row >= STRICT_AFTER)
        return min((at for at in strict if at > now), default=None)
