"""Which object it is. Nothing here ever changes: an object that is deleted and created again has another uid."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from astra_mirror.engine.kinds.kind import Kind
from astra_mirror.support.times import moment_of

GRACE_SECONDS: Final = 60.0
"""How old an object may be while its missing Secret may still be created."""


class Identity(NamedTuple):
    """The identity of an object.

    Attributes:
        kind: its kind.
        uid: its uid.
        namespace: its namespace.
        name: its name there.
        grace_until: until when a missing Secret may still be created, because the object is young; monotonic seconds.
    """

    kind: Kind
    uid: str
    namespace: str
    name: str
    grace_until: float = 0.0

    @property
    def place(self) -> tuple[str, Kind]:
        """What a role and a policy are about that refuse a write: a kind in a namespace."""
        return self.namespace, self.kind

    @property
    def label(self) -> str:
        """The object in a log line."""
        return f"{self.namespace}/{self.name}"


def identity_of(kind: Kind, metadata: Mapping[str, Any], now: float, utc: datetime) -> Identity:
    """The identity of an object that is seen for the first time.

    Args:
        kind: the kind of the object.
        metadata: its metadata.
        now: monotonic seconds.
        utc: the same moment by the wall clock.
    """
    created = moment_of(metadata.get("creationTimestamp"))
    age = 0.0 if created is None else max((utc - created).total_seconds(), 0.0)
    return Identity(kind, metadata["uid"], metadata["namespace"], metadata["name"], now + GRACE_SECONDS - age)
