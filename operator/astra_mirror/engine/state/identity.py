"""Which object it is. Nothing here ever changes: an object that is made anew has another uid."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from astra_mirror.engine.kinds.kind import Kind
from astra_mirror.support.times import moment_of

GRACE_SECONDS: Final = 60.0
"""How old an object may be for its missing Secret to be on its way."""


@dataclass(frozen=True, slots=True)
class Identity:
    """An object of the cluster.

    Attributes:
        kind: what it is one of.
        uid: the object's own.
        namespace: where it is.
        name: its name there.
        grace_until: until when a missing Secret may still be on its way, because the object is young, in monotonic
            seconds.
    """

    kind: Kind
    uid: str
    namespace: str
    name: str
    grace_until: float = 0.0

    @property
    def label(self) -> str:
        """The object in a log line."""
        return f"{self.namespace}/{self.name}"


def identity_of(kind: Kind, metadata: Mapping[str, Any], now: float, utc: datetime) -> Identity:
    """Which object it is that is seen for the first time.

    Args:
        kind: what it is one of.
        metadata: the object's.
        now: monotonic seconds.
        utc: the same moment by the wall clock.
    """
    created = moment_of(metadata.get("creationTimestamp"))
    age = 0.0 if created is None else max((utc - created).total_seconds(), 0.0)
    return Identity(kind, metadata["uid"], metadata["namespace"], metadata["name"], now + GRACE_SECONDS - age)
