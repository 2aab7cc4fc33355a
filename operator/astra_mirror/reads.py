"""The two kinds of request, with the refs that wait for each: one backup's document, or a list of many.

A list that fails, or lacks a ref, says nothing about any backup: the request for the single backup decides then. When
the whole list failed, one ref goes ahead, so that a dead server is not asked for each of a thousand refs.
"""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Answer, Failed, Known, Listed, SyncReason
from astra_mirror.core.plan import Collection
from astra_mirror.core.resource import AppBackupRefSpec
from astra_mirror.ref import Ref

CONCERNS_ALL: Final = frozenset(
    {
        SyncReason.UNAUTHORIZED,
        SyncReason.RATE_LIMITED,
        SyncReason.UNREACHABLE,
        SyncReason.SERVER_ERROR,
        SyncReason.URL_NOT_ALLOWED,
    }
)
"""Failures that do not come from what was asked for: another ref's request would fare no better."""


@dataclass(frozen=True, slots=True)
class Round:
    """A request that has been made: to whom, when, and the draw for the next one. One for all whom it serves."""

    connection: Connection | Failed
    started: float
    draw: float


class Remote(Protocol):
    """What the engine needs of the remote side."""

    async def get_backup(self, connection: Connection, spec: AppBackupRefSpec, known: int | None) -> Answer:
        """Read the backup that `spec` names."""

    async def list_backups(self, connection: Connection, collection: Collection, known: Known) -> Listed | Failed:
        """Read a list of backups."""


class Secrets(Protocol):
    """What the engine needs of the Secrets."""

    def connection(self, namespace: str, name: str) -> Connection | Failed | None:
        """The connection that a Secret describes, or why there is none; None while that is not known yet."""


def connection_of(ref: Ref, secrets: Secrets) -> Connection | Failed | None:
    """What the ref's Secret says."""
    return secrets.connection(ref.namespace, ref.spec.secret_ref.name)


class Reader(Protocol):
    """Who makes the reads, and hears of their ends."""

    remote: Remote

    def known(self, read: "ListRead") -> Known:
        """What is known of the backups that a list may have."""

    def listed(self, read: "ListRead", answer: Listed | Failed, round_: Round) -> None:
        """A list was answered."""

    def fall_back(self, connection: Connection, refs: Sequence[Ref], draw: float) -> None:
        """Ask for each of these refs' backups."""

    def avoid(self, connection: Connection, collection: Collection) -> None:
        """Do not ask for this list for a while."""


class Listener(Protocol):
    """Who hears how the polls of refs end."""

    def answered(self, ref: Ref, answer: Answer, round_: Round) -> None:
        """A poll has ended."""

    def refused(self, ref: Ref, failure: Failed, until: float) -> None:
        """Nothing is asked for this ref before `until`."""

    def broken(self, ref: Ref) -> None:
        """A defect has eaten this ref's answer."""

    def slow(self, ref: Ref) -> None:
        """No answer has come for a while."""


@dataclass(slots=True, eq=False)
class _Read:
    """A request for `refs`. Those that have found another one meanwhile do not wait for its end any more."""

    reader: Reader
    listener: Listener
    connection: Connection
    refs: Sequence[Ref]
    due: float
    urgency: float
    draw: float

    def waiting(self) -> list[Ref]:
        """The refs that still wait for the answer."""
        return [each for each in self.refs if each.reading is self]

    def is_wanted(self) -> bool:
        """Whether anybody still waits for the answer."""
        return bool(self.waiting())

    def refused(self, failure: Failed, until: float) -> None:
        """Hand on why nothing is asked."""
        for each in self.waiting():
            each.reading = None
            self.listener.refused(each, failure, until)

    def broken(self) -> None:
        """Let the refs try again later."""
        for each in self.waiting():
            each.reading = None
            self.listener.broken(each)

    def slow(self) -> None:
        """Tell the refs."""
        for each in self.waiting():
            self.listener.slow(each)

    def _round(self, started: float) -> Round:
        return Round(self.connection, started, self.draw)


@dataclass(slots=True, eq=False)
class SingleRead(_Read):
    """The request for the backup of the first ref, which `spec` names; the others follow when it has been answered.

    `instead_of` is a list that failed; that this request does better shows that it is the list's fault.
    """

    spec: AppBackupRefSpec
    instead_of: Collection | None = None

    @property
    def app(self) -> Collection:
        """Whose breaker counts."""
        return Collection(self.spec.account_id, self.spec.app_id)

    def request(self) -> Awaitable[Answer]:
        """Ask."""
        return self.reader.remote.get_backup(self.connection, self.spec, self.refs[0].digest)

    def ended(self, answer: Answer | Listed, started: float) -> None:
        """Hand on the answer."""
        if isinstance(answer, Listed):
            raise TypeError("a list for a single backup")
        for_all = isinstance(answer, Failed) and answer.reason in CONCERNS_ALL
        followers = []
        for each in self.waiting():
            each.reading = None
            if for_all or each is self.refs[0]:
                self.listener.answered(each, answer, self._round(started))
            else:
                followers.append(each)
        if self.instead_of is not None and not for_all:
            self.reader.avoid(self.connection, self.instead_of)
        self.reader.fall_back(self.connection, followers, self.draw)


@dataclass(slots=True, eq=False)
class ListRead(_Read):
    """The request for the list of an app's or an account's backups."""

    collection: Collection

    @property
    def app(self) -> None:
        """No app's breaker counts: a token may read a backup and not the list."""

    def request(self) -> Awaitable[Listed | Failed]:
        """Ask."""
        return self.reader.remote.list_backups(self.connection, self.collection, self.reader.known(self))

    def ended(self, answer: Answer | Listed, started: float) -> None:
        """Hand on the answer."""
        if not isinstance(answer, Listed | Failed):
            raise TypeError("a single backup for a list")
        self.reader.listed(self, answer, self._round(started))
