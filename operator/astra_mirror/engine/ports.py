"""All that the engine needs from outside: Astra Control, the API server, clocks and random samples."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from astra_mirror.api.meta import Names
from astra_mirror.core.connection import Connection
from astra_mirror.core.events import Note
from astra_mirror.core.journal.line import Line
from astra_mirror.core.outcome import Answer, Failed, Known, Listed
from astra_mirror.core.request_plan import Collection, Document
from astra_mirror.core.write_results import WriteResult


class Remote(Protocol):
    """Astra Control."""

    async def get_backup(
        self, connection: Connection, document: Document, known: int | None, *, namespace: str
    ) -> Answer:
        """Read one backup; the request counts against `namespace`'s quotas.

        `known` is the digest of the last document, which need not be parsed again; None if there is none.
        """

    async def list_backups(
        self, connection: Connection, collection: Collection, known: Known, *, namespace: str
    ) -> Listed | Failed:
        """Read a list of backups; the request counts against `namespace`'s quotas."""


class Connections(Protocol):
    """The connections that Secrets describe."""

    def connection(self, namespace: str, name: str) -> Connection | Failed | None:
        """The connection that a Secret describes, or why there is none; None while that is not known yet."""


class Availability(Protocol):
    """Whether the API server is away."""

    @property
    def is_away(self) -> bool:
        """Whether it is known to be away."""

    def request_probe(self) -> None:
        """Request a probe of the API server, because a call has failed."""

    async def wait_until_back(self) -> None:
        """Wait while it is away, or may be."""

    async def wait_until_away(self) -> None:
        """Wait until it is away. It may be back already when this returns."""


class StatusAPI(Protocol):
    """The statuses on the API server."""

    @property
    def availability(self) -> Availability:
        """Whether the API server is away."""

    async def patch(
        self, names: Names, namespace: str, name: str, *, uid: str, version: str, patch: Mapping[str, Any]
    ) -> WriteResult:
        """Patch the status of one version of one object."""

    async def get(self, names: Names, namespace: str, name: str, *, uid: str) -> WriteResult:
        """Read one object."""


class Events(Protocol):
    """The recorder of Events."""

    def submit(self, names: Names, namespace: str, name: str, uid: str, note: Note) -> None:
        """Record an Event about the object."""


class Log(Protocol):
    """The log."""

    def write(self, line: Line) -> None:
        """Write a line."""


@dataclass(frozen=True, slots=True)
class Reports:
    """Where it is reported what has happened, beside the statuses.

    Attributes:
        events: the recorder of Events.
        log: the log.
    """

    events: Events
    log: Log


class Moment(NamedTuple):
    """The time at which something is decided, with a random sample.

    Attributes:
        at: monotonic seconds.
        utc: the same moment by the wall clock.
        draw: a random number in [0, 1).
    """

    at: float
    utc: datetime
    draw: float


@dataclass(frozen=True, slots=True)
class Clocks:
    """The clocks and the random samples.

    Attributes:
        monotonic: the monotonic clock, in seconds.
        utcnow: the wall clock.
        draw: a random number in [0, 1).
    """

    monotonic: Callable[[], float]
    utcnow: Callable[[], datetime]
    draw: Callable[[], float]

    def moment(self) -> Moment:
        """Now."""
        return Moment(self.monotonic(), self.utcnow(), self.draw())
