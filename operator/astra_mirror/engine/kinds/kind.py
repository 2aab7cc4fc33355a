"""What a kind of object is to the engine: what it is called, what it reads, how an answer becomes a status, its Events.

Statuses are JSON texts here: their models are known to their kind alone.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, NamedTuple

from astra_mirror.api.meta import Names
from astra_mirror.core.events import Note
from astra_mirror.core.messages import Shown
from astra_mirror.core.outcome import Failed, Outcome
from astra_mirror.core.request_plan import Document
from astra_mirror.core.schedule import Pace


class Report(NamedTuple):
    """A status, and what of it decides about anything else.

    Attributes:
        status: as JSON text.
        state: the backup's state.
        is_observed: whether it contains an answer of the remote's.
        is_at_rest: whether what is observed is not expected to change.
        interval: the one in force, in seconds, without jitter and backoff.
        handled: the requestedAt value that a poll has answered.
        memory: what the kind remembers of the object beside its status, any immutable value: the engine keeps it, and
            returns it in `Happened`. It is lost with the process.
    """

    status: bytes
    state: str | None
    is_observed: bool
    is_at_rest: bool
    interval: float
    handled: str | None
    memory: object = None


class Inherited(NamedTuple):
    """What a status that was found in the cluster says.

    Attributes:
        report: the part of it that is about the target of now.
        is_own: whether an operator can have written it.
        is_grace: whether it has a failure that may end by itself while the object is young.
    """

    report: Report
    is_own: bool
    is_grace: bool


class Happened(NamedTuple):
    """What has happened to an object, and what the engine remembers of it.

    Attributes:
        generation: the object's.
        outcome: how the last poll ended; None before the first one.
        at: now, in monotonic seconds.
        utc: the same moment by the wall clock.
        memory: that of the last report about the same target; None if there was none.
        stale_since: since when no poll has succeeded, if for so long that nothing observed counts; else None.
        handled: the requestedAt value that this outcome answers, if it answers one.
        keeps_message: whether the status keeps its message for a lasting failure.
        was_grace: whether the status so far has a failure that may end by itself.
        is_grace: whether this outcome is such a failure.
        has_new_secret: whether this is the first answer since the Secret changed.
        shown: the texts in the status so far that have a correlation ID.
    """

    generation: int
    outcome: Outcome | None
    at: float
    utc: datetime
    memory: object
    stale_since: datetime | None
    handled: str | None
    keeps_message: bool
    was_grace: bool
    is_grace: bool
    has_new_secret: bool
    shown: tuple[Shown, ...]


class Next(NamedTuple):
    """The next status.

    Attributes:
        report: the status.
        shown: the texts in it that have a correlation ID.
        has_new_message: whether the message about the result of the last poll has changed.
        notes: what is worth an Event.
    """

    report: Report
    shown: tuple[Shown, ...]
    has_new_message: bool
    notes: list[Note]


@dataclass(frozen=True, slots=True)
class Spec(ABC):
    """What an object asks for, as its kind understands it. IDs are in lower case.

    Attributes:
        account_id: the account.
        app_id: the app.
        backup_id: the backup.
        secret_name: the Secret with the connection, in the object's namespace.
        suspend: whether it is not polled.
        reads_list: whether objects of this kind read the list of their app itself, which has an answer for each of
            them. The others read one backup, from a list or by a single GET, whichever is cheaper.
    """

    reads_list: ClassVar[bool] = False

    account_id: str
    app_id: str
    backup_id: str
    secret_name: str
    suspend: bool

    @property
    def document(self) -> Document:
        """What the single request reads."""
        return Document(self.account_id, self.app_id, self.backup_id)

    @abstractmethod
    def inherit(self, status: object, generation: int, pace: Pace) -> Inherited:
        """What the status says that was found in the cluster.

        Args:
            status: any JSON value.
            generation: the object's present one.
            pace: the administrator's intervals.
        """

    @abstractmethod
    def forgotten(self, held: bytes, pace: Pace) -> Report:
        """The status `held` without anything that was observed: the object names another target now."""

    @abstractmethod
    def next_report(self, held: bytes, happened: Happened, pace: Pace) -> Next:
        """The status after something has happened, and what is worth an Event.

        Args:
            held: the status so far, of the same target.
            happened: what has happened.
            pace: the administrator's intervals.
        """


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Kind(ABC):
    """A kind of object.

    Attributes:
        names: what it is called in the API.
        label: what an object of it is called in the names of the metrics.
        unreadable: a spec that names nothing, in place of one that cannot be read.
    """

    names: Names
    label: str
    unreadable: Spec

    @abstractmethod
    def read(self, body: Mapping[str, Any]) -> Spec | Failed:
        """What an object asks for, or the failure InvalidSpec, which names the invalid fields.

        Args:
            body: the object. Its `spec` may be any JSON value.
        """
