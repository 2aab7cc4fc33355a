"""The engine's promises that need a moment to be caught in the act: an answer, an edit and a watch at the same time."""

import asyncio
import copy
import itertools
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from astra_mirror.cluster.statuses import Conflict, Gone, Refused, Stored
from astra_mirror.core.backup import Backup
from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Answer, Failed, Known, Listed, Observed, SyncReason
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

    def put(self, name: str, backup: int, **status: Any) -> dict[str, Any]:
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
            "spec": {**IDS, "backupID": ID.format(backup), "interval": "1h"},
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

    async def get(self, namespace: str, name: str) -> Stored | Gone | Conflict | Refused:
        """The object as it is."""
        del namespace
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

    async def get_backup(self, connection: Connection, spec: AppBackupRefSpec, known: int | None = None) -> Answer:
        """Wait for the test's answer."""
        del known
        return await self._ask(spec.backup_id, connection)  # type: ignore[no-any-return]

    async def list_backups(self, connection: Connection, collection: Collection, known: Known) -> Listed | Failed:
        """Wait for the test's answer."""
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

    def __init__(self) -> None:
        self.cluster, self.astra, self.secrets = Cluster(), Astra(), Secrets()
        self.mirror = Mirror(
            remote=self.astra,
            secrets=self.secrets,
            api=self.cluster,
            clocks=Clocks(time.monotonic, lambda: datetime.now(UTC), lambda: 0.5),
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


@pytest.fixture
async def world() -> World:
    """A mirror at rest."""
    return World()


async def test_a_secret_that_changes_during_a_poll_discards_its_answer(world: World) -> None:
    """What the old token was told says nothing; the new one is tried at once."""
    async with world.running():
        world.mirror.observe(world.cluster.put("ref", 7))
        connection, old = await world.astra.next(ID.format(7))
        assert connection == OLD
        world.secrets.now = NEW
        world.mirror.secret_changed("ns", "astra-control")
        connection, new = await world.astra.next(ID.format(7))
        assert connection == NEW
        old.set_result(Failed(SyncReason.UNAUTHORIZED, "no"))
        new.set_result(backup(7, "completed"))
        status = await world.cluster.until("ref", state="completed")
    assert {each["reason"] for each in status["conditions"]} == {"BackupCompleted", "Observed"}
    assert world.cluster.patches == 1


async def test_an_edit_during_a_poll_starts_the_right_one_at_once(world: World) -> None:
    """The answer for the old backup is nobody's."""
    async with world.running():
        world.mirror.observe(world.cluster.put("ref", 7))
        _, old = await world.astra.next(ID.format(7))
        world.mirror.observe(world.cluster.put("ref", 8))
        old.set_result(backup(7, "failed"))
        _, new = await world.astra.next(ID.format(8))
        new.set_result(backup(8, "completed"))
        status = await world.cluster.until("ref", state="completed")
    assert status["observedGeneration"] == 2


async def test_a_standby_takes_over_with_the_statuses_of_now(world: World) -> None:
    """Not with those that it saw when it started: a failing remote must not erase what the other one has written."""
    world.mirror.observe(world.cluster.put("ref", 7))
    leader = World()
    leader.cluster.objects, leader.cluster.versions = world.cluster.objects, world.cluster.versions
    async with leader.running():
        leader.mirror.observe(copy.deepcopy(world.cluster.objects["ref"]))
        _, request = await leader.astra.next(ID.format(7))
        request.set_result(backup(7, "completed"))
        await leader.cluster.until("ref", state="completed")
    world.mirror.observe(copy.deepcopy(world.cluster.objects["ref"]))
    async with world.running():
        _, request = await world.astra.next(ID.format(7))
        request.set_result(Failed(SyncReason.SERVER_ERROR, "no"))
        async with asyncio.timeout(10), world.cluster.changed:
            await world.cluster.changed.wait()
    status = world.cluster.objects["ref"]["status"]
    conditions = {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]}
    assert status["state"] == "completed"
    assert conditions["Ready"] == ("True", "BackupCompleted")
    assert conditions["Synced"] == ("False", "ServerError")


async def test_a_list_that_was_sent_before_a_single_request_is_not_newer(world: World) -> None:
    """An answer that comes late must not bring back an older state."""
    numbers = {"a": 7, "b": 8, "c": 9}
    running = {ID.format(number): backup(number, "running") for number in numbers.values()}
    async with world.running():
        for name, number in numbers.items():
            world.mirror.observe(world.cluster.put(name, number))
        _, first = await world.astra.next(IDS["appID"])
        first.set_result(Listed(1, running, 3))
        await world.cluster.until("c", state="running")
        for name in ("a", "c"):
            world.mirror.observe(world.cluster.put(name, numbers[name]))
        _, late = await world.astra.next(IDS["appID"])
        world.mirror.observe(world.cluster.put("b", 8))
        _, single = await world.astra.next(ID.format(8))
        single.set_result(backup(8, "completed"))
        await world.cluster.until("b", state="completed")
        late.set_result(Listed(2, running | {ID.format(9): backup(9, "failed")}, 3))
        await world.cluster.until("c", state="failed")
    assert world.cluster.objects["b"]["status"]["state"] == "completed"


async def test_a_deleted_ref_stays_deleted(world: World) -> None:
    """The answer to a PATCH may come after the watch has said that the object is gone."""
    async with world.running():
        body = world.cluster.put("ref", 7)
        world.mirror.observe(body)
        _, request = await world.astra.next(ID.format(7))
        world.mirror.forget("ref")
        request.set_result(backup(7, "completed"))
        world.mirror.observe(world.cluster.put("witness", 8))
        _, request = await world.astra.next(ID.format(8))
        request.set_result(backup(8, "completed"))
        await world.cluster.until("witness", state="completed")
    assert world.mirror.uids() == {"witness"}
    assert world.cluster.patches == 1


async def test_versions_that_went_back_are_accepted_from_a_list(world: World) -> None:
    """As after an etcd that was restored from a backup."""
    body = world.cluster.put("ref", 7)
    body["metadata"]["resourceVersion"] = "1000"
    async with world.running():
        world.mirror.observe(body)
        _, request = await world.astra.next(ID.format(7))
        request.set_result(backup(7, "completed"))
        await world.cluster.until("ref", state="completed")


async def test_an_api_server_that_refuses_is_not_asked_more_and_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often the status changes meanwhile, there is one attempt at a time, and each waits longer."""
    monkeypatch.setattr("astra_mirror.writer._RETRY_SECONDS", 3600.0)
    world.cluster.refuses = True
    async with world.running():
        for number in range(7, 20):
            world.mirror.observe(world.cluster.put("ref", number))
            _, request = await world.astra.next(ID.format(number))
            request.set_result(backup(number, "completed"))
    # The first attempt, and one at once after it.
    assert world.cluster.patches <= 2
