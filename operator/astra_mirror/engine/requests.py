"""The two kinds of request, with the refs that wait for each: one backup's document, or a list of many.

A list that fails, or lacks a ref, says nothing about any backup: the request for the single backup decides then. When
the whole list failed, one ref goes ahead, so that a dead server is not asked for each of a thousand refs.

An answer that concerns many refs is handed out in pieces; each ref is looked at anew when its turn comes.
"""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from astra_mirror.api.app_backup_ref import AppBackupRefSpec
from astra_mirror.core.connection import Connection
from astra_mirror.core.list_fallback import AfterSingle, acquits_list, after_single
from astra_mirror.core.outcome import Answer, Failed, Known, Listed
from astra_mirror.core.reasons import Concerns, Retry
from astra_mirror.core.request_plan import Attempt, Collection
from astra_mirror.engine.ref import Ref
from astra_mirror.support.time_slices import TimeSlice


@dataclass(frozen=True, slots=True)
class Round:
    """A request that has been made: to whom, when, and the draw for the next one. One for all whom it serves."""

    connection: Connection | Failed
    started: float
    draw: float


class Remote(Protocol):
    """What the engine needs of the remote side."""

    async def get_backup(
        self, connection: Connection, spec: AppBackupRefSpec, known: int | None, *, namespace: str
    ) -> Answer:
        """Read the backup that `spec` names, out of `namespace`'s shares."""

    async def list_backups(
        self, connection: Connection, collection: Collection, known: Known, *, namespace: str
    ) -> Listed | Failed:
        """Read a list of backups, out of `namespace`'s shares."""


class Secrets(Protocol):
    """What the engine needs of the Secrets."""

    def connection(self, namespace: str, name: str) -> Connection | Failed | None:
        """The connection that a Secret describes, or why there is none; None while that is not known yet."""


def connection_of(ref: Ref, secrets: Secrets) -> Connection | Failed | None:
    """What the ref's Secret says."""
    return secrets.connection(ref.namespace, ref.spec.secret_ref.name)


class Reader(Protocol):
    """Makes the requests, and handles their answers."""

    remote: Remote

    def known(self, read: "ListRead") -> Known:
        """What is known of the backups that a list may have."""

    async def listed(self, read: "ListRead", answer: Listed | Failed, round_: Round) -> None:
        """A list was answered."""

    async def ask_otherwise(self, connection: Connection, refs: Sequence[Ref], due: float) -> None:
        """Plan anew for these refs."""

    def ask_apart(self, connection: Connection, ref: Ref) -> None:
        """Ask for this ref's backup alone as soon as nothing holds that back."""

    def ahead_ended(self, read: "SingleRead") -> None:
        """The request that decides for the refs of lists that failed has ended, or is held back."""

    def avoid(self, connection: Connection, collection: Collection) -> None:
        """Do not ask for this list for a while."""

    def suspect(self, connection: Connection, attempt: Attempt) -> None:
        """A list failed where the request for one backup did not."""


class Listener(Protocol):
    """Handles the ends of polls."""

    def answered(self, ref: Ref, answer: Answer, round_: Round) -> None:
        """A poll has ended."""

    def held(self, ref: Ref, failure: Failed, round_: Round) -> None:
        """A breaker or a pause holds this ref's request back."""

    def broken(self, ref: Ref) -> None:
        """This ref's answer was lost by a defect of the operator."""

    def slow(self, ref: Ref) -> None:
        """No answer has come for a while."""


@dataclass(slots=True, eq=False)
class _Read:
    """A request for `refs`. Those that have found another one meanwhile do not wait for its end any more.

    `namespace` is that of the ref that was due first. `is_fallback` is true for a request that goes on with a poll that
    another request has begun; `at` is the ref that was last handed its answer.
    """

    reader: Reader
    listener: Listener
    connection: Connection
    refs: Sequence[Ref]
    namespace: str
    due: float
    urgency: float
    draw: float
    is_fallback: bool
    is_observed: bool = field(init=False)
    at: Ref | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.is_observed = any(each.is_observed for each in self.refs)

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

    async def held(self, failure: Failed, at: float) -> None:
        """Show the refs why nothing is asked for them; they go on waiting."""
        time_slice = TimeSlice(self.namespace)
        for each in self.waiting():
            await time_slice.checkpoint()
            if each.reading is self:
                self.listener.held(each, failure, self._round(at))

    def _probe(self, refs: Sequence[Ref]) -> "SingleRead | None":
        """A request for the backup of one of `refs`: of one that was observed before, where there is one."""
        for each in self.waiting():
            if each.spec.suspend:
                each.reading = None
        polled = [each for each in refs if each.reading is self]
        ref = next((each for each in polled if each.is_observed), next(iter(polled), None))
        if ref is None:
            return None
        probe = SingleRead(
            self.reader,
            self.listener,
            self.connection,
            [ref],
            ref.namespace,
            self.due,
            self.urgency,
            self.draw,
            is_fallback=True,
            spec=ref.spec,
        )
        ref.reading = probe
        return probe

    def broken(self) -> None:
        """Let the refs try again later, the one with whom it happened as well."""
        waiting = self.waiting()
        if self.at is not None and self.at.reading is None:
            waiting.append(self.at)
        for each in waiting:
            each.reading = None
            self.listener.broken(each)

    async def slow(self) -> None:
        """Let each ref that still waits show it."""
        time_slice = TimeSlice(self.namespace)
        for each in self.waiting():
            await time_slice.checkpoint()
            if each.reading is self:
                self.listener.slow(each)

    def _round(self, started: float) -> Round:
        return Round(self.connection, started, self.draw)


@dataclass(slots=True, eq=False)
class SingleRead(_Read):
    """The request for the backup of the first ref, which `spec` names; the others follow when it has been answered.

    `instead_of` are lists that failed; that this request does better speaks against them.
    """

    spec: AppBackupRefSpec
    instead_of: list[Attempt] = field(default_factory=list)

    @property
    def app(self) -> Collection:
        """Whose breaker counts."""
        return Collection(self.spec.account_id, self.spec.app_id)

    @property
    def account(self) -> str:
        """Whose breaker counts, and whose share of the connection it takes."""
        return self.spec.account_id

    def request(self) -> Awaitable[Answer]:
        """Ask."""
        return self.reader.remote.get_backup(self.connection, self.spec, self.refs[0].digest, namespace=self.namespace)

    def join(self, refs: Sequence[Ref], attempt: Attempt) -> None:
        """Let the refs of another list that failed wait for this answer as well."""
        self.refs = [*self.refs, *refs]
        self.instead_of.append(attempt)
        for each in refs:
            each.reading = self

    async def held(self, failure: Failed, at: float) -> None:
        """Show the refs why nothing is asked for them; plan anew for those that the failure does not concern."""
        self.reader.ahead_ended(self)
        others = [each for each in self.waiting() if not self._is_alike(each, failure.reason.facts.concerns)]
        await self.reader.ask_otherwise(self.connection, others, self.due)
        await _Read.held(self, failure, at)

    def _is_alike(self, ref: Ref, concerns: Concerns) -> bool:
        same_account = ref.spec.account_id == self.spec.account_id
        match concerns:
            case Concerns.APP:
                return same_account and ref.spec.app_id == self.spec.app_id
            case Concerns.ACCOUNT:
                return same_account
            case _:
                return True

    def probe(self) -> "SingleRead | None":
        """Take one ref of the same account, and where there is one of the same app, into a request of its own."""
        waiting = [each for each in self.waiting() if each.spec.account_id == self.spec.account_id]
        same_app = [each for each in waiting if each.spec.app_id == self.spec.app_id]
        return self._probe(same_app or waiting)

    async def ended(self, answer: Answer | Listed, started: float) -> None:
        """Hand on the answer."""
        if isinstance(answer, Listed):
            raise TypeError("a list for a single backup")
        self.reader.ahead_ended(self)
        failure = answer if isinstance(answer, Failed) else None
        if failure is None or not acquits_list(failure):
            for attempt in self.instead_of:
                self.reader.suspect(self.connection, attempt)
        is_shared = failure is not None and after_single(failure) is AfterSingle.SHARE
        time_slice = TimeSlice(self.namespace)
        # The one that went ahead comes last, so that the next time another does: its backup alone may be at fault.
        for each in [*self.waiting()[1:], *self.waiting()[:1]] if is_shared else self.refs[:1]:
            await time_slice.checkpoint()
            if each.reading is self:
                self.release(each)
                self.listener.answered(each, answer, self._round(started))
        await self.reader.ask_otherwise(self.connection, self.waiting(), self.due)
        if failure is not None and failure.pause is None and failure.reason.facts.retry is Retry.PROBE:
            self.reader.ask_apart(self.connection, self.refs[0])


@dataclass(slots=True, eq=False)
class ListRead(_Read):
    """The request for the list of an app's or an account's backups."""

    collection: Collection

    @property
    def app(self) -> None:
        """No app's breaker counts: a token may read a backup and not the list."""

    @property
    def account(self) -> str:
        """Whose breaker counts, and whose share of the connection it takes."""
        return self.collection.account

    def request(self) -> Awaitable[Listed | Failed]:
        """Ask."""
        return self.reader.remote.list_backups(
            self.connection, self.collection, self.reader.known(self), namespace=self.namespace
        )

    def probe(self) -> SingleRead | None:
        """Take one ref into a request of its own: a list may fail for reasons of its own."""
        return self._probe(self.waiting())

    async def ended(self, answer: Answer | Listed, started: float) -> None:
        """Hand on the answer."""
        if not isinstance(answer, Listed | Failed):
            raise TypeError("a single backup for a list")
        await self.reader.listed(self, answer, self._round(started))

    def broken(self) -> None:
        """Let the refs try again later, and not by this list: the one with the defect must stop no other."""
        self.reader.avoid(self.connection, self.collection)
        _Read.broken(self)
