"""What the engine holds of one AppBackupRef between events. The status itself is the memory of what was observed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from astra_mirror.core.outcome import Outcome
from astra_mirror.core.progress import Sample
from astra_mirror.core.resource import REQUESTED_AT, AppBackupRefSpec, AppBackupRefStatus

Target = tuple[str, str, str, str]


@dataclass(slots=True, eq=False)
class Ref:
    """An AppBackupRef, and where its polling stands. Times are monotonic seconds.

    `cluster` is the status that the API server holds, `wanted` the one that should be there, without transition
    times. `fresh_at` is the last success, or the start of counting; `next_poll` is when a poll may start.
    """

    uid: str
    namespace: str
    name: str
    generation: int
    version: str
    spec: AppBackupRefSpec
    requested_at: str | None
    cluster: Mapping[str, Any]
    wanted: AppBackupRefStatus
    fresh_at: float
    next_poll: float
    outcome: Outcome | None = None
    failures: int = 0
    sample: Sample | None = None
    reading: bool = False

    @property
    def target(self) -> Target:
        """What is observed: the Secret and the three IDs."""
        spec = self.spec
        return (spec.secret_ref.name, spec.account_id, spec.app_id, spec.backup_id)

    @property
    def label(self) -> str:
        """The ref's name in a log."""
        return f"{self.namespace}/{self.name}"


def requested_at(body: Mapping[str, Any]) -> str | None:
    """The value of the annotation that asks for a poll."""
    annotations: Mapping[str, str] = body["metadata"].get("annotations") or {}
    return annotations.get(REQUESTED_AT)


def is_newer(version: str, than: str) -> bool:
    """Whether the resourceVersion `version` is later than the other.

    They are comparable as integers by the API's own rule since Kubernetes 1.35; what is no integer is taken as newer.
    """
    if version.isdigit() and than.isdigit():
        return int(version) > int(than)
    return version != than
