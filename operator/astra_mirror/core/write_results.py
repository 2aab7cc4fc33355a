"""How a read or a write of an object on the API server can end. Each error of the client becomes one of these, once."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any


def is_suspicious(code: int | None) -> bool:
    """Whether an answer with this HTTP status code, or None for no answer, may mean that the API server is away."""
    return code is None or code >= HTTPStatus.INTERNAL_SERVER_ERROR or code == HTTPStatus.TOO_MANY_REQUESTS


@dataclass(frozen=True, slots=True)
class Stored:
    """The API server has this object."""

    object: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Gone:
    """The object does not exist any more: the API server has said so of this very object, to a GET in the end."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """The object is not the version that the write was made for."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The call failed.

    `code` is the HTTP status code, None without an answer; `reason` and `message` are the API server's own where it has
    sent a Status.
    """

    code: int | None
    reason: str
    message: str

    @property
    def is_suspicious(self) -> bool:
        """Whether the API server as a whole may be away."""
        return is_suspicious(self.code)

    @property
    def words(self) -> str:
        """All of it in one line, for a log."""
        return " ".join(filter(None, (str(self.code or ""), self.reason, self.message)))


WriteResult = Stored | Gone | Conflict | Refused
