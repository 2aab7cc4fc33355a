"""Effects: decisions return them, `performer` performs them, and `writing` sends each `SendPatch`."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from astra_mirror.core.connection import Connection
from astra_mirror.core.events import Note
from astra_mirror.core.journal.line import Line
from astra_mirror.core.outcome import Answer, Failed, Listed, SyncReason
from astra_mirror.core.request_plan import Attempt, Collection
from astra_mirror.engine.requests import Request
from astra_mirror.engine.state.identity import Identity
from astra_mirror.engine.state.tracked import Tracked

# About one object.


@dataclass(frozen=True, slots=True)
class CheckAt:
    """Process the object at that time, in monotonic seconds: poll it if a poll is due, else only update its status."""

    uid: str
    at: float


@dataclass(frozen=True, slots=True)
class StartFirstPoll:
    """Poll a new object together with the others that arrive at about the same time."""

    uid: str


@dataclass(frozen=True, slots=True)
class ExpectStatus:
    """Give the object a status in a few seconds if no answer has arrived by then."""

    uid: str


class Moved(Enum):
    """What has changed: the desired status, the actual status, or only the rest of the object."""

    DESIRED = auto()
    ACTUAL = auto()
    OBJECT = auto()


@dataclass(frozen=True, slots=True)
class StatusMoved:
    """Compare the desired status with the actual one."""

    uid: str
    moved: Moved


@dataclass(frozen=True, slots=True)
class RecordEvent:
    """Record an Event about the object."""

    about: Identity
    note: Note


@dataclass(frozen=True, slots=True)
class CountPoll:
    """Count a finished poll by its result."""

    kind: str
    result: SyncReason


@dataclass(frozen=True, slots=True)
class StopWaiting:
    """The object stops waiting for its request."""

    uid: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Stop tracking the object."""

    uid: str


ObjectEffect = CheckAt | StartFirstPoll | ExpectStatus | StatusMoved | RecordEvent | CountPoll | StopWaiting | Forget


@dataclass(frozen=True, slots=True)
class Step:
    """What follows for one object: its new state, and the effects to perform."""

    tracked: Tracked
    effects: tuple[ObjectEffect, ...] = ()


# About requests and connections.


@dataclass(frozen=True, slots=True)
class Submit:
    """Put a request into the queue of its connection; `first`: ahead of the others, which depend on its answer."""

    request: Request
    first: bool = False


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request now. `started` is the monotonic time at which the queue admitted it."""

    request: Request
    started: float


@dataclass(frozen=True, slots=True)
class Show:
    """Report in the status of the waiting objects why a request is held back, and since when."""

    request: Request
    failure: Failed
    since: float


@dataclass(frozen=True, slots=True)
class ShowSlow:
    """Report in the status of the objects that wait on this connection that no answer has arrived yet."""

    connection: Connection


@dataclass(frozen=True, slots=True)
class Resume:
    """Replan the objects of requests that are no longer held back."""

    connection: Connection
    requests: tuple[Request, ...]


@dataclass(frozen=True, slots=True)
class Replan:
    """Replan these objects; `due` is when they should have been polled."""

    connection: Connection
    uids: tuple[str, ...]
    due: float


@dataclass(frozen=True, slots=True)
class AskAlone:
    """Submit a single GET for this object; it starts when no breaker holds it back."""

    connection: Connection
    uid: str


@dataclass(frozen=True, slots=True)
class LearnList:
    """A list request succeeded; `size` is the number of items, None if they were not counted."""

    connection: Connection
    collection: Collection
    size: int | None
    complete: bool = True


@dataclass(frozen=True, slots=True)
class AvoidList:
    """Do not request this list for a while, because of a failure."""

    connection: Connection
    collection: Collection
    failure: Failed


@dataclass(frozen=True, slots=True)
class SuspectList:
    """A list failed, and the canary request for a single backup did not fail in the same way."""

    connection: Connection
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Pump:
    """Start the requests that may start on this connection."""

    connection: Connection


@dataclass(frozen=True, slots=True)
class Wake:
    """Pump the queue of this connection at that time, in monotonic seconds; of a Secret, look what the log has to say.

    Without a connection: start the requests that wait for the global rate limit.
    """

    connection: Connection | tuple[str, str] | None
    at: float


@dataclass(frozen=True, slots=True)
class Defect:
    """No answer to this request will be processed: reschedule its objects."""

    request: Request


@dataclass(frozen=True, slots=True)
class Ended:
    """A request that was sent at `sent`, in monotonic seconds, was answered: the log may have to say so."""

    request: Request
    answer: Answer | Listed
    sent: float


@dataclass(frozen=True, slots=True)
class Log:
    """Write a line into the log."""

    line: Line


ListEffect = LearnList | AvoidList | SuspectList

ObjectsEffect = Show | ShowSlow | Resume | Replan | AskAlone | Defect
RequestEffect = Submit | Send | ObjectsEffect | ListEffect | Pump | Wake


# About writes.


@dataclass(frozen=True, slots=True)
class SendPatch:
    """Patch the status of one version of an object. `sent` is the status that the object should have afterwards.

    `desired` is the desired status from which the patch was computed, as JSON bytes.
    """

    about: Identity
    version: str
    patch: Mapping[str, Any]
    sent: Mapping[str, Any]
    desired: bytes


Effect = ObjectEffect | RequestEffect | Ended | Log
