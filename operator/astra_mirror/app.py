"""The composition root: creates the components of the operator, connects them, and closes them in order."""

import asyncio
import random
import socket
import uuid
from collections.abc import Callable, Coroutine, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from astra_mirror.astra.client import AstraClient
from astra_mirror.astra.transport import ClientPool
from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.endpoint import Endpoint
from astra_mirror.cluster.events import EventRecorder
from astra_mirror.cluster.informer import Informer
from astra_mirror.cluster.kubeconfig import pod_namespace
from astra_mirror.cluster.lease import Elector
from astra_mirror.cluster.optional_kind import OptionalInformer
from astra_mirror.cluster.probe import Probe, wait_for_cluster
from astra_mirror.cluster.ref_writes import RefClient
from astra_mirror.cluster.secret_api import SecretAPI
from astra_mirror.cluster.secrets import OnChange, SecretStore
from astra_mirror.cluster.statuses import StatusClient
from astra_mirror.core.shard import Shard
from astra_mirror.engine.engine import Engine
from astra_mirror.engine.entrance import Entrance
from astra_mirror.engine.kinds.app_backup_monitor import APP_BACKUP_MONITOR
from astra_mirror.engine.kinds.app_backup_ref import APP_BACKUP_REF
from astra_mirror.engine.kinds.kind import Kind
from astra_mirror.engine.monitors.controller import MonitorController
from astra_mirror.engine.monitors.remote import ListKeeper
from astra_mirror.engine.monitors.watching import NotedStatuses, OwnRefs, Watched
from astra_mirror.engine.ports import Clocks
from astra_mirror.observability.metrics import EngineCollector, ObjectsCollector, SecretsCollector
from astra_mirror.observability.monitors import MonitorsCollector
from astra_mirror.settings import Settings
from astra_mirror.support.scheduler import clock

_DEFAULT_LEASE_NAMESPACE: Final = "astra-mirror-system"


class Cluster:
    """The API server: its endpoint, a kubernetes client, and whether it is away."""

    def __init__(self, endpoint: Endpoint, settings: Settings) -> None:
        self.endpoint = endpoint
        self.availability = Availability(Probe(endpoint, APP_BACKUP_REF.names, settings.namespace), name=endpoint.host)
        self.api = endpoint.api_client(self.availability)
        self._namespaces = settings.namespace

    async def wait(self) -> None:
        """Wait until the objects can be listed.

        Raises:
            NotUsableError: the CRD is missing, or the operator may not list its objects.
        """
        await wait_for_cluster(self.endpoint, self.availability, APP_BACKUP_REF.names, self._namespaces)

    async def close(self) -> None:
        """Close the connections."""
        await self.api.close()  # type: ignore[no-untyped-call]
        await self.endpoint.close()


class Components:
    """The components of the operator.

    Args:
        settings: the options.
        cluster: the API server.
        kopf_started: called after each start of Kopf, because Kopf replaces the signal handlers.
    """

    def __init__(self, settings: Settings, cluster: Cluster, kopf_started: Callable[[], None]) -> None:
        self._clients = ClientPool(settings.allowed)
        self._availability = cluster.availability
        self.secrets = _secrets(settings, cluster, self._secret_changed)
        status_client = StatusClient(cluster.api, cluster.availability)
        identity = f"{socket.gethostname()}_{uuid.uuid4()}"
        self.events = EventRecorder(cluster.api, identity, cluster.availability)
        shard = Shard.parse(settings.shard)
        own = OwnRefs()
        clocks = Clocks(clock(), lambda: datetime.now(UTC), random.random)
        time_out = settings.request_timeout
        lists = ListKeeper(AstraClient(self._clients, time_out), clocks, time_out)
        self.engine = Engine(
            remote=lists,
            connections=self.secrets,
            api=NotedStatuses(status_client, APP_BACKUP_REF.names, own),
            events=self.events,
            clocks=clocks,
            pace=settings.pace,
            shard=shard,
        )
        refs, monitors = (self.engine.entrance(each) for each in (APP_BACKUP_REF, APP_BACKUP_MONITOR))
        watched = {APP_BACKUP_REF: Watched(refs, own), APP_BACKUP_MONITOR: Watched(monitors)}
        self._informers = _informers(settings, cluster, status_client, watched, kopf_started)
        self._monitors = MonitorController(
            self.engine.performer,
            watched[APP_BACKUP_MONITOR],
            own,
            lists=lists,
            api=RefClient(cluster.api, cluster.availability),
            informer=self._informers[APP_BACKUP_REF],
            pace=settings.pace,
        )
        self.elector = _elector(settings, cluster, shard, identity) if settings.leader_elect else None
        self._collectors = self._measuring(refs, monitors)
        for each in self._collectors:
            each.register()

    def _measuring(
        self, refs: Entrance, monitors: Entrance
    ) -> tuple[ObjectsCollector | EngineCollector | SecretsCollector, ...]:
        return (
            ObjectsCollector(APP_BACKUP_REF.label, APP_BACKUP_REF.names.several, refs.states),
            MonitorsCollector(monitors.objects),
            EngineCollector(
                self.engine.open_breakers, self.engine.connections, self.engine.reachability, self.engine.pending
            ),
            SecretsCollector(self.secrets.results),
        )

    @property
    def not_ready_reason(self) -> str | None:
        """Why the operator is not ready; None when it is."""
        informers = self._informers.values()
        return next((each.not_ready_reason for each in informers if each.not_ready_reason), None)

    def tasks(self) -> Iterator[tuple[Coroutine[Any, Any, None], str]]:
        """What has to run for each kind, each with its name in the log."""
        for informer in self._informers.values():
            yield from informer.tasks()

    async def lead(self) -> None:
        """Run what the leader alone runs, until cancelled."""
        since = {}
        if self.elector is not None:
            # Another process may have written what is not newer than the present versions.
            versions = {kind: await informer.latest_version() for kind, informer in self._informers.items()}
            since = {kind: version for kind, version in versions.items() if version is not None}
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.engine.lead(since))
            tasks.create_task(self._monitors.run())

    def release_secrets(self) -> None:
        """Stop watching the Secret names that no ref uses any more, because other names wait for their places."""
        self.secrets.retain(self.engine.secret_names())

    async def forget_unused(self) -> None:
        """Close the connections and the TLS contexts that no ref uses any more."""
        await self._clients.retain(self.engine.drop_unused())

    async def close(self) -> None:
        """Release the Lease, and close all components."""
        if self.elector is not None and not self._availability.is_away:
            await self.elector.release()
        for each in self._collectors:
            each.unregister()
        await self.secrets.close()
        await self._clients.close()

    def _secret_changed(self, namespace: str, name: str) -> None:
        self.engine.secret_changed(namespace, name)


def _informers(
    settings: Settings,
    cluster: Cluster,
    objects: StatusClient,
    watched: Mapping[Kind, Watched],
    kopf_started: Callable[[], None],
) -> dict[Kind, Informer]:
    # Without monitors the operator works as well.
    kinds = {APP_BACKUP_REF: Informer, APP_BACKUP_MONITOR: OptionalInformer}
    return {
        kind: informer(
            kind.names,
            cluster.endpoint,
            cluster.availability,
            objects=objects,
            namespaces=settings.namespace,
            engine=watched[kind],
            kopf_started=kopf_started,
        )
        for kind, informer in kinds.items()
    }


def _secrets(settings: Settings, cluster: Cluster, changed: OnChange) -> SecretStore:
    return SecretStore(
        SecretAPI(cluster.api),
        cluster.availability,
        namespaces=settings.namespace,
        allowed=settings.allowed,
        require_tls_verification=settings.require_tls_verification,
        changed=changed,
    )


def _elector(settings: Settings, cluster: Cluster, shard: Shard, identity: str) -> Elector:
    return Elector(
        cluster.api,
        cluster.availability,
        namespace=settings.lease_namespace or pod_namespace() or _DEFAULT_LEASE_NAMESPACE,
        name="astra-mirror" if shard.count == 1 else f"astra-mirror-{shard.index}-of-{shard.count}",
        identity=identity,
    )
