"""The two kinds of request: for one backup, or for a list of backups. `in_flight` knows the objects that wait."""

from dataclasses import dataclass
from typing import NamedTuple

from astra_mirror.core.connection import Connection
from astra_mirror.core.fair import Path
from astra_mirror.core.outcome import Failed
from astra_mirror.core.request_plan import Collection, Document
from astra_mirror.engine.state.identity import Identity


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _Request:
    """What both have in common.

    Attributes:
        connection: the Astra Control to call.
        about: the object that it was made for; of a list, the one that was due first.
        due: when it should have started, in monotonic seconds.
        urgency: how late it may start, in seconds; the lowest `due + urgency` starts first.
        draw: a random number in [0, 1) that sets the time of the next poll, the same for all objects that wait for it.
        is_fallback: whether it continues a poll that another request has begun.
        is_observed: whether the status of an object that waits for it has an observation of its target.
    """

    connection: Connection
    about: Identity
    due: float
    urgency: float
    draw: float
    is_fallback: bool
    is_observed: bool

    @property
    def namespace(self) -> str:
        """The namespace whose quotas it uses."""
        return self.about.namespace


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SingleRequest(_Request):
    """The request for one backup."""

    document: Document

    @property
    def uid(self) -> str:
        """The object that it was made for. Others may wait for it as well."""
        return self.about.uid

    @property
    def app(self) -> Collection | None:
        """The app whose circuit breaker applies."""
        return Collection(self.document.account_id, self.document.app_id)

    @property
    def account(self) -> str:
        """The account whose circuit breaker counts, and whose share of the connection it takes."""
        return self.document.account_id

    @property
    def path(self) -> Path:
        """Whose slots it takes."""
        return (self.namespace, self.account)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ListRequest(_Request):
    """The request for the list of an app's or an account's backups."""

    collection: Collection

    @property
    def app(self) -> Collection | None:
        """None: no app's circuit breaker applies, because a token may read a backup and not the list."""
        return None

    @property
    def account(self) -> str:
        """The account whose circuit breaker counts, and whose share of the connection it takes."""
        return self.collection.account

    @property
    def path(self) -> Path:
        """Whose slots it takes."""
        return (self.namespace, self.account)


Request = SingleRequest | ListRequest


class Poll(NamedTuple):
    """What is known of a poll when it ends; all objects that its answer covers share it.

    Attributes:
        connection: the Astra Control that was called; without a request, the failure of the Secret.
        started: when the request was sent, in monotonic seconds.
        draw: the random sample for the next poll.
        list_digest: of the list that was received; None if it was no list.
    """

    connection: Connection | Failed
    started: float
    draw: float
    list_digest: int | None = None
