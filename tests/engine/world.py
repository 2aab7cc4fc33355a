"""The engine between an API server and a remote that a test has in its hands."""

import asyncio
import copy
import itertools
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from astra_mirror.cluster.statuses import Conflict, Gone, Refused, Stored
from astra_mirror.core.backup import Backup
from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Answer, Failed, Known, Listed, Observed
from astra_mirror.core.plan import Collection
from astra_mirror.core.resource import AppBackupRefSpec
from astra_mirror.core.schedule import Pace
from astra_mirror.core.shard import Shard
from astra_mirror.core.urls import BaseURL
from astra_mirror.mirror import Mirror
from astra_mirror.reconcile import Clocks

URL = BaseURL.parse("https://a.netapp.io")
OLD, NEW = Connection(URL, "old"), Connection(URL, "new")
ID = "00000000-0000-4000-8000-{:012}"
IDS = {"accountID": ID.format(1), "appID": ID.format(2)}


class Cluster:
    """The API server's part: objects with versions, and fenced patches."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.patches = 0
        self.refuses = False
        self.versions = itertools.count(1)
        self.changed = asyncio.Condition()

    def put(
        self, name: str, backup: int, *, account: int = 1, app: int = 2, interval: str = "1h", **status: Any
    ) -> dict[str, Any]:
        """Create an object, or edit its spec."""
        old = self.objects.get(name)
        generation = old["metadata"]["generation"] + 1 if old else 1
        self.objects[name] = {
            "metadata": {
                "uid": name,
                "namespace": "ns",
                "name": name,
                "generation": generation,
                "resourceVersion": str(next(self.versions)),
            },
            "spec": {
                "accountID": ID.format(account),
                "appID": ID.format(app),
                "backupID": ID.format(backup),
                "interval": interval,
            },
            "status": status or (old["status"] if old else {"observedGeneration": -1}),
        }
        return copy.deepcopy(self.objects[name])

    async def patch(
        self, namespace: str, name: str, *, uid: str, version: str, patch: Mapping[str, Any]
    ) -> Stored | Gone | Conflict | Refused:
        """A merge patch of the status."""
        del namespace, uid
        self.patches += 1
        if self.refuses:
            return Refused("busy", final=False)
        found = self.objects.get(name)
        if found is None:
            return Gone()
        if found["metadata"]["resourceVersion"] != version:
            return Conflict()
        for key, value in patch.items():
            found["status"].pop(key, None)
            if value is not None:
                found["status"][key] = value
        found["metadata"]["resourceVersion"] = str(next(self.versions))
        async with self.changed:
            self.changed.notify_all()
        return Stored(copy.deepcopy(found))

    async def get(self, namespace: str, name: str, *, uid: str) -> Stored | Gone | Conflict | Refused:
        """The object as it is."""
        del namespace, uid
        found = self.objects.get(name)
        return Stored(copy.deepcopy(found)) if found else Gone()

    async def until(self, name: str, **expected: Any) -> dict[str, Any]:
        """Wait until the status has these fields."""
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(lambda: expected.items() <= self.objects[name]["status"].items())
        status: dict[str, Any] = self.objects[name]["status"]
        return status


class Astra:
    """The remote's part: each request is a future that the test ends."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[tuple[str, Connection, asyncio.Future[Any]]] = asyncio.Queue()
        self.known: list[int | None] = []

    async def get_backup(
        self, connection: Connection, spec: AppBackupRefSpec, known: int | None = None, *, namespace: str
    ) -> Answer:
        """Wait for the test's answer."""
        assert namespace == "ns"
        self.known.append(known)
        return await self._ask(spec.backup_id, connection)  # type: ignore[no-any-return]

    async def list_backups(
        self, connection: Connection, collection: Collection, known: Known, *, namespace: str
    ) -> Listed | Failed:
        """Wait for the test's answer."""
        assert namespace == "ns"
        del known
        return await self._ask(str(collection.app), connection)  # type: ignore[no-any-return]

    async def _ask(self, what: str, connection: Connection) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        await self.asked.put((what, connection, future))
        return await future

    async def next(self, what: str) -> tuple[Connection, asyncio.Future[Any]]:
        """The next request, which must be for that."""
        async with asyncio.timeout(10):
            asked, connection, future = await self.asked.get()
        assert asked == what
        return connection, future


class Secrets:
    """One connection for everybody."""

    def __init__(self) -> None:
        self.now: Connection | Failed | None = OLD

    def connection(self, namespace: str, name: str) -> Connection | Failed | None:
        """The one of now."""
        del namespace, name
        return self.now


class World:
    """A mirror between the two."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, astra: Astra | None = None) -> None:
        self.cluster, self.astra, self.secrets = Cluster(), astra or Astra(), Secrets()
        self.utcnow: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.mirror = Mirror(
            remote=self.astra,
            secrets=self.secrets,
            api=self.cluster,
            clocks=Clocks(monotonic, lambda: self.utcnow(), lambda: 0.5),  # noqa: PLW0108 - it changes
            pace=Pace(),
            shard=Shard(),
            tell=lambda *_: None,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let it work for the time of a `with` block."""
        task = asyncio.get_running_loop().create_task(self.mirror.run())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def backup(number: int, state: str) -> Observed:
    """An answer."""
    return Observed(Backup(ID.format(number), state), digest=hash((number, state)))
