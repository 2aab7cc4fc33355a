"""The engine with monitors, between an API server and a remote that a test has in its hands."""

import asyncio
import copy
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from astra_mirror.api import app_backup_monitor
from astra_mirror.api.meta import FIELD_MANAGER
from astra_mirror.core.backup import Backup
from astra_mirror.core.monitor.listing import ListedBackup, WholeList, nanoseconds_of
from astra_mirror.core.monitor.ref_results import Ended, RefResult
from astra_mirror.core.outcome import WHOLE, Answer, Failed, Listed, Observed, Unchanged
from astra_mirror.core.schedule import Pace
from astra_mirror.core.shard import Shard
from astra_mirror.engine.engine import Engine
from astra_mirror.engine.kinds.app_backup_monitor import APP_BACKUP_MONITOR
from astra_mirror.engine.kinds.app_backup_ref import APP_BACKUP_REF
from astra_mirror.engine.monitors.controller import MonitorController
from astra_mirror.engine.monitors.remote import ListKeeper
from astra_mirror.engine.monitors.watching import NotedStatuses, OwnRefs, Watched
from astra_mirror.engine.ports import Clocks, Reports
from tests.engine.world import ID, IDS, World, _merged
from tests.virtual_time import clock

APP = IDS["appID"]
DAILY = {"name": "daily", "maxAge": "1h"}
TIME_OUT = 10.0


class Refs:
    """The API server's part for the refs that monitors make.

    `fails` says how each call of a verb ends instead, `once` how the next one does, `quota` how many refs there may be.
    """

    def __init__(self, world: "MonitorWorld") -> None:
        self.fails: dict[str, RefResult] = {}
        self.calls: list[tuple[str, str, float]] = []
        self.once: dict[str, RefResult] = {}
        self.quota: int | None = None
        self.moves = 0
        self._world = world
        self._uids = itertools.count(1)

    @property
    def objects(self) -> dict[str, dict[str, Any]]:
        """The refs, by name."""
        return {name: each for name, each in self._world.cluster.objects.items() if each.get("kind") == "AppBackupRef"}

    def writes(self, verb: str = "") -> list[str]:
        """The names in the writes, or in those of that verb."""
        return [name for called, name, _ in self.calls if called == verb or (not verb and called != "get")]

    def _begin(self, verb: str, name: str) -> RefResult | None:
        self.calls.append((verb, name, asyncio.get_running_loop().time()))
        if verb == "create" and self.quota is not None and len(self.objects) >= self.quota:
            message = f'appbackuprefs.astra-mirror.io "{name}" is forbidden: exceeded quota: q'
            return RefResult(Ended.REFUSED, message=message)
        return self.once.pop(verb, None) or self.fails.get(verb)

    async def get(self, namespace: str, name: str) -> RefResult:
        """Read a ref."""
        del namespace
        found = self._world.cluster.objects.get(name)
        failure = self._begin("get", name)
        if failure or found is None:
            return failure or RefResult(Ended.GONE)
        return RefResult(Ended.DONE, copy.deepcopy(found))

    async def create(self, namespace: str, body: Mapping[str, Any]) -> RefResult:
        """Create a ref."""
        name = body["metadata"]["name"]
        failure = self._begin("create", name)
        if failure:
            return failure
        if name in self._world.cluster.objects:
            return RefResult(Ended.EXISTS)
        stored = copy.deepcopy(dict(body))
        labels: dict[str, Any] = {f"f:{key}": {} for key in stored["metadata"].get("labels", {})}
        stored["metadata"] |= {
            "uid": f"ref-{next(self._uids)}",
            "namespace": namespace,
            "generation": 1,
            "managedFields": [{"manager": FIELD_MANAGER, "fieldsV1": {"f:metadata": {"f:labels": labels}}}],
        }
        stored["status"] = {"observedGeneration": -1}
        return RefResult(Ended.DONE, self._store(name, stored))

    async def patch(self, namespace: str, name: str, *, uid: str, version: str, patch: Mapping[str, Any]) -> RefResult:
        """Patch one version."""
        del namespace
        return self._fenced("patch", name, uid, version) or RefResult(
            Ended.DONE, self._store(name, _merged(self._world.cluster.objects[name], patch))
        )

    async def delete(self, namespace: str, name: str, *, uid: str, version: str) -> RefResult:
        """Delete one version."""
        del namespace
        failure = self._fenced("delete", name, uid, version)
        if failure is None:
            self._world.remove(name)
        return failure or RefResult(Ended.DONE)

    def _fenced(self, verb: str, name: str, uid: str, version: str) -> RefResult | None:
        failure = self._begin(verb, name)
        found = self._world.cluster.objects.get(name)
        if failure or found is None:
            return failure or RefResult(Ended.GONE)
        if self.moves:
            self.moves -= 1
            found["metadata"]["resourceVersion"] = str(next(self._world.cluster.versions))
        is_same = (found["metadata"]["uid"], found["metadata"]["resourceVersion"]) == (uid, version)
        return None if is_same else RefResult(Ended.MOVED)

    def _store(self, name: str, stored: dict[str, Any]) -> dict[str, Any]:
        stored["metadata"]["resourceVersion"] = str(next(self._world.cluster.versions))
        self._world.cluster.objects[name] = stored
        found = copy.deepcopy(stored)
        asyncio.get_running_loop().call_soon(self._world.refs.seen, copy.deepcopy(stored))
        return found


class Informer:
    """The informer of refs."""

    not_ready_reason: str | None = None


class MonitorWorld(World):
    """A mirror with monitors, by the running loop's clock."""

    def __init__(self, *, monitor_interval: float = 300.0) -> None:
        super().__init__()
        pace = Pace(monitor_interval=monitor_interval)
        self.shift = timedelta(0)
        base = self.utcnow
        self.utcnow = lambda: base() + self.shift
        clocks = Clocks(clock, lambda: self.utcnow(), lambda: 0.5)  # noqa: PLW0108 - it changes
        self.own = own = OwnRefs()
        self.lists = lists = ListKeeper(self.astra, clocks, TIME_OUT)
        self.engine = Engine(
            remote=lists,
            connections=self.secrets,
            api=NotedStatuses(self.cluster, APP_BACKUP_REF.names, own),
            reports=Reports(events=self, log=self),
            clocks=clocks,
            pace=pace,
            shard=Shard(),
        )
        self.refs = Watched(self.engine.entrance(APP_BACKUP_REF), own)
        self.monitors = Watched(self.engine.entrance(APP_BACKUP_MONITOR))
        self.api = Refs(self)
        self.informer = Informer()
        self.controller = MonitorController(
            self.engine.performer,
            self.monitors,
            own,
            lists=lists,
            api=self.api,
            informer=self.informer,
            pace=pace,
        )

    def monitor(self, name: str = "shop", *, app: int = 2, namespace: str = "ns", **spec: Any) -> None:
        """Let the mirror see a monitor, or its edit."""
        self.cluster.put(name, 0, app=app, namespace=namespace)
        found = self.cluster.objects[name]
        found["kind"] = app_backup_monitor.NAMES.kind
        found["spec"] = {"accountID": IDS["accountID"], "appID": ID.format(app), **spec}
        self.monitors.seen(copy.deepcopy(found))

    def remove(self, name: str) -> None:
        """Delete a ref, and report it."""
        metadata = self.cluster.objects.pop(name)["metadata"]
        self.refs.deleted(metadata["uid"], metadata["namespace"])

    def forged(self, monitor: str, number: int, *, namespace: str = "ns", app: int = 2) -> None:
        """Somebody makes a ref, and names the monitor as its owner."""
        found = self.cluster.put(f"{monitor}-{number}", number, namespace=namespace, app=app)
        owner = {"kind": "AppBackupMonitor", "apiVersion": "astra-mirror.io/v1", "name": monitor, "uid": monitor}
        found["metadata"]["ownerReferences"] = [owner | {"controller": True}]
        found["kind"] = "AppBackupRef"
        self.cluster.objects[f"{monitor}-{number}"] = found
        self.refs.seen(copy.deepcopy(found))

    def edit(self, name: str, **changes: Any) -> None:
        """Somebody edits a ref: its metadata, spec or status."""
        found = self.cluster.objects[name]
        merged = _merged(found, changes)
        merged["metadata"]["resourceVersion"] = str(next(self.cluster.versions))
        self.cluster.objects[name] = merged
        self.refs.seen(copy.deepcopy(merged))

    def taken(self, number: int, state: str = "completed", *, minutes: float = 1.0, **fields: Any) -> ListedBackup:
        """A backup that was taken so long ago."""
        moment: datetime = self.utcnow() - timedelta(minutes=minutes)
        name = fields.pop("name", f"nightly-{number}")
        return ListedBackup(ID.format(number), name, state, "", nanoseconds_of(moment), **fields)

    async def answer(  # type: ignore[override]
        self, *backups: ListedBackup, app: str = APP, seconds: float = 10.0, items: Mapping[str, Answer] | None = None
    ) -> None:
        """Answer the next request for the list of the app; those for single backups are left without an answer."""
        asked = ""
        async with asyncio.timeout(seconds):
            while asked != app:
                asked, _, request = await self.astra.asked.get()
        whole = WholeList(len(backups), backups, digest=hash(backups))
        request.set_result(Listed(whole.digest, {WHOLE: whole, **(items or {})}, len(backups)))

    @asynccontextmanager
    async def serving(
        self, lists: Mapping[str, Sequence[ListedBackup]], *, refusal: Failed | None = None
    ) -> AsyncIterator[None]:
        """Answer each request for the list of an app as `lists` says at that moment, for the time of a `with` block.

        With a `refusal`, each list ends with that, and the single backups are there.
        """

        async def serve() -> None:
            while True:
                asked, _, request = await self.astra.asked.get()
                if refusal is not None and asked in {"None", ID.format(100), ID.format(101)}:
                    request.set_result(refusal)
                elif asked in lists and not request.done():
                    whole = WholeList(len(lists[asked]), tuple(lists[asked]), digest=hash(tuple(lists[asked])))
                    request.set_result(Listed(whole.digest, {WHOLE: whole}, len(whole.backups)))
                elif asked == "None":
                    # An account's list, which names no app.
                    request.set_result(Listed(1, {}, 0))
                elif not request.done():
                    request.set_result(Observed(Backup(asked, "completed"), digest=1))

        task = asyncio.get_running_loop().create_task(serve())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def unchanged(self, *, seconds: float = 10.0) -> None:
        """Answer the next request: nothing has changed."""
        await self.end(Listed(0, {WHOLE: Unchanged()}, None), seconds=seconds)

    async def end(self, result: Listed | Failed, *, seconds: float = 10.0) -> None:
        """End the next request, which must be for the list."""
        async with asyncio.timeout(seconds):
            asked, _, request = await self.astra.asked.get()
        assert asked == APP
        request.set_result(result)

    async def reason(self, kind: str, expected: str, name: str = "shop", *, seconds: float = 10.0) -> dict[str, Any]:
        """Wait until a condition has that reason; the status."""
        async with asyncio.timeout(seconds), self.cluster.changed:
            await self.cluster.changed.wait_for(lambda: self.cluster.reasons(name).get(kind) == expected)
        status: dict[str, Any] = self.cluster.objects[name]["status"]
        return status

    @asynccontextmanager
    async def running(self, since: Any = None) -> AsyncIterator[None]:
        """Let it work for the time of a `with` block."""
        async with super().running(since):
            task = asyncio.get_running_loop().create_task(self.controller.run())
            yield
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
