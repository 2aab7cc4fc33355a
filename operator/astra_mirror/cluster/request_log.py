"""Logs the requests to the API server: at debug, one line for each; one line when the operator's role lacks a verb."""

import logging
import time
from http import HTTPStatus
from typing import Final

import aiohttp

from astra_mirror.cluster.api import failure_text
from astra_mirror.core.journal.line import Line
from astra_mirror.core.journal.roles import LASTS_SECONDS, Right, RoleJournal, is_by_the_role, right_of
from astra_mirror.core.write_results import suggests_outage
from astra_mirror.observability.logs import Log
from astra_mirror.support.scheduler import call_at, monotonic

_READS: Final = frozenset({"get", "list", "watch"})
_BODIES_OF_OTHERS: Final = frozenset({"secrets"})
"""Their reader limits how much of a body it takes, and the log has lines of its own for them."""

logger = logging.getLogger(__name__)


class RequestLog:
    """A middleware for aiohttp's client, the same for all sessions."""

    def __init__(self) -> None:
        self._journal = RoleJournal()
        self._log = Log()

    def leave_to_others(self, rights: frozenset[tuple[str, str]]) -> None:
        """Say nothing of these verbs and resources: the log does so elsewhere."""
        self._journal.said_elsewhere = rights

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send the request. A watch counts as answered when it begins."""
        begun, outcome = time.monotonic(), "no response"
        try:
            response = await handler(request)
            outcome = str(response.status)
        except (aiohttp.ClientError, OSError):
            self._journal.failed(monotonic())
            raise
        finally:
            if logger.isEnabledFor(logging.DEBUG):
                logger.debug("%s %s: %s after %.3fs", request.method, request.url, outcome, time.monotonic() - begun)
        if suggests_outage(response.status):
            self._journal.failed(monotonic())
        right = right_of(request.method, request.url.path, is_watch="watch" in request.url.query)
        if right is not None and right.resource not in _BODIES_OF_OTHERS:
            await self._note(right, response)
        return response

    async def _note(self, right: Right, response: aiohttp.ClientResponse) -> None:
        if response.status == HTTPStatus.FORBIDDEN:
            # Kept by aiohttp for whoever reads it next.
            text = failure_text(response.status, response.reason, await response.read())
            # Nothing but authorization refuses to read.
            if right.verb in _READS or is_by_the_role(text):
                self._refused(right, text)
        elif response.status < HTTPStatus.BAD_REQUEST:
            self._write(self._journal.allowed(right))

    def _refused(self, right: Right, text: str) -> None:
        if self._journal.refused(right, text, monotonic()):
            call_at(monotonic() + LASTS_SECONDS, self._say)

    def _say(self) -> None:
        for line in self._journal.lines(monotonic()):
            self._write(line)

    def _write(self, line: Line | None) -> None:
        if line is not None:
            self._log.write(line)
