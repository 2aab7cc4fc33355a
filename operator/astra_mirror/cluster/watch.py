"""Kopf as an informer: it watches one kind in one scope and hands each event on. No state is stored in the objects.

Kopf's own timers and daemons would put a finalizer on each object, and patch statuses that have not changed.

A Kopf operator ends when a watch does: on an ERROR event, on credentials that are refused. So each scope has one of
its own, which is started anew in the same process, and whose end cancels nothing but its own tasks.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Protocol

import aiohttp
import kopf

from astra_mirror.api.app_backup_ref import PLURAL
from astra_mirror.api.meta import GROUP, VERSION
from astra_mirror.cluster.api import PAGE
from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.endpoint import CONNECT_SECONDS, Endpoint
from astra_mirror.core.loglines import Complaint
from astra_mirror.core.restart import RestartDelay
from astra_mirror.support.text import cut

_WATCH_SECONDS: Final = 40
"""After so long the API server ends a watch, which is begun anew where it ended."""
_SILENT_SECONDS: Final = 45.0
"""A watch that was to end and says nothing is a dead one."""
_UNRESOLVED_SECONDS: Final = 15.0
"""Within so long Kopf asks for its first list, unless it has not found the kind among the API's resources."""
_MAX_WORDS: Final = 500
_KOPF: Final = Path(kopf.__file__).parent

logger = logging.getLogger(__name__)


class Listener(Protocol):
    """Takes in what the watch reports."""

    def is_news(self, event: Mapping[str, Any]) -> bool:
        """Whether `take` wants the event: to call a handler costs Kopf far more."""

    def take(self, event: Mapping[str, Any]) -> None:
        """Take an event in: its type is None in a list, else ADDED, MODIFIED or DELETED; `object` is the object."""

    def relisted(self) -> None:
        """A list that is not the first has begun: Kopf does not report what was deleted before it."""


class Watch:
    """The watch of AppBackupRefs in one scope.

    Args:
        endpoint: the API server.
        availability: whether it is away.
        scope: the namespace; None for all.
        listener: takes in what the watch reports.
        spawned: called after each start of Kopf, which sets signal handlers of its own.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        availability: Availability,
        scope: str | None,
        listener: Listener,
        spawned: Callable[[], None],
    ) -> None:
        self._endpoint = endpoint
        self._availability = availability
        self._scope = scope
        self._listener = listener
        self._spawned = spawned
        self._asked = asyncio.Event()
        self._has_listed, self._has_watched = False, False
        self._complaint = Complaint()

    @property
    def lacks(self) -> str | None:
        """What has not succeeded yet: the list or the watch; None when both have."""
        if not self._has_listed:
            return f"the AppBackupRefs {self._where} have not been listed yet"
        return None if self._has_watched else f"the AppBackupRefs {self._where} are not watched yet"

    async def run(self) -> None:
        """Watch until cancelled, with a new Kopf whenever one has ended."""
        asyncio.get_running_loop().set_exception_handler(report_unless_left_open)
        delay = RestartDelay()
        while True:
            await self._availability.wait_until_back()
            begun = time.monotonic()
            failure = await self._run_kopf()
            logger.warning("The watch on AppBackupRefs %s starts anew: %s", self._where, failure)
            self._availability.suspect()
            await asyncio.sleep(delay.after(time.monotonic() - begun))

    @property
    def _where(self) -> str:
        return "of all namespaces" if self._scope is None else f"of the namespace {self._scope}"

    async def _run_kopf(self) -> str:
        """Run one Kopf operator to its end; why it has ended."""
        self._asked.clear()
        session = self._endpoint.session(self._availability.wait_before, self._observe, self._availability.notice)
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
            self._spawned()
            # Not kopf.run_tasks, which in the end cancels whatever task began after it.
            unresolved = asyncio.create_task(self._unresolved())
            tasks.add(unresolved)
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return _reason(ended, unresolved)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await session.close()

    def _registry(self, session: aiohttp.ClientSession) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        sessions = [kopf.AiohttpSession(server=self._endpoint.host, aiohttp_session=session)]

        def is_news(event: Mapping[str, Any], **_: Any) -> bool:  # noqa: ANN401 - Kopf passes much more
            return self._listener.is_news(event)

        @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry, when=is_news)
        async def observed(event: Mapping[str, Any], **_: Any) -> None:  # noqa: ANN401 - Kopf passes much more
            self._listener.take(event)

        @kopf.on.login(registry=registry)
        async def logged_in(**_: Any) -> kopf.AiohttpSession | None:  # noqa: ANN401 - Kopf passes much more
            # Asked for another one, it has been refused though the session has renewed its credentials: Kopf ends.
            return sessions.pop() if sessions else None

        return registry

    async def _observe(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """See how Kopf's lists and watches fare: a middleware of aiohttp's client."""
        if not request.url.path.endswith(f"/{PLURAL}"):
            return await handler(request)
        self._asked.set()
        response = await handler(request)
        verb = "watched" if "watch" in request.url.query else "listed"
        if not response.ok:
            self._tell(verb, response)
        elif verb == "watched":
            self._complaint.end()
            self._has_watched = True
        elif "continue" not in request.url.query:
            if self._has_listed:
                self._listener.relisted()
            self._has_listed = True
        return response

    def _tell(self, verb: str, response: aiohttp.ClientResponse) -> None:
        """Log that Kopf is refused something, which it tries again every five seconds; 410 is part of its life."""
        words = f"{response.status} {response.reason or ''}".rstrip()
        advice = ": apply the role in manifests/default" if response.status == HTTPStatus.FORBIDDEN else ""
        if response.status != HTTPStatus.GONE and self._complaint.is_due(words) and not self._availability.is_away:
            logger.warning("AppBackupRefs %s cannot be %s, trying again: %s%s", self._where, verb, words, advice)

    async def _unresolved(self) -> None:
        """Return when Kopf has not asked for a list in time; wait for ever once it has."""
        while not self._asked.is_set():
            await self._availability.wait_until_back()
            try:
                async with asyncio.timeout(_UNRESOLVED_SECONDS):
                    await self._asked.wait()
            except TimeoutError:
                if not self._availability.is_away:
                    return
        await asyncio.Event().wait()


def report_unless_left_open(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Report what asyncio would, but for a generator that a Kopf has left open and that fails when it is closed."""
    generator = context.get("asyncgen")
    if generator is not None and Path(generator.ag_code.co_filename).is_relative_to(_KOPF):
        logger.debug("Kopf has left a generator open", exc_info=context.get("exception"))
    else:
        loop.default_exception_handler(context)


def _reason(ended: set[asyncio.Task[Any]], unresolved: asyncio.Task[None]) -> str:
    if unresolved in ended:
        return "the API server does not name AppBackupRefs among its resources"
    for task in ended:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            logger.debug("Kopf has ended", exc_info=error)
            if isinstance(error, kopf.LoginError):
                return "the API server refuses the credentials"
            # Kopf's errors have the API server's words first, and all of its answer after them.
            return cut(f"{type(error).__name__}: {error.args[0] if error.args else error}", _MAX_WORDS)
    return f"Kopf's {next(iter(ended)).get_name()} has ended by itself"


class _NoEssence(kopf.AnnotationsDiffBaseStorage):
    """What Kopf would compare to tell a change: nothing, because the engine does that; it would be a deep copy."""

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
    # A quarter of an hour: a role that is being repaired is no reason to list all anew.
    settings.networking.error_backoffs = [1, 2, 3, *[5] * 180]
    settings.networking.connect_timeout = CONNECT_SECONDS
    settings.networking.request_timeout = 30
    settings.persistence.diffbase_storage = _NoEssence()
    # A worker for each object goes when it has been idle for this long: at start, when there is one for each object,
    # a longer time costs several kilobytes an object.
    settings.queueing.idle_timeout = 0.02
    settings.process.ultimate_exiting_timeout = None
    return settings
