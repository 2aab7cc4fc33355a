"""Starts and stops the operator: the order in which its components run, and the exit code."""

import asyncio
import logging
import signal
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Final, TypeVar

from astra_mirror import __version__
from astra_mirror.app import Cluster, Components
from astra_mirror.cluster.endpoint import Endpoint
from astra_mirror.cluster.watch import KOPF_SOURCE
from astra_mirror.core.journal.start import start_line
from astra_mirror.observability.hidden_values import HiddenValues
from astra_mirror.observability.logs import Log, NamespaceLimit
from astra_mirror.observability.metrics import BUILD_INFO, LEADER
from astra_mirror.observability.probes import HTTPServer
from astra_mirror.observability.unhandled import report_unless_left_by
from astra_mirror.settings import Settings
from astra_mirror.support import allocator

_DRAIN_SECONDS: Final = 5.0
_RELEASE_SECONDS: Final = 10.0
_FORGET_SECONDS: Final = 300.0
_RETURN_SECONDS: Final = 30.0
T = TypeVar("T")

logger = logging.getLogger(__name__)


async def run(settings: Settings, limit: NamespaceLimit, hidden: HiddenValues) -> int:
    """Run the operator until a signal or a failure. An API server that is away is no failure.

    Args:
        settings: the options.
        limit: limits the log lines of each namespace, and reports in the background how many were left out.
        hidden: what the log leaves out: the operator's own credentials are added to it.

    Returns:
        The exit code: 0 after SIGTERM or SIGINT, 1 for a failure after which a restart may succeed.

    Raises:
        ClusterConfigError: there are no usable credentials for the API server.
        NotUsableError: the CRD is missing, or the operator may not list its objects.
        OSError: the HTTP address cannot be bound.
    """
    asyncio.get_running_loop().set_exception_handler(partial(report_unless_left_by, KOPF_SOURCE))
    BUILD_INFO.labels(__version__).set(1)
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    Log().write(start_line(__version__, settings.model_dump(), defaults))
    stop = _Stop()
    async with AsyncExitStack() as stack:
        endpoint = await stop.unless_first(Endpoint.from_environment(hidden))
        if endpoint is None:
            return _stopped()
        cluster = Cluster(endpoint, settings)
        stack.push_async_callback(cluster.close)
        operator = _Operator(settings, cluster, limit, stop)
        stack.push_async_callback(operator.close)
        await stack.enter_async_context(HTTPServer(settings.http_address, operator.not_ready_reason, _log_address))
        return await operator.run()


def _log_address(address: str) -> None:
    logger.info("Serving HTTP on %s", address)


def _stopped() -> int:
    logger.info("Stopped by a signal")
    return 0


class _Stop:
    """Whether SIGTERM or SIGINT has come, from the start on: the first process of a container would ignore them."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.listen()

    def listen(self) -> None:
        """Handle the signals. Kopf replaces the handlers at each of its starts."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._event.set)

    @property
    def is_set(self) -> bool:
        """Whether one has come."""
        return self._event.is_set()

    async def wait(self) -> None:
        """Wait for one."""
        await self._event.wait()

    async def unless_first(self, work: Coroutine[Any, Any, T]) -> T | None:
        """The result of `work`; None if a signal comes first, which cancels it."""
        task, signalled = asyncio.create_task(work), asyncio.create_task(self.wait())
        try:
            await asyncio.wait({task, signalled}, return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            for each in (task, signalled):
                each.cancel()
            await asyncio.gather(task, signalled, return_exceptions=True)


class _Operator:
    """The running components."""

    def __init__(self, settings: Settings, cluster: Cluster, limit: NamespaceLimit, stop: _Stop) -> None:
        self._cluster = cluster
        self._limit = limit
        self._stop = stop
        self._tasks: set[asyncio.Task[None]] = set()
        self._components = Components(settings, cluster, stop.listen)

    def not_ready_reason(self) -> str | None:
        """Why the operator is not ready; None when it is."""
        if self._cluster.availability.is_away:
            return "the API server is away"
        return self._components.not_ready_reason

    async def run(self) -> int:
        """Run the components until a signal, or until one of them ends; return the exit code."""
        stopped = asyncio.create_task(self._stop.wait(), name="signal")
        self._start(self._cluster.availability.run(), "probe of the API server")
        self._start(self._limit.run(), "log")
        self._cluster.availability.request_probe()
        try:
            if not await self._run_until_stopped(stopped, self._cluster.wait(), "check of the cluster"):
                self._start_components()
                await asyncio.wait({stopped, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
            ended = {task.get_name() for task in self._tasks if task.done()}
        finally:
            stopped.cancel()
            if self._stop.is_set:
                self._cluster.endpoint.hurry()
                # Before the Lease is released: the next leader would have to observe these statuses again.
                await self._components.engine.drain(_DRAIN_SECONDS)
            failures = await self._cancel_tasks()
        for failure in failures:
            logger.error("Ending: %s", failure, exc_info=failure)
        if self._stop.is_set:
            return _stopped()
        if not failures:
            logger.error("Ending: the %s has ended by itself", ", ".join(ended))
        return 1

    async def close(self) -> None:
        """Close the components."""
        await self._components.close()

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.add(asyncio.create_task(work, name=name))

    def _start_components(self) -> None:
        self._start(self._components.engine.take_in(), "inbox")
        self._start(self._lead(), "engine")
        self._start(self._components.secrets.run(), "watch on Secrets")
        self._start(self._components.events.run(), "recorder of Events")
        self._start(self._release_secrets(), "release of Secrets")
        self._start(self._forget_unused(), "release of what is not used")
        self._start(_return_memory(), "return of free memory")
        for work, name in self._components.tasks():
            self._start(work, name)

    async def _run_until_stopped(self, stopped: asyncio.Task[Any], work: Coroutine[Any, Any, None], name: str) -> bool:
        """Run `work`, but cancel it on a signal or when another task ends; return whether it was cancelled."""
        task = asyncio.create_task(work, name=name)
        try:
            await asyncio.wait({stopped, task, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
            return not task.done()
        finally:
            task.cancel()

    async def _cancel_tasks(self) -> list[Exception]:
        """Cancel all tasks; return the exceptions of those that failed."""
        for task in self._tasks:
            task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        return [each for each in results if isinstance(each, Exception)]

    async def _lead(self) -> None:
        """Run the engine while this process holds the Lease; without leader election, run it at once."""
        elector = self._components.elector
        if elector is None:
            LEADER.set(1)
            await self._components.lead()
            return
        while True:
            await elector.acquire()
            LEADER.set(1)
            try:
                async with asyncio.TaskGroup() as tasks:
                    work = tasks.create_task(self._components.lead())
                    await elector.keep()
                    work.cancel()
            finally:
                LEADER.set(0)

    async def _release_secrets(self) -> None:
        while True:
            await asyncio.sleep(_RELEASE_SECONDS)
            self._components.release_secrets()

    async def _forget_unused(self) -> None:
        while True:
            await asyncio.sleep(_FORGET_SECONDS)
            await self._components.forget_unused()


async def _return_memory() -> None:
    while True:
        await asyncio.sleep(_RETURN_SECONDS)
        allocator.return_free_memory()
