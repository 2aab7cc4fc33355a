"""The results of reading or writing an object on the API server. Each error of the client becomes one of these."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

_ERROR: Final = int(HTTPStatus.INTERNAL_SERVER_ERROR)
_TOO_MANY: Final = int(HTTPStatus.TOO_MANY_REQUESTS)


def suggests_outage(code: int | None) -> bool:
    """Whether a response with this HTTP status code, or None for no response, may mean that the API server is away."""
    return code is None or code >= _ERROR or code == _TOO_MANY


@dataclass(frozen=True, slots=True)
class Stored:
    """The object as the API server has it."""

    object: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Gone:
    """The object no longer exists: a GET has confirmed it with a NotFound that names this object."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """The object has changed since the version that the write was made for."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The call failed.

    Attributes:
        code: the HTTP status code; None without a response.
        reason: the reason in the API server's Status; empty without one.
        message: the message in the API server's Status, or an error text.
    """

    code: int | None
    reason: str
    message: str

    @property
    def suggests_outage(self) -> bool:
        """Whether the API server as a whole may be away."""
        return suggests_outage(self.code)

    @property
    def may_be_stored(self) -> bool:
        """Whether the API server may have stored the write all the same, or may still do so."""
        return self.code is None or self.code >= HTTPStatus.INTERNAL_SERVER_ERROR

    @property
    def text(self) -> str:
        """The code, the reason and the message in one line, for a log."""
        return " ".join(filter(None, (str(self.code or ""), self.reason, self.message)))


WriteResult = Stored | Gone | Conflict | Refused
