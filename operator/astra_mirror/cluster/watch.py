"""Kopf as an informer: it lists and watches one kind in one scope, and stores no state in the objects.

`watch_stream` takes the objects out of the responses.

Kopf's timers and daemons are not used: they would add a finalizer to each object, and patch unchanged statuses.

A Kopf operator ends when its watch ends, on an ERROR event or on refused credentials. So each scope has a Kopf operator
of its own. It is restarted in the same process, and its end cancels no other task.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import aiohttp
import kopf

from astra_mirror.api.meta import GROUP, VERSION, Names
from astra_mirror.cluster.api import MAX_LOGGED_MESSAGE, PAGE, REQUEST_TIMEOUT, error_text
from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.endpoint import CONNECT_SECONDS, Endpoint
from astra_mirror.cluster.watch_requests import WatchRequests
from astra_mirror.cluster.watch_stream import Listener
from astra_mirror.core.journal.kinds import KindJournal
from astra_mirror.core.journal.line import Line
from astra_mirror.core.restart import RestartDelay
from astra_mirror.observability.logs import Log
from astra_mirror.support.scheduler import monotonic
from astra_mirror.support.text import one_line

_WATCH_SECONDS: Final = 40
"""How long a watch lasts before the API server ends it; the next one resumes where it ended."""
_SILENT_SECONDS: Final = 45.0
"""How long a watch may be silent before its connection counts as dead; longer than a watch lasts."""
_UNRESOLVED_SECONDS: Final = 15.0
"""How long Kopf may take to request its first list. It requests none if it does not find the CRD."""
KOPF_SOURCE: Final = Path(kopf.__file__).parent
"""Where the source of Kopf is. What its code leaves behind is not reported."""

logger = logging.getLogger(__name__)


class Watch:
    """The watch of one kind in one scope.

    Args:
        names: the kind's.
        endpoint: the API server.
        availability: whether the API server is away.
        scope: the namespace; None for all namespaces.
        listener: receives what the watch reports.
        kopf_started: called after each start of Kopf, because Kopf replaces the signal handlers.
        journal: what the log says of the watches of this kind.
    """

    def __init__(
        self,
        names: Names,
        endpoint: Endpoint,
        availability: Availability,
        scope: str | None,
        listener: Listener,
        *,
        kopf_started: Callable[[], None],
        journal: KindJournal,
    ) -> None:
        self._names = names
        self._endpoint = endpoint
        self._availability = availability
        self._scope = scope
        self._listener = listener
        self._kopf_started = kopf_started
        self._journal = journal
        self._log = Log()
        self._requests = WatchRequests(names, self._what, availability, listener, self._watched)

    @property
    def not_ready_reason(self) -> str | None:
        """What has not succeeded yet: the list or the watch; None when both have."""
        if not self._requests.have_listed:
            return f"the {self._what} have not been listed yet"
        return None if self._requests.have_watched else f"the {self._what} are not watched yet"

    async def run(self) -> None:
        """Watch until cancelled; start a new Kopf operator whenever one has ended."""
        delay = RestartDelay()
        while True:
            await self._availability.wait_until_back()
            begun = time.monotonic()
            failure = await self._run_kopf()
            if failure is None:
                self._write(self._journal.gone())
            else:
                self._write(self._journal.failed(self._what, failure, monotonic()))
            self._availability.request_probe()
            await asyncio.sleep(delay.after(time.monotonic() - begun))

    @property
    def _what(self) -> str:
        where = "all namespaces" if self._scope is None else f"the namespace {self._scope}"
        return f"{self._names.several} of {where}"

    def _watched(self) -> None:
        self._write(self._journal.watched(self._what))

    def _write(self, line: Line | None) -> None:
        if line is not None:
            self._log.write(line)

    async def _run_kopf(self) -> str | None:
        """Run one Kopf operator to its end; return why it ended, None if the API server does not know the kind."""
        self._requests.list_requested.clear()
        session = self._endpoint.session(
            self._availability.delay_while_away, self._requests.intercept, self._availability.probe_after_failure
        )
        tasks: set[asyncio.Task[Any]] = set()
        try:
            tasks.update(
                await kopf.spawn_tasks(
                    registry=self._registry(session),
                    settings=kopf_settings(),
                    clusterwide=self._scope is None,
                    namespaces=[] if self._scope is None else [self._scope],
                )
            )
            self._kopf_started()
            # kopf.run_tasks is not used: at its end it cancels every task that started after it.
            no_list = asyncio.create_task(self._wait_unless_listed())
            tasks.add(no_list)
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return None if no_list in ended else _end_reason(ended)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await session.close()

    def _registry(self, session: aiohttp.ClientSession) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        sessions = [kopf.AiohttpSession(server=self._endpoint.host, aiohttp_session=session)]

        # Kopf watches only what has a handler. This one is called for the events that `watch_stream` leaves to Kopf.
        @kopf.on.event(GROUP, VERSION, self._names.plural, registry=registry)
        async def observed(event: Mapping[str, Any], **_: Any) -> None:  # noqa: ANN401 - Kopf passes much more
            self._listener.take(event, self._requests.listed_at)

        @kopf.on.login(registry=registry)
        async def logged_in(**_: Any) -> kopf.AiohttpSession | None:  # noqa: ANN401 - Kopf passes much more
            # Kopf logs in again after a 401. The session has renewed its credentials by then, so no others exist.
            return sessions.pop() if sessions else None

        return registry

    async def _wait_unless_listed(self) -> None:
        """Return when Kopf has not requested a list in time; wait for ever once it has."""
        while not self._requests.list_requested.is_set():
            await self._availability.wait_until_back()
            try:
                async with asyncio.timeout(_UNRESOLVED_SECONDS):
                    await self._requests.list_requested.wait()
            except TimeoutError:
                if not self._availability.is_away:
                    return
        await asyncio.Event().wait()


def _end_reason(ended: set[asyncio.Task[Any]]) -> str | None:
    """Why a Kopf operator has ended; None if the API server does not know the kind any more."""
    for task in ended:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            logger.debug("Kopf has ended", exc_info=error)
            if isinstance(error, kopf.LoginError):
                return "the API server refuses the credentials"
            if getattr(error, "status", None) == HTTPStatus.NOT_FOUND:
                return None
            # The first argument of Kopf's errors is the API server's message, the others are the whole response.
            has_message = (
                not isinstance(error, aiohttp.ClientError) and bool(error.args) and isinstance(error.args[0], str)
            )
            text = error.args[0] if has_message else error_text(error)
            return one_line(f"{type(error).__name__}: {text}", MAX_LOGGED_MESSAGE)
    return f"Kopf's {next(iter(ended)).get_name()} has ended by itself"


class _NoEssence(kopf.AnnotationsDiffBaseStorage):
    """Stores nothing for Kopf to compare objects with: it would copy each object that is left to it."""

    def build(self, **_: Any) -> Any:  # noqa: ANN401 - Kopf's type is private
        return None

    def fetch(self, **_: Any) -> Any:  # noqa: ANN401
        return None


def kopf_settings() -> kopf.OperatorSettings:
    """Kopf's settings for an informer."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.watching.chunk_size = PAGE
    settings.watching.server_timeout = _WATCH_SECONDS
    settings.watching.inactivity_timeout = _SILENT_SECONDS
    # Retry for 15 minutes before Kopf ends, so that a role which is being repaired causes no new list.
    settings.networking.error_backoffs = [1, 2, 3, *[5] * 180]
    settings.networking.connect_timeout = CONNECT_SECONDS
    settings.networking.request_timeout = REQUEST_TIMEOUT
    settings.persistence.diffbase_storage = _NoEssence()
    # How long the worker of an object that is left to Kopf stays after its last event. Each costs several kilobytes.
    settings.queueing.idle_timeout = 0.02
    settings.process.ultimate_exiting_timeout = None
    return settings
