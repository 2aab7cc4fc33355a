"""Observes the lists and watches that Kopf requests in one scope, and takes the objects out of the responses."""

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from astra_mirror.api.meta import Names
from astra_mirror.cluster.api import MAX_LOGGED_MESSAGE
from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.watch_stream import Listener, Remainder
from astra_mirror.core.loglines import FailureLog
from astra_mirror.support.scheduler import monotonic
from astra_mirror.support.text import one_line

_NOT_LOGGED: Final = frozenset({HTTPStatus.GONE, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
"""The first is normal. Of the second `request_log` says what the role lacks, of the third `watch` that the CRD does."""

logger = logging.getLogger(__name__)


class WatchRequests:
    """The requests for one kind in one scope.

    Args:
        names: the kind's.
        what: the kind and the scope in a log line.
        availability: whether the API server is away.
        listener: receives the objects.
        watched: called when a watch has been opened.

    Attributes:
        list_requested: set when Kopf has requested a list.
        have_listed: whether the first page of a list has arrived.
        have_watched: whether a watch has been opened.
        listed_at: when the latest list was requested, in monotonic seconds.
    """

    def __init__(
        self,
        names: Names,
        what: str,
        availability: Availability,
        listener: Listener,
        watched: Callable[[], None] = lambda: None,
    ) -> None:
        self.list_requested = asyncio.Event()
        self.have_listed, self.have_watched = False, False
        self.listed_at = 0.0
        self._plural = names.plural
        self._what = what
        self._availability = availability
        self._listener = listener
        self._watched = watched
        self._failure_log = FailureLog()

    async def intercept(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """A middleware for aiohttp's client: notes what is requested, and how it ends, and replaces the body."""
        if not request.url.path.endswith(f"/{self._plural}"):
            return await handler(request)
        self.list_requested.set()
        is_watch = "watch" in request.url.query
        is_first_page = not is_watch and "continue" not in request.url.query
        if is_first_page:
            self.listed_at = monotonic()
        response = await handler(request)
        if not response.ok:
            self._log_refusal("watched" if is_watch else "listed", response)
            return response
        if is_watch:
            # A list that succeeds does not show that the watches will.
            self._failure_log.succeeded()
            self.have_watched = True
            self._watched()
        if is_first_page:
            if self.have_listed:
                self._listener.relisted()
            self.have_listed = True
        remainder: Any = Remainder(response.content, self._listener, self.listed_at)
        response.content = remainder
        return response

    def _log_refusal(self, verb: str, response: aiohttp.ClientResponse) -> None:
        """Log an error response, after which Kopf retries every five seconds, unless it is logged elsewhere."""
        text = one_line(f"{response.status} {response.reason or ''}".rstrip(), MAX_LOGGED_MESSAGE)
        if response.status in _NOT_LOGGED or not self._failure_log.should_log(text) or self._availability.is_away:
            return
        logger.warning("%s cannot be %s, trying again: %s", self._what, verb, text)
