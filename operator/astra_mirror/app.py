"""The composition root: the order in which the parts start and stop."""

import asyncio
import logging
import signal
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any, Final

from astra_mirror import __version__, allocator
from astra_mirror.cluster.endpoint import Endpoint
from astra_mirror.cluster.probe import wait_for_cluster
from astra_mirror.logs import NamespaceLimit
from astra_mirror.metrics import BUILD_INFO, LEADER
from astra_mirror.parts import Cluster, Parts
from astra_mirror.server import HTTPServer
from astra_mirror.settings import Settings

_DRAIN_SECONDS: Final = 5.0
_RELEASE_SECONDS: Final = 10.0
_FORGET_SECONDS: Final = 300.0
_RETURN_SECONDS: Final = 30.0

logger = logging.getLogger(__name__)


async def run(settings: Settings, limit: NamespaceLimit) -> int:
    """Run the operator until a signal or a failure; an API server that is away is none.

    Args:
        settings: the options.
        limit: bounds the log lines of a namespace; says in the background how many were left out.

    Returns:
        The exit code: 0 after SIGTERM or SIGINT, 1 for what a restart may mend.

    Raises:
        ClusterConfigError: no usable credentials.
        NotUsableError: the CRD is missing or may not be read.
        OSError: the HTTP address is not to be had.
    """
    BUILD_INFO.labels(__version__).set(1)
    async with AsyncExitStack() as stack:
        cluster = Cluster(await Endpoint.found(), settings)
        stack.push_async_callback(cluster.close)
        operator = _Operator(settings, cluster, limit)
        stack.push_async_callback(operator.close)
        await stack.enter_async_context(HTTPServer(settings.http_address, operator.lacks, _is_served))
        return await operator.run()


def _is_served(address: str) -> None:
    logger.info("Serving HTTP on %s", address)


class _Operator:
    """The parts at work."""

    def __init__(self, settings: Settings, cluster: Cluster, limit: NamespaceLimit) -> None:
        self._settings = settings
        self._cluster = cluster
        self._limit = limit
        self._stop = asyncio.Event()
        self._stop_on_signals()
        self._tasks: set[asyncio.Task[None]] = set()
        self._parts = Parts(settings, cluster, self._stop_on_signals)

    def lacks(self) -> str | None:
        """What /readyz says."""
        if self._cluster.availability.is_away:
            return "the API server is away"
        return self._parts.lacks

    async def run(self) -> int:
        """Run the parts until a signal, or until one of them ends by itself."""
        stopped = asyncio.create_task(self._stop.wait(), name="signal")
        self._start(self._cluster.availability.run(), "probe of the API server")
        self._start(self._limit.run(), "log")
        self._cluster.availability.suspect()
        try:
            if not await self._until(stopped, wait_for_cluster(*self._where), "check of the cluster"):
                self._start_parts()
                await asyncio.wait({stopped, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
            ended = {task.get_name() for task in self._tasks if task.done()}
        finally:
            stopped.cancel()
            if self._stop.is_set():
                # Before the Lease goes: whoever gets it has to learn it all anew.
                await self._parts.mirror.drain(_DRAIN_SECONDS)
            failures = await self._end()
        for failure in failures:
            logger.error("Ending: %s", failure, exc_info=failure)
        if self._stop.is_set():
            logger.info("Stopped by a signal")
            return 0
        if not failures:
            logger.error("Ending: the %s has ended by itself", ", ".join(ended))
        return 1

    async def close(self) -> None:
        """Give back what is held."""
        await self._parts.close()

    @property
    def _where(self) -> tuple[Endpoint, Any, list[str]]:
        return self._cluster.endpoint, self._cluster.availability, self._settings.namespace

    def _stop_on_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.add(asyncio.create_task(work, name=name))

    def _start_parts(self) -> None:
        self._start(self._lead(), "engine")
        self._start(self._parts.secrets.run(), "watch on Secrets")
        self._start(self._parts.events.run(), "recorder of Events")
        self._start(self._parts.periodic_list.run(), "periodic list")
        self._start(self._release_secrets(), "release of Secrets")
        self._start(self._forget_unused(), "release of what is not used")
        self._start(_return_memory(), "return of free memory")
        for watch in self._parts.watches:
            self._start(watch.run(), "watch")

    async def _until(self, stopped: asyncio.Task[Any], work: Coroutine[Any, Any, None], name: str) -> bool:
        """Do `work` to its end, unless a signal or the end of another part comes first; whether one has."""
        task = asyncio.create_task(work, name=name)
        try:
            await asyncio.wait({stopped, task, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
            return not task.done()
        finally:
            task.cancel()

    async def _end(self) -> list[Exception]:
        """End all tasks; what those that failed have failed of."""
        for task in self._tasks:
            task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        return [each for each in results if isinstance(each, Exception)]

    async def _lead(self) -> None:
        """Work while the Lease is held, and get it back when it is lost; always, without one."""
        elector, mirror = self._parts.elector, self._parts.mirror
        if elector is None:
            LEADER.set(1)
            await mirror.run()
            return
        while True:
            await elector.acquire()
            LEADER.set(1)
            try:
                async with asyncio.TaskGroup() as tasks:
                    work = tasks.create_task(mirror.run())
                    await elector.keep()
                    work.cancel()
            finally:
                LEADER.set(0)

    async def _release_secrets(self) -> None:
        while True:
            await asyncio.sleep(_RELEASE_SECONDS)
            self._parts.release_secrets()

    async def _forget_unused(self) -> None:
        while True:
            await asyncio.sleep(_FORGET_SECONDS)
            await self._parts.forget_unused()


async def _return_memory() -> None:
    while True:
        await asyncio.sleep(_RETURN_SECONDS)
        allocator.return_free_memory()
