"""What is to be done because of something that happened. Whoever decides returns these; `performer` performs them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from astra_mirror.core.connection import Connection
from astra_mirror.core.events import Note
from astra_mirror.core.outcome import Failed, SyncReason
from astra_mirror.core.request_plan import Attempt, Collection
from astra_mirror.engine.requests import Request
from astra_mirror.engine.state.identity import Identity
from astra_mirror.engine.state.tracked import Tracked

# About one object.


@dataclass(frozen=True, slots=True)
class PollAt:
    """Look at the object again at that time, in monotonic seconds."""

    uid: str
    at: float


@dataclass(frozen=True, slots=True)
class StartFirstPoll:
    """Poll a new object together with those that come with it."""

    uid: str


@dataclass(frozen=True, slots=True)
class ExpectStatus:
    """Give the object a status in a few seconds, if no answer has come by then."""

    uid: str


class Moved(Enum):
    """What has changed about an object that has a status."""

    DESIRED = auto()
    ACTUAL = auto()
    OBJECT = auto()


@dataclass(frozen=True, slots=True)
class StatusMoved:
    """Compare the desired status with the actual one: one of the two may have changed, or the object around them."""

    uid: str
    moved: Moved


@dataclass(frozen=True, slots=True)
class RecordEvent:
    """Record an Event about the object."""

    about: Identity
    note: Note


@dataclass(frozen=True, slots=True)
class CountPoll:
    """A poll has ended in this way."""

    result: SyncReason


@dataclass(frozen=True, slots=True)
class StopWaiting:
    """The object waits for no request any more."""

    uid: str


@dataclass(frozen=True, slots=True)
class Forget:
    """The object is looked after no longer."""

    uid: str


ObjectEffect = PollAt | StartFirstPoll | ExpectStatus | StatusMoved | RecordEvent | CountPoll | StopWaiting | Forget


@dataclass(frozen=True, slots=True)
class Step:
    """What follows for one object: its next value, and what is to be done."""

    tracked: Tracked
    effects: tuple[ObjectEffect, ...] = ()


# About requests and connections.


@dataclass(frozen=True, slots=True)
class Submit:
    """Put a request into the queue of its connection; `first`: before all that waits, since others depend on it."""

    request: Request
    first: bool = False


@dataclass(frozen=True, slots=True)
class Send:
    """Make a request now. `started` is the monotonic time at which it was let through."""

    request: Request
    started: float


@dataclass(frozen=True, slots=True)
class Show:
    """Let the objects that wait for a request show why it is not made: since `since` a breaker or a pause holds it."""

    request: Request
    failure: Failed
    since: float


@dataclass(frozen=True, slots=True)
class ShowSlow:
    """Let the objects that wait on this connection show that no answer has come yet."""

    connection: Connection


@dataclass(frozen=True, slots=True)
class Resume:
    """Plan anew for the objects of requests that were held back, and may be made now."""

    connection: Connection
    requests: tuple[Request, ...]


@dataclass(frozen=True, slots=True)
class Replan:
    """Plan anew for objects that still wait for `instead_of`: `due` is when they should have been polled."""

    connection: Connection
    uids: tuple[str, ...]
    due: float


@dataclass(frozen=True, slots=True)
class AskAlone:
    """Ask for the backup of this object alone as soon as nothing holds that back."""

    connection: Connection
    uid: str


@dataclass(frozen=True, slots=True)
class LearnList:
    """The list was answered; `size` is its number of items, None when it was not counted."""

    connection: Connection
    collection: Collection
    size: int | None


@dataclass(frozen=True, slots=True)
class AvoidList:
    """Do not ask for this list for a while."""

    connection: Connection
    collection: Collection


@dataclass(frozen=True, slots=True)
class SuspectList:
    """A list failed where the request for one backup did not."""

    connection: Connection
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Pump:
    """Start what may start on this connection."""

    connection: Connection


@dataclass(frozen=True, slots=True)
class Wake:
    """Look at the queue of this connection again at that time, in monotonic seconds.

    Without a connection: let requests go that wait for the rate of all connections.
    """

    connection: Connection | None
    at: float


@dataclass(frozen=True, slots=True)
class Defect:
    """Nothing more comes of this request, by a defect of the operator: let its objects try again later."""

    request: Request


ListEffect = LearnList | AvoidList | SuspectList

RequestEffect = (
    Submit
    | Send
    | Show
    | ShowSlow
    | Resume
    | Replan
    | AskAlone
    | LearnList
    | AvoidList
    | SuspectList
    | Pump
    | Wake
    | Defect
)


# About writes.


@dataclass(frozen=True, slots=True)
class SendPatch:
    """Patch the status of one version of an object. `sent` is the status that it should have then.

    `desired` is the desired status for which the patch was made, as `Texts` has it.
    """

    about: Identity
    version: str
    patch: Mapping[str, Any]
    sent: Mapping[str, Any]
    desired: bytes


Effect = ObjectEffect | RequestEffect
