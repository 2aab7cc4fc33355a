"""What the engine holds of one AppBackupRef between events. The status itself is the memory of what was observed.

There are thousands of these: slots, shared strings, and statuses as the JSON text that they are on the wire, which is a
tenth of the size of the same as objects. A poll that learns nothing new touches none of it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from astra_mirror.api.app_backup_ref import AppBackupRefSpec, AppBackupRefStatus
from astra_mirror.api.meta import MAX_REQUESTED_AT, REQUESTED_AT
from astra_mirror.core.messages import Shown
from astra_mirror.core.outcome import Failed
from astra_mirror.core.progress import Sample
from astra_mirror.core.schedule import Pace, interval_of, is_at_rest
from astra_mirror.core.status import is_observed
from astra_mirror.core.throttle import UNUSED, Throttle

Target = tuple[str, str, str, str]


@dataclass(slots=True, eq=False)
class Ref:
    """An AppBackupRef, and where its polling stands. Times are monotonic seconds.

    Attributes:
        grown_at: until when its Secret may be on its way, because the object is young.
        cluster: the actual status, which the API server holds, as JSON.
        own: the operator's own last status, whatever anybody else has written since.
        wanted: the desired status, as JSON; its transition times are settled when it is written. Where it says what
            `own` says it is the same value, and so is `cluster` where that does.
        state: the backup's state in `wanted`.
        is_observed: whether `wanted` has an answer of the remote's; `is_at_rest`, one that is not expected to change.
        interval: the one in force for `wanted`, without jitter and backoff.
        fresh_at: the last success, or the start of counting.
        next_poll: when a poll may start.
        asked: when somebody last had a reason to want a poll at once; `poll_from`, from when that poll may start.
        throttle: how often somebody has asked for one.
        read_at: when the request was sent whose answer counted last.
        failure: how the last poll failed, if it did; `failures` is how many did in a row.
        is_stale: whether `wanted` was computed as of an observation that is too old to count.
        has_status: whether `wanted` has been computed for this target since the start.
        is_inherited: whether `wanted` is what stood in the cluster, because no answer has come since the start.
        is_grace: whether `wanted` has a failure that may end by itself while the object is young.
        shown: the texts in `wanted` that have a correlation ID.
        words_at: when the remote's words for a failure were last taken over; None when its next ones count at once.
        secret_at: when its Secret changed, until the first answer after that.
        reading: the request that is under way for it, if any.
        digest: of the document that `wanted` shows, None when that has to be looked at again.
        body: of the list in which that document was, if it was in one.
        is_of_app: whether its backup is known to belong to the app that it names.
        unlisted_until: until when lists are not expected to have it.
        events_until: how far its Events have used up its share, see core.events.admit.
    """

    uid: str
    namespace: str
    name: str
    generation: int
    version: str
    spec: AppBackupRefSpec
    requested_at: str | None
    cluster: bytes
    own: bytes
    fresh_at: float
    next_poll: float
    grown_at: float = 0.0
    asked: float = 0.0
    poll_from: float = 0.0
    throttle: Throttle = UNUSED
    read_at: float = 0.0
    wanted: bytes = b"{}"
    state: str | None = None
    is_observed: bool = False
    is_at_rest: bool = False
    interval: float = 0.0
    failure: Failed | None = None
    failures: int = 0
    has_status: bool = False
    is_inherited: bool = False
    is_stale: bool = False
    is_grace: bool = False
    shown: tuple[Shown, ...] = ()
    words_at: float | None = None
    secret_at: float | None = None
    sample: Sample | None = None
    reading: object | None = None
    digest: int | None = None
    body: int | None = None
    is_of_app: bool = False
    unlisted_until: float = 0.0
    events_until: float = 0.0

    @property
    def target(self) -> Target:
        """What is observed: the Secret and the three IDs."""
        spec = self.spec
        return (spec.secret_ref.name, spec.account_id, spec.app_id, spec.backup_id)

    @property
    def label(self) -> str:
        """The ref's name in a log."""
        return f"{self.namespace}/{self.name}"

    @property
    def status(self) -> AppBackupRefStatus:
        """`wanted` as a value."""
        return AppBackupRefStatus.model_validate_json(self.wanted)

    def want(self, status: AppBackupRefStatus, pace: Pace) -> None:
        """Set `wanted`, and what follows from it."""
        self.wanted = status.model_dump_json(by_alias=True, exclude_none=True).encode()
        self.state = status.state
        self.is_observed = is_observed(status)
        self.is_at_rest = is_at_rest(status)
        self.interval = interval_of(self.spec, status, pace)

    def forget_target(self) -> None:
        """Start anew, for another target: only the status itself is not touched."""
        self.failure, self.failures, self.sample = None, 0, None
        self.has_status = self.is_inherited = self.is_grace = False
        self.digest, self.body, self.is_of_app, self.unlisted_until = None, None, False, 0.0
        # An answer that is on its way is about the old one.
        self.reading = None


def status_json(status: object) -> bytes:
    """A status as `Ref.cluster` has it; an empty one where it is no object."""
    status = status if isinstance(status, Mapping) else {}
    return json.dumps(status, separators=(",", ":"), ensure_ascii=False).encode()


def requested_at(body: Mapping[str, Any]) -> str | None:
    """The value of the annotation that asks for a poll; one that is too long to be echoed asks for nothing."""
    annotations = body["metadata"].get("annotations")
    value = annotations.get(REQUESTED_AT) if isinstance(annotations, Mapping) else None
    return value if isinstance(value, str) and len(value) <= MAX_REQUESTED_AT else None


def is_newer(version: str, than: str) -> bool:
    """Whether the resourceVersion `version` is later than the other.

    They are comparable as integers by the API's own rule since Kubernetes 1.35; what is no integer is taken as newer.
    """
    if version.isdigit() and than.isdigit():
        return int(version) > int(than)
    return version != than
