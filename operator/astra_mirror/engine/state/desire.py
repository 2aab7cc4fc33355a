"""What the user asks for: the spec, and the annotation that requests a poll."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from astra_mirror.api.meta import MAX_REQUESTED_AT, REQUESTED_AT
from astra_mirror.core.outcome import Failed
from astra_mirror.engine.kinds.kind import Kind, Spec

Target = tuple[str, str, str, str]


class Desire(NamedTuple):
    """What an object asks for.

    Attributes:
        spec: the spec; a placeholder that names no backup if it cannot be read.
        generation: the object's generation, to which the spec belongs.
        requested_at: the value of the annotation that requests a poll; None if there is none.
        is_readable: whether the spec can be read. If not, the object has a status and is never polled.
    """

    spec: Spec
    generation: int
    requested_at: str | None
    is_readable: bool = True

    @property
    def target(self) -> Target:
        """What is observed: the Secret and the three IDs."""
        spec = self.spec
        return (spec.secret_name, spec.account_id, spec.app_id, spec.backup_id)

    @property
    def is_polled(self) -> bool:
        """Whether the object is polled: its spec can be read, and is not suspended."""
        return self.is_readable and not self.spec.suspend


def desire_of(kind: Kind, body: Mapping[str, Any], spec: Spec | Failed) -> Desire:
    """What an object asks for when it is first seen.

    Args:
        kind: what it is one of.
        body: the object.
        spec: its spec as its kind has read it.
    """
    is_readable = not isinstance(spec, Failed)
    return Desire(
        spec=kind.unreadable if isinstance(spec, Failed) else spec,
        generation=body["metadata"]["generation"],
        requested_at=requested_at(body),
        is_readable=is_readable,
    )


def edited(desire: Desire, body: Mapping[str, Any], spec: Spec) -> Desire:
    """What an object asks for now. Returns the same instance if nothing changed."""
    generation, requested = body["metadata"]["generation"], requested_at(body)
    if (generation, requested) == (desire.generation, desire.requested_at):
        return desire
    return desire._replace(spec=spec, generation=generation, requested_at=requested)


def requested_at(body: Mapping[str, Any]) -> str | None:
    """The value of the annotation that requests a poll; a value too long to be echoed in the status is ignored."""
    annotations = body["metadata"].get("annotations")
    value = annotations.get(REQUESTED_AT) if isinstance(annotations, Mapping) else None
    return value if isinstance(value, str) and len(value) <= MAX_REQUESTED_AT else None
