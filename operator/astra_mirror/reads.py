"""The two kinds of request, with the refs that wait for each: one backup's document, or a list of many.

A list that fails, or lacks a ref, says nothing about any backup: the request for the single backup decides then. When
the whole list failed, one ref goes ahead, so that a dead server is not asked for each of a thousand refs.

An answer that concerns many refs is handed out in pieces; each ref is looked at anew when its turn comes.
"""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from astra_mirror.core.connection import Connection
from astra_mirror.core.fallback import concerns_all
from astra_mirror.core.outcome import Answer, Failed, Known, Listed, SyncReason
from astra_mirror.core.plan import Attempt, Collection
from astra_mirror.core.resource import AppBackupRefSpec
from astra_mirror.ref import Ref
from astra_mirror.turn import Turn


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

    async def listed(self, read: "ListRead", answer: Listed | Failed, round_: Round) -> None:
        """A list was answered."""

    def ask_otherwise(self, connection: Connection, refs: Sequence[Ref], due: float) -> None:
        """Plan anew for these refs."""

    def avoid(self, connection: Connection, collection: Collection) -> None:
        """Do not ask for this list for a while."""

    def suspect(self, connection: Connection, attempt: Attempt) -> None:
        """A list failed where the request for one backup did not."""


class Listener(Protocol):
    """Who hears how the polls of refs end."""

    def answered(self, ref: Ref, answer: Answer, round_: Round) -> None:
        """A poll has ended."""

    def refused(self, ref: Ref, failure: Failed, until: float, round_: Round) -> None:
        """Nothing is asked for this ref before `until`."""

    def broken(self, ref: Ref) -> None:
        """A defect has eaten this ref's answer."""

    def slow(self, ref: Ref) -> None:
        """No answer has come for a while."""


@dataclass(slots=True, eq=False)
class _Read:
    """A request for `refs`. Those that have found another one meanwhile do not wait for its end any more.

    `is_fallback` is true for a request that goes on with a poll that another request has begun; `at` is the ref that
    was last handed its answer.
    """

    reader: Reader
    listener: Listener
    connection: Connection
    refs: Sequence[Ref]
    due: float
    urgency: float
    draw: float
    is_fallback: bool
    at: Ref | None = field(default=None, init=False)

    def waiting(self) -> list[Ref]:
        """The refs that still wait for the answer."""
        return [each for each in self.refs if each.reading is self]

    def is_wanted(self) -> bool:
        """Whether anybody still waits for the answer."""
        return any(each.reading is self for each in self.refs)

    def release(self, ref: Ref) -> None:
        """Let `ref` go, because it is handed its answer now."""
        ref.reading = None
        self.at = ref

    async def refused(self, failure: Failed, until: float, at: float) -> None:
        """Hand on that at `at` the gate was closed: why, and until when nothing is asked."""
        with Turn() as turn:
            for each in self.waiting():
                await turn.may_end()
                if each.reading is self:
                    self.release(each)
                    self.listener.refused(each, failure, until, self._round(at))

    def broken(self) -> None:
        """Let the refs try again later, the one with whom it happened as well."""
        waiting = self.waiting()
        if self.at is not None and self.at.reading is None:
            waiting.append(self.at)
        for each in waiting:
            each.reading = None
            self.listener.broken(each)

    async def slow(self) -> None:
        """Tell the refs."""
        with Turn() as turn:
            for each in self.waiting():
                await turn.may_end()
                if each.reading is self:
                    self.listener.slow(each)

    def _round(self, started: float) -> Round:
        return Round(self.connection, started, self.draw)


@dataclass(slots=True, eq=False)
class SingleRead(_Read):
    """The request for the backup of the first ref, which `spec` names; the others follow when it has been answered.

    `instead_of` is a list that failed; that this request does better speaks against the list.
    """

    spec: AppBackupRefSpec
    instead_of: Attempt | None = None

    @property
    def app(self) -> Collection:
        """Whose breaker counts."""
        return Collection(self.spec.account_id, self.spec.app_id)

    @property
    def account(self) -> str:
        """Whose share of the connection it takes."""
        return self.spec.account_id

    def request(self) -> Awaitable[Answer]:
        """Ask."""
        return self.reader.remote.get_backup(self.connection, self.spec, self.refs[0].digest)

    async def refused(self, failure: Failed, until: float, at: float) -> None:
        """As of any request; but that an app is forbidden is nothing to the refs of another one."""
        if failure.reason is SyncReason.FORBIDDEN:
            others = [each for each in self.waiting() if each.spec.app_id != self.spec.app_id]
            self.reader.ask_otherwise(self.connection, others, self.due)
        await _Read.refused(self, failure, until, at)

    async def ended(self, answer: Answer | Listed, started: float) -> None:
        """Hand on the answer."""
        if isinstance(answer, Listed):
            raise TypeError("a list for a single backup")
        for_all = isinstance(answer, Failed) and concerns_all(answer)
        if self.instead_of is not None and not for_all:
            self.reader.suspect(self.connection, self.instead_of)
        with Turn() as turn:
            # The one that went ahead comes last, so that the next time another does: its backup alone may be at fault.
            for each in [*self.waiting()[1:], *self.waiting()[:1]] if for_all else self.refs[:1]:
                await turn.may_end()
                if each.reading is self:
                    self.release(each)
                    self.listener.answered(each, answer, self._round(started))
        self.reader.ask_otherwise(self.connection, self.waiting(), self.due)


@dataclass(slots=True, eq=False)
class ListRead(_Read):
    """The request for the list of an app's or an account's backups."""

    collection: Collection

    @property
    def app(self) -> None:
        """No app's breaker counts: a token may read a backup and not the list."""

    @property
    def account(self) -> str:
        """Whose share of the connection it takes."""
        return self.collection.account

    def request(self) -> Awaitable[Listed | Failed]:
        """Ask."""
        return self.reader.remote.list_backups(self.connection, self.collection, self.reader.known(self))

    async def ended(self, answer: Answer | Listed, started: float) -> None:
        """Hand on the answer."""
        if not isinstance(answer, Listed | Failed):
            raise TypeError("a single backup for a list")
        await self.reader.listed(self, answer, self._round(started))

    def broken(self) -> None:
        """As of any request; and each ref is asked for apart, so that the one with the defect stops no other."""
        self.reader.avoid(self.connection, self.collection)
        _Read.broken(self)
