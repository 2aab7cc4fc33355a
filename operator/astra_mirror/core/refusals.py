"""When to retry a write that the API server refused: a backoff for each object, and a rate limit for its namespace.

A policy may refuse every status write in a namespace for ever. A thousand such objects must not cost more than a few.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final

FIRST_DELAY_SECONDS: Final = 1.0
MAX_DELAY_SECONDS: Final = 60.0
STRICT_AFTER: Final = 10
"""After so many refusals in a row, a namespace has one write a second in all."""
STRICT_SECONDS: Final = 1.0
MAX_LINES: Final = 10
LINES_SECONDS: Final = 3600.0
"""The time in which each reason of a namespace is logged once, and at most MAX_LINES reasons of it."""
_MAX_NAMESPACES: Final = 1000


@dataclass(slots=True)
class _Namespace:
    in_a_row: int = 0
    next_at: float = 0.0
    objects: set[Hashable] = field(default_factory=set)


class Refusals:
    """The refused writes of all objects. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._attempts: dict[Hashable, int] = {}
        self._namespaces: dict[str, _Namespace] = {}
        self._logged: OrderedDict[str, dict[str, float]] = OrderedDict()

    def refused(self, item: Hashable, namespace: str) -> float:
        """Record a refusal; return the seconds after which to retry the object."""
        attempt = self._attempts[item] = self._attempts.get(item, 0) + 1
        place = self._namespaces.setdefault(namespace, _Namespace())
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

    def accepted(self, item: Hashable, namespace: str) -> None:
        """Record that a write has succeeded, which ends the rate limit of the namespace."""
        self._attempts.pop(item, None)
        place = self._namespaces.pop(namespace, None)
        if place is not None and place.objects - {item}:
            self._namespaces[namespace] = _Namespace(objects=place.objects - {item})

    def forget(self, item: Hashable, namespace: str) -> None:
        """Forget an object that no longer exists, and a namespace without objects."""
        self._attempts.pop(item, None)
        place = self._namespaces.get(namespace)
        if place is not None:
            place.objects.discard(item)
            if not place.objects:
                del self._namespaces[namespace]

    def forgive(self) -> None:
        """Forget all refusals, because an outage of the API server has caused them."""
        self._attempts.clear()
        self._namespaces.clear()

    def admits(self, namespace: str, now: float) -> bool:
        """Whether a write in that namespace may start at `now`."""
        place = self._namespaces.get(namespace)
        return place is None or place.in_a_row < STRICT_AFTER or now >= place.next_at

    def started(self, namespace: str, now: float) -> None:
        """Record that a write in that namespace starts."""
        place = self._namespaces.get(namespace)
        if place is not None and place.in_a_row >= STRICT_AFTER:
            place.next_at = now + STRICT_SECONDS

    def next_turn(self, namespace: str) -> float:
        """When the next write in the namespace may start; 0 for at any time."""
        place = self._namespaces.get(namespace)
        return place.next_at if place is not None and place.in_a_row >= STRICT_AFTER else 0.0
