"""The log lines for what the journals have found."""

from dataclasses import dataclass
from typing import Final

from astra_mirror.core.journal.breakers import Closed, Opened
from astra_mirror.core.journal.connections import Answers, Change, Closes, Fails
from astra_mirror.core.journal.line import Line, Users, reason_text
from astra_mirror.core.outcome import Failed
from astra_mirror.core.request_plan import Collection
from astra_mirror.core.urls import BaseURL
from astra_mirror.support.durations import format_duration

_PROBES: Final = "One request a minute is sent until one succeeds"


@dataclass(frozen=True, slots=True)
class Server:
    """A connection, as the log names it.

    Attributes:
        url: the address of Astra Control.
        number: which of the connections to that address it is, in the order in which they were seen.
        has_others: whether there are others.
    """

    url: BaseURL
    number: int = 1
    has_others: bool = False

    def __str__(self) -> str:
        return f"{self.url} (connection {self.number})" if self.has_others else str(self.url)

    @property
    def fields(self) -> dict[str, object]:
        """The same as fields."""
        return {"host": self.url.authority, "connection": self.number}


def connection_line(change: Change, server: Server, users: Users) -> Line:
    """The line about a connection."""
    fields = {**server.fields, **users.fields}
    whom = f"for {users.text}"
    match change:
        case Answers():
            return Line("info", f"Astra Control at {server} answers, {whom}", fields)
        case Fails(failure, opens):
            opening = " and its circuit breaker opens" if opens else ""
            text = f"Astra Control at {server} fails{opening}, {whom}. {reason_text(failure)}"
            return Line("warning", f"{text} {_PROBES}" if opens else text, {**fields, "reason": failure.reason})
        case Closes(failure):
            text = f"The circuit breaker of {server} closes, but requests fail, {whom}. {reason_text(failure)}"
            return Line("warning", text, {**fields, "reason": failure.reason})
    closing = " and its circuit breaker closes" if change.closes else ""
    after = format_duration(change.seconds)
    return Line("info", f"Astra Control at {server} answers again after {after}{closing}, {whom}", fields)


def breaker_line(change: Opened | Closed, server: Server, users: Users, *, is_of_lists: bool = False) -> Line:
    """The line about the breaker of an account or an app, or of all lists of monitors.

    Args:
        change: what has happened; its scope is an account, a Collection, or None for all.
        server: the connection.
        users: whom it concerns.
        is_of_lists: whether it holds back the lists that monitors read, and nothing else.
    """
    fields = {**server.fields, **users.fields}
    match change.scope:
        case Collection(account, app):
            what = f"the app {app}"
            fields |= {"account": account, "app": app}
        case None:
            what = "all apps"
        case account:
            what = f"the account {account}"
            fields |= {"account": str(account)}
    what = f"the lists of {what}" if is_of_lists else what
    if isinstance(change, Opened):
        text = f"The circuit breaker of {what} at {server} opens, for {users.text}. {reason_text(change.failure)}"
        return Line("warning", f"{text} {_PROBES}", {**fields, "reason": change.failure.reason})
    after = format_duration(change.seconds)
    text = f"The circuit breaker of {what} at {server} closes after {after}, for {users.text}"
    return Line("info", text, fields)


def list_line(collection: Collection, server: Server, users: Users, failure: Failed | None) -> Line:
    """The line about a list that is given up because of a failure; None: that it is taken up again."""
    name = "app_backups" if collection.app else "account_backups"
    of = f"the app {collection.app}" if collection.app else f"the account {collection.account}"
    fields = {**server.fields, **users.fields, "account": collection.account, "list": name}
    fields |= {"app": collection.app} if collection.app else {}
    if failure is None:
        text = f"The list of the backups of {of} at {server} is taken up again, for {users.text}"
        return Line("info", text, fields)
    text = (
        f"The list of the backups of {of} at {server} is given up, and each is requested by itself, for {users.text}. "
        f"{reason_text(failure)}"
    )
    return Line("warning", text, {**fields, "reason": failure.reason})


def secret_line(namespace: str, name: str, users: Users, failure: Failed | None) -> Line:
    """The line about a Secret that is unusable because of a failure; None: that it is usable again."""
    fields = {**users.fields, "namespaces": [namespace], "secret": name}
    secret = f"The Secret {name} in the namespace {namespace}"
    # The namespace is in there already.
    whom = Users(users.refs, users.monitors).text
    if failure is None:
        return Line("info", f"{secret} is usable again, for {whom}", fields)
    text = f"{secret} is unusable, for {whom}. {reason_text(failure)}"
    return Line("warning", text, {**fields, "reason": failure.reason})
