"""What `why` could find out. Each fact is known, or `Hidden`: the user may not see it, or it could not be read."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from astra_mirror.kubectl.core.seen import Seen


@dataclass(frozen=True, slots=True)
class Hidden:
    """A fact that could not be found out; `why` completes the sentence "It is not known whether …: WHY"."""

    why: str


@dataclass(frozen=True, slots=True)
class Secret:
    """The Secret that the object names; `keys` are None if there is none."""

    keys: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Lease:
    """A Lease of the operator.

    Attributes:
        name: its name, which ends in the shard for a shard's.
        holder: who holds it; "" for nobody.
        renewed: when it was last renewed; None for never.
        duration: for how long after that it is valid.
    """

    name: str
    holder: str
    renewed: datetime | None
    duration: timedelta

    def is_alive(self, now: datetime) -> bool:
        """Whether somebody renews it."""
        return bool(self.holder) and self.renewed is not None and now - self.renewed <= self.duration


@dataclass(frozen=True, slots=True)
class Event:
    """An Event about the object."""

    at: datetime
    kind: str
    reason: str
    note: str


@dataclass(frozen=True, slots=True)
class Facts:
    """All of them.

    Attributes:
        seen: the object.
        now: the API server's time, so that the clock of the user's machine does not matter.
        secret: the Secret that it names.
        leases: those of the operator.
        operator_namespace: where these are.
        may_read_secret: whether the operator's role allows it to read the Secret.
        events: the latest, newest first.
    """

    seen: Seen
    now: datetime
    secret: Secret | Hidden
    leases: tuple[Lease, ...] | Hidden
    operator_namespace: str
    may_read_secret: bool | Hidden
    events: tuple[Event, ...] | Hidden
