"""The composition root: the only place where the parts are made, wired, started and stopped."""

import asyncio
import logging
import random
import signal
import socket
import time
import uuid
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
import kopf
from kubernetes.aio import client

from astra_mirror.astra.client import AstraClient
from astra_mirror.astra.transport import Clients
from astra_mirror.cluster.api import REQUEST_TIMEOUT, kopf_credentials, load_configuration, pod_namespace, why
from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.events import EventRecorder
from astra_mirror.cluster.lease import Elector, LeaseLostError
from astra_mirror.cluster.secret_api import SecretReads
from astra_mirror.cluster.secrets import SecretStore
from astra_mirror.cluster.statuses import Statuses
from astra_mirror.core.resource import GROUP, PLURAL, VERSION
from astra_mirror.core.shard import Shard
from astra_mirror.handlers import kopf_settings, registry_for
from astra_mirror.metrics import LEADER, EngineCollector, SecretsCollector
from astra_mirror.mirror import Mirror
from astra_mirror.reconcile import Clocks
from astra_mirror.server import Health, HTTPServer
from astra_mirror.settings import Settings

_RECONCILE_SECONDS: Final = 300.0
_RELEASE_SECONDS: Final = 10.0
_LOOKUP_THREADS: Final = 64
_DEFAULT_LEASE_NAMESPACE: Final = "astra-mirror-system"

logger = logging.getLogger(__name__)


class NotUsableError(Exception):
    """The operator cannot work with this cluster; the message says why and what to do."""


async def run(settings: Settings) -> int:
    """Run the operator until a signal or a failure.

    Returns:
        The exit code: 0 after SIGTERM or SIGINT, 1 for what a restart may mend.

    Raises:
        ClusterConfigError: no usable credentials.
        NotUsableError: the CRD is missing or may not be read.
        OSError: the HTTP address is not to be had.
    """
    stop = asyncio.Event()
    _stop_on_signals(stop)
    # Names are looked up in threads, one for each name at a time: some with silent servers must not hold them all.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_LOOKUP_THREADS, "lookup"))
    configuration = await load_configuration()
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(client.ApiClient(configuration))
        if await _stopped_during(_check_cluster(api, settings), stop):
            return 0
        operator = _Operator(settings, api)
        stack.push_async_callback(operator.close)
        await stack.enter_async_context(operator.server())
        return await operator.run(stop)


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


async def _stopped_during(work: Coroutine[Any, Any, None], stop: asyncio.Event) -> bool:
    """Do `work`, unless a signal comes first; whether one has."""
    tasks = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if tasks[0].done():
            tasks[0].result()
        return stop.is_set()
    finally:
        for task in tasks:
            task.cancel()


async def _check_cluster(api: client.ApiClient, settings: Settings) -> None:
    objects = client.CustomObjectsApi(api)
    options: dict[str, Any] = {"limit": 1, "_request_timeout": REQUEST_TIMEOUT}
    try:
        for namespace in settings.namespace:
            await objects.list_namespaced_custom_object(GROUP, VERSION, namespace, PLURAL, **options)
        if not settings.namespace:
            await objects.list_cluster_custom_object(GROUP, VERSION, PLURAL, **options)
    except client.ApiException as error:
        advice = {
            401: "the API server refuses the credentials",
            403: "the credentials may not list AppBackupRefs: apply the role in manifests/default",
            404: "the cluster does not know AppBackupRefs: apply crds/appbackupref.yaml",
        }.get(error.status, why(error))
        raise NotUsableError(advice) from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise NotUsableError(f"the API server {api.configuration.host} cannot be reached: {why(error)}") from error


class _Operator:
    """The parts, and the order in which they start and stop."""

    def __init__(self, settings: Settings, api: client.ApiClient) -> None:
        self._settings = settings
        self._health = Health()
        self._clients = Clients(settings.allowed)
        self._secrets = SecretStore(
            SecretReads(api),
            Availability(),
            namespaces=settings.namespace,
            allowed=settings.allowed,
            changed=self._secret_changed,
        )
        self._statuses = Statuses(api)
        identity = f"{socket.gethostname()}_{uuid.uuid4()}"
        self._events = EventRecorder(api, identity)
        shard = Shard.parse(settings.shard)
        self._mirror = Mirror(
            remote=AstraClient(self._clients, settings.request_timeout),
            secrets=self._secrets,
            api=self._statuses,
            clocks=Clocks(time.monotonic, lambda: datetime.now(UTC), random.random),
            pace=settings.pace,
            shard=shard,
            tell=self._events.submit,
        )
        self._collector = EngineCollector(self._mirror.states, self._mirror.open_breakers)
        self._collector.register()
        self._secrets_collector = SecretsCollector(self._secrets.results)
        self._secrets_collector.register()
        self._elector = (
            Elector(
                api,
                namespace=settings.lease_namespace or pod_namespace() or _DEFAULT_LEASE_NAMESPACE,
                name="astra-mirror" if shard.count == 1 else f"astra-mirror-{shard.index}-of-{shard.count}",
                identity=identity,
            )
            if settings.leader_elect
            else None
        )

    def server(self) -> HTTPServer:
        """The server of the probes and metrics."""
        host, _, port = self._settings.http_address.rpartition(":")
        return HTTPServer(
            host.strip("[]"), int(port), self._health, lambda address: logger.info("Serving HTTP on %s", address)
        )

    async def run(self, stop: asyncio.Event) -> int:
        """Run the parts until `stop`, or until one of them ends by itself."""
        loop = asyncio.get_running_loop()
        stopped = loop.create_task(stop.wait(), name="signal")
        parts = {
            loop.create_task(self._work(), name="engine"),
            loop.create_task(self._secrets.run(), name="watch on Secrets"),
            loop.create_task(self._release_secrets(), name="release of Secrets"),
            loop.create_task(self._events.run(), name="recorder of Events"),
            loop.create_task(self._forget_deleted(), name="reconciliation of deletions"),
            # Last: on its end Kopf cancels every task that was not there when it began.
            loop.create_task(self._watch(stop), name="watch"),
        }
        try:
            done, _ = await asyncio.wait({stopped, *parts}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for part in (stopped, *parts):
                part.cancel()
            results = await asyncio.gather(*parts, return_exceptions=True)
        failures = [each for each in results if isinstance(each, Exception)]
        for failure in failures:
            lost = failure.subgroup(LeaseLostError) if isinstance(failure, ExceptionGroup) else None
            logger.error("Ending: %s", lost.exceptions[0] if lost else failure, exc_info=None if lost else failure)
        if stop.is_set():
            logger.info("Stopped by a signal")
            return 0
        if not failures:
            logger.error("Ending: the %s has ended by itself", next(iter(done - {stopped})).get_name())
        return 1

    async def close(self) -> None:
        """Give back what is held."""
        if self._elector is not None:
            await self._elector.release()
        self._collector.unregister()
        self._secrets_collector.unregister()
        await self._secrets.close()
        await self._clients.close()

    async def _work(self) -> None:
        if self._elector is None:
            LEADER.set(1)
            await self._mirror.run()
            return
        await self._elector.acquire()
        LEADER.set(1)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._mirror.run())
            tasks.create_task(self._elector.keep())

    async def _watch(self, stop: asyncio.Event) -> None:
        namespaces = self._settings.namespace
        ours = asyncio.all_tasks()
        tasks = await kopf.spawn_tasks(
            registry=registry_for(self._mirror, _login),
            settings=kopf_settings(),
            clusterwide=not namespaces,
            namespaces=namespaces,
            ready_flag=self._health.ready,
        )
        # Kopf has put its own handlers in place of ours; the order in which things stop is ours to say.
        _stop_on_signals(stop)
        await kopf.run_tasks(tasks, ignored=ours)

    async def _release_secrets(self) -> None:
        """Now and then give free the places of Secret names that no ref uses any more: others wait for them."""
        while True:
            await asyncio.sleep(_RELEASE_SECONDS)
            self._secrets.retain(self._mirror.secret_names())

    async def _forget_deleted(self) -> None:
        """Now and then compare with a list: what is deleted while the watch is interrupted, Kopf never reports."""
        while True:
            await asyncio.sleep(_RECONCILE_SECONDS)
            await self._clients.retain(self._mirror.drop_unused())
            before, found = self._mirror.uids(), set[str]()
            try:
                for namespace in self._settings.namespace or (None,):
                    found.update([uid async for uid in self._statuses.uids(namespace)])
            except (client.ApiException, aiohttp.ClientError, TimeoutError, OSError) as error:
                logger.warning("AppBackupRefs could not be listed: %s", why(error))
                continue
            for uid in before - found:
                self._mirror.forget(uid)

    def _secret_changed(self, namespace: str, name: str) -> None:
        self._mirror.secret_changed(namespace, name)


async def _login() -> kopf.ConnectionInfo:
    return await kopf_credentials(await load_configuration())
