"""What all who talk to the API server have in common: how long a call may take, and how a failed one reads in a log."""

from typing import Final

from kubernetes.aio import client

REQUEST_TIMEOUT: Final = 30.0
"""Seconds for one call; the library waits for ever without it."""


def why(error: BaseException) -> str:
    """A failed call's reason in one line, for a log."""
    if isinstance(error, client.ApiException):
        return f"{error.status} {error.reason}"
    return str(error) or type(error).__name__
