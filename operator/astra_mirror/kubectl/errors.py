"""What a command can end with instead of a result. Each message is one line that says what, where and what to do."""

from http import HTTPStatus
from typing import Final

from astra_mirror.support.text import one_line

_MAX_MESSAGE: Final = 1024


class UsageError(Exception):
    """The command line asks for something that there is not."""


class NoClusterError(Exception):
    """There is no cluster to ask. No credential is quoted."""


class ApiError(Exception):
    """A request has failed.

    Attributes:
        code: the HTTP status, or the code of an ERROR event; 0 where there was no response.
    """

    def __init__(self, text: str, code: int = 0) -> None:
        super().__init__(one_line(text, _MAX_MESSAGE))
        self.code = code

    @property
    def is_not_found(self) -> bool:
        """Whether there is no such object."""
        return self.code == HTTPStatus.NOT_FOUND

    @property
    def has_expired(self) -> bool:
        """Whether a list or a watch has to begin anew."""
        return self.code == HTTPStatus.GONE
