"""The engine between an API server and a remote that a test has in its hands."""

import asyncio
import copy
import itertools
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from astra_mirror.api.meta import Names
from astra_mirror.core.backup import Backup
from astra_mirror.core.connection import Connection
from astra_mirror.core.events import Note
from astra_mirror.core.journal.line import Line
from astra_mirror.core.outcome import Answer, Failed, Known, Listed, Observed
from astra_mirror.core.request_plan import Collection, Document
from astra_mirror.core.schedule import Pace
from astra_mirror.core.shard import Shard
from astra_mirror.core.urls import BaseURL
from astra_mirror.core.write_results import Conflict, Gone, Refused, Stored
from astra_mirror.engine.engine import Engine
from astra_mirror.engine.kinds.app_backup_ref import APP_BACKUP_REF
from astra_mirror.engine.kinds.kind import Kind
from astra_mirror.engine.ports import Clocks, Reports
from tests.engine.availability import Away
from tests.virtual_time import clock, utcnow

URL = BaseURL.parse("https://a.netapp.io")
OLD, NEW = Connection(URL, "old"), Connection(URL, "new")
ID = "00000000-0000-4000-8000-{:012}"
IDS = {"accountID": ID.format(1), "appID": ID.format(2)}


class Cluster:
    """The API server's part: objects with versions, and fenced patches."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.availability = Away()
        self.patches = 0
        self.patched: list[tuple[str, float]] = []
        self.under_way: set[str] = set()
        self.refuses: Refused | None = None
        self.loses: Refused | None = None
        self.hangs: set[str] = set()
        self.prunes: set[str] = set()
        self.versions = itertools.count(1)
        self.changed = asyncio.Condition()

    def put(
        self,
        name: str,
        backup: int,
        *,
        account: int = 1,
        app: int = 2,
        interval: str = "1h",
        namespace: str = "ns",
        created: str | None = None,
        **status: Any,
    ) -> dict[str, Any]:
        """Create an object, or edit its spec."""
        old = self.objects.get(name)
        generation = old["metadata"]["generation"] + 1 if old else 1
        self.objects[name] = {
            "metadata": {
                "uid": name,
                "namespace": namespace,
                "name": name,
                **({"creationTimestamp": created} if created else {}),
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
        if "target" in status:
            ids = {key: value for key, value in self.objects[name]["spec"].items() if key.endswith("ID")}
            self.objects[name]["status"]["target"] = ids | {"secretName": "astra-control"}
        return copy.deepcopy(self.objects[name])

    async def patch(
        self, names: Names, namespace: str, name: str, *, uid: str, version: str, patch: Mapping[str, Any]
    ) -> Stored | Gone | Conflict | Refused:
        """A merge patch of the status; one at a time for an object."""
        del names, uid
        assert name not in self.under_way
        self.under_way.add(name)
        try:
            self.patches += 1
            self.patched.append((name, asyncio.get_running_loop().time()))
            if namespace in self.hangs:
                await asyncio.get_running_loop().create_future()
            if self.refuses:
                return self.refuses
            stored = await self._patched(name, version, patch)
            return self.loses or stored
        finally:
            self.under_way.discard(name)

    async def _patched(self, name: str, version: str, patch: Mapping[str, Any]) -> Stored | Gone | Conflict | Refused:
        found = self.objects.get(name)
        if found is None:
            return Gone()
        if found["metadata"]["resourceVersion"] != version:
            return Conflict()
        kept = {key: value for key, value in patch.items() if key not in self.prunes}
        found["status"] = _merged(found["status"], kept)
        found["metadata"]["resourceVersion"] = str(next(self.versions))
        async with self.changed:
            self.changed.notify_all()
        return Stored(copy.deepcopy(found))

    async def get(self, names: Names, namespace: str, name: str, *, uid: str) -> Stored | Gone | Conflict | Refused:
        """The object as it is."""
        del names, namespace, uid
        found = self.objects.get(name)
        return Stored(copy.deepcopy(found)) if found else Gone()

    def edit(self, name: str, **status: Any) -> dict[str, Any]:
        """Somebody else writes into the status; None takes a field out. The object as the watch reports it."""
        found = self.objects[name]
        merged = found["status"] | status
        found["status"] = {key: value for key, value in merged.items() if value is not None}
        found["metadata"]["resourceVersion"] = str(next(self.versions))
        return copy.deepcopy(found)

    def edit_spec(self, name: str, **spec: Any) -> dict[str, Any]:
        """Somebody edits fields of the spec. The object as the watch reports it."""
        found = self.objects[name]
        found["spec"] |= spec
        found["metadata"]["generation"] += 1
        found["metadata"]["resourceVersion"] = str(next(self.versions))
        return copy.deepcopy(found)

    def reasons(self, name: str) -> dict[str, str]:
        """The reason of each condition, by its type."""
        conditions = self.objects[name]["status"].get("conditions", ())
        return {each["type"]: each["reason"] for each in conditions}

    def wipe(self, name: str) -> dict[str, Any]:
        """Somebody else takes everything out of the status."""
        return self.edit(name, **dict.fromkeys(self.objects[name]["status"]) | {"observedGeneration": -1})

    async def until(self, name: str, *, seconds: float = 10.0, **expected: Any) -> dict[str, Any]:
        """Wait until the status has these fields."""
        async with asyncio.timeout(seconds), self.changed:
            await self.changed.wait_for(lambda: expected.items() <= self.objects[name]["status"].items())
        status: dict[str, Any] = self.objects[name]["status"]
        return status


class Astra:
    """The remote's part: each request is a future that the test ends."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[tuple[str, Connection, asyncio.Future[Any]]] = asyncio.Queue()
        self.known: list[int | None] = []
        self.namespaces: list[str] = []

    async def get_backup(
        self, connection: Connection, document: Document, known: int | None = None, *, namespace: str
    ) -> Answer:
        """Wait for the test's answer."""
        self.namespaces.append(namespace)
        self.known.append(known)
        return await self._ask(document.backup_id, connection)  # type: ignore[no-any-return]

    async def list_backups(
        self, connection: Connection, collection: Collection, known: Known, *, namespace: str
    ) -> Listed | Failed:
        """Wait for the test's answer."""
        self.namespaces.append(namespace)
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

    async def next_within(self, seconds: float) -> tuple[Connection, asyncio.Future[Any]]:
        """The next request, whatever it is for."""
        async with asyncio.timeout(seconds):
            _, connection, future = await self.asked.get()
        return connection, future


class Secrets:
    """One connection for everybody, but for those namespaces that have one of their own."""

    def __init__(self) -> None:
        self.now: Connection | Failed | None = OLD
        self.of: dict[str, Connection | Failed | None] = {}

    def connection(self, namespace: str, name: str) -> Connection | Failed | None:
        """The one of now."""
        del name
        return self.of.get(namespace, self.now)


class World:
    """A mirror between the two, by the running loop's clock."""

    def __init__(
        self,
        astra: Astra | None = None,
        *,
        shard: Shard | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.notes: list[tuple[str, str]] = []
        self.lines: list[Line] = []
        self.cluster, self.astra, self.secrets = Cluster(), astra or Astra(), Secrets()
        self.utcnow = utcnow
        self.engine = Engine(
            remote=self.astra,
            connections=self.secrets,
            api=self.cluster,
            reports=Reports(events=self, log=self),
            clocks=Clocks(clock, lambda: self.utcnow(), lambda: 0.5),  # noqa: PLW0108 - it changes
            pace=pace or Pace(),
            shard=shard or Shard(),
        )
        self.entrance = self.engine.entrance(APP_BACKUP_REF)

    def submit(self, names: Names, namespace: str, name: str, uid: str, note: Note) -> None:
        """Record an Event."""
        del names, namespace, name, uid
        self.notes.append((note.reason, note.text))

    def write(self, line: Line) -> None:
        """Write a line into the log."""
        self.lines.append(line)

    async def observed(self, name: str, number: int, state: str = "completed", **options: Any) -> dict[str, Any]:
        """Let the mirror see a ref, and its first answer; the status that is written."""
        self.entrance.seen(self.cluster.put(name, number, **options))
        _, request = await self.astra.next(ID.format(number))
        request.set_result(backup(number, state))
        return await self.cluster.until(name, state=state)

    async def answer(self, numbers: Iterable[int], state: str = "completed") -> None:
        """Answer the requests for these backups, in whatever order they come."""
        left = set(numbers)
        while left:
            async with asyncio.timeout(60):
                asked, _, request = await self.astra.asked.get()
            number = int(asked[-4:])
            left.discard(number)
            request.set_result(backup(number, state))

    @asynccontextmanager
    async def running(self, since: Mapping[Kind, str] | None = None) -> AsyncIterator[None]:
        """Let it work for the time of a `with` block. `since`: see `Engine.lead`."""
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(self.engine.take_in()), loop.create_task(self.engine.lead(since or {}))]
        yield
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _merged(target: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        old = merged.pop(key, None)
        if value is not None:
            merged[key] = _merged(old, value)
    return merged


def backup(number: int, state: str, **fields: Any) -> Observed:
    """An answer."""
    digest = hash((number, state, *sorted(fields.items())))
    return Observed(Backup(ID.format(number), state, **fields), digest=digest)
