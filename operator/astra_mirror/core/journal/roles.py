"""What the log says of the operator's role: that it lacks a verb, and that it has it again.

An API server that has just started forbids for some seconds what the role allows. So nothing counts soon after requests
have failed, and a refusal is said when it has lasted, or when nobody has tried again. Times are monotonic seconds.
"""

import re
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from astra_mirror.core.journal.line import Line
from astra_mirror.support.text import one_line

LASTS_SECONDS: Final = 12.0
"""For how long a refusal must have lasted. At its start, the operator ends after ten seconds with a text of its own."""
_TROUBLE_SECONDS: Final = 15.0
_MAX_MESSAGE: Final = 500
_PATH: Final = re.compile(
    r".*?/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+)/[^/]+)"
    r"(?:/namespaces/(?P<namespace>[^/]+))?/(?P<resource>[a-z]+)(?:/(?P<name>[^/]+)(?:/(?P<sub>[^/]+))?)?"
)
_WRITES: Final = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_SECRETS: Final = "secrets"
"""The log has a line for each that the operator may not read."""


class Right(NamedTuple):
    """What a request needs: a verb on a resource, in a namespace or in all."""

    verb: str
    resource: str
    namespace: str | None


def right_of(method: str, path: str, *, is_watch: bool) -> Right | None:
    """The right that a request needs; None for one that is not about objects."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    resource = f"{found['resource']}/{found['sub']}" if found["sub"] else found["resource"]
    read = "get" if found["name"] else "watch" if is_watch else "list"
    return Right(_WRITES.get(method, read), resource, found["namespace"])


def is_by_the_role(message: str) -> bool:
    """Whether RBAC forbids it. A quota and a webhook answer with the same code and reason, in other words."""
    return " is forbidden: User " in message and " cannot " in message


@dataclass(slots=True)
class _Refusal:
    right: Right
    message: str
    since: float
    is_said: bool = field(default=False)


class RoleJournal:
    """The verbs that the operator's role lacks.

    Attributes:
        said_elsewhere: verbs and resources that the operator does without: the log says so where that is decided.
    """

    def __init__(self) -> None:
        self.said_elsewhere: frozenset[tuple[str, str]] = frozenset()
        self._refusals: dict[tuple[str, str], _Refusal] = {}
        self._failed_at = float("-inf")

    def failed(self, now: float) -> None:
        """Record that a request has failed in another way: the API server may be away, or about to start."""
        self._failed_at = now

    def refused(self, right: Right, message: str, now: float) -> bool:
        """Record that RBAC refuses a request; return whether `lines` may have something to say in LASTS_SECONDS."""
        key = right.verb, right.resource
        if (
            now - self._failed_at < _TROUBLE_SECONDS
            or key in self._refusals
            or key in self.said_elsewhere
            or right.resource == _SECRETS
        ):
            return False
        self._refusals[key] = _Refusal(right, one_line(message, _MAX_MESSAGE), now)
        return True

    def allowed(self, right: Right) -> Line | None:
        """Record that a request was not refused; return what has to be said."""
        if not self._refusals:
            return None
        key = right.verb, right.resource
        refusal = self._refusals.get(key)
        # A role of one namespace says nothing about those of others.
        if refusal is None or refusal.right.namespace != right.namespace:
            return None
        del self._refusals[key]
        text = f"The operator's role allows it again to {_what(right)}"
        return Line("info", text, _fields(right)) if refusal.is_said else None

    def lines(self, now: float) -> list[Line]:
        """What has to be said of the refusals that have lasted."""
        due = [each for each in self._refusals.values() if not each.is_said and now - each.since >= LASTS_SECONDS]
        for each in due:
            each.is_said = True
        return [_lacks(each) for each in due]


def _lacks(refusal: _Refusal) -> Line:
    text = (
        f"The operator's role does not allow it to {_what(refusal.right)}: apply the role of this release. "
        f"The API server says: {refusal.message}"
    )
    return Line("warning", text, {**_fields(refusal.right), "reason": "RoleLacksVerb"})


def _what(right: Right) -> str:
    return f"{right.verb} {right.resource}" + (f" in the namespace {right.namespace}" if right.namespace else "")


def _fields(right: Right) -> dict[str, object]:
    fields: dict[str, object] = {"verb": right.verb, "resource": right.resource}
    return fields | ({"namespaces": [right.namespace]} if right.namespace else {})
