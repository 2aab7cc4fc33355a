"""Which object it is. Nothing here ever changes: an object that is made anew has another uid."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """An object of the cluster.

    Attributes:
        uid: the object's own.
        namespace: where it is.
        name: its name there.
        grace_until: until when a missing Secret may still be on its way, because the object is young, in monotonic
            seconds.
    """

    uid: str
    namespace: str
    name: str
    grace_until: float = 0.0

    @property
    def label(self) -> str:
        """The object in a log line."""
        return f"{self.namespace}/{self.name}"
