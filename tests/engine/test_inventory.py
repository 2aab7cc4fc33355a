"""The periodic list: nothing is dropped or added that a GET does not confirm, and nothing stays wrong."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from astra_mirror.api.meta import Names
from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.feed import Feed
from astra_mirror.cluster.periodic_list import PeriodicList
from astra_mirror.core.shard import Shard
from astra_mirror.core.write_results import Conflict, Gone, Refused, Stored
from astra_mirror.engine.kinds.app_backup_ref import APP_BACKUP_REF
from tests.engine.world import ID, World
from tests.virtual_time import clock


class _Lists:
    """The API server's lists of the world's objects, as its answers to GETs; `spoil` changes them on their way."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.spoil: Callable[[dict[str, Any]], Any] = lambda document: document
        self.paths: list[str] = []

    async def get(self, path: str, *, accept: str = "", seconds: float) -> tuple[int, bytes]:
        """A page of two objects."""
        del seconds
        assert accept == "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
        self.paths.append(path)
        start = int(parse_qs(urlsplit(path).query).get("continue", ["0"])[0])
        objects = list(self._world.cluster.objects.values())
        page = objects[start : start + 2]
        metadata = {"resourceVersion": "1"} | ({"continue": str(start + 2)} if start + 2 < len(objects) else {})
        document = {
            "kind": "PartialObjectMetadataList",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata,
            "items": [{"metadata": each["metadata"]} for each in page],
        }
        spoilt = self.spoil(document)
        if isinstance(spoilt, Exception):
            raise spoilt
        return spoilt if isinstance(spoilt, tuple) else (200, json.dumps(spoilt).encode())


class _Objects:
    """GETs of single objects; counted, and failing when the test says so."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.asked: list[str] = []
        self.fails = False

    async def get(self, names: Names, namespace: str, name: str, *, uid: str) -> Stored | Gone | Conflict | Refused:
        """The object as it is."""
        self.asked.append(name)
        if self.fails:
            return Refused(503, "", "no")
        return await self._world.cluster.get(names, namespace, name, uid=uid)


class _Inventory:
    """A world with its feed and periodic list."""

    def __init__(self) -> None:
        self.world = World()
        self.feed = Feed(self.world.entrance)
        self.lists, self.objects = _Lists(self.world), _Objects(self.world)
        self.list = PeriodicList(
            APP_BACKUP_REF.names,
            api=self.lists,
            availability=Availability(),
            objects=self.objects,
            namespaces=(),
            feed=self.feed,
            engine=self.world.entrance,
        )

    async def seen(self, *names: str) -> None:
        """Objects that exist and that the watch has brought."""
        for name in names:
            self.feed.take({"type": None, "object": self.world.cluster.put(name, 7)}, clock())
        await self._taken_in()

    async def compare(self) -> None:
        """Compare, and let the engine take in what comes of it."""
        await self.list.compare()
        await self._taken_in()

    async def _taken_in(self) -> None:
        # No time passes before that.
        await asyncio.sleep(0.001)


@pytest.fixture
async def inventory() -> AsyncIterator[_Inventory]:
    """A new one, whose engine takes objects in and does not lead."""
    inventory = _Inventory()
    task = asyncio.get_running_loop().create_task(inventory.world.engine.take_in())
    yield inventory
    task.cancel()


async def test_what_the_watch_swallowed_is_added(inventory: _Inventory) -> None:
    """A new object, and an edit, over several pages; what is as it was costs no request."""
    await inventory.seen("a", "b", "c")
    inventory.world.cluster.put("swallowed", 7)
    inventory.world.cluster.put("b", 8)
    await inventory.compare()
    assert inventory.world.entrance.objects().keys() == {"a", "b", "c", "swallowed"}
    assert sorted(inventory.objects.asked) == ["b", "swallowed"]
    assert len(inventory.lists.paths) == 2
    await inventory.compare()
    assert len(inventory.objects.asked) == 2


async def test_what_was_deleted_unseen_is_dropped(inventory: _Inventory) -> None:
    """When the GET says so too."""
    await inventory.seen("a", "gone")
    del inventory.world.cluster.objects["gone"]
    await inventory.compare()
    assert inventory.world.entrance.objects().keys() == {"a"}
    assert inventory.objects.asked == ["gone"]


async def test_what_was_deleted_while_the_list_came_is_looked_for_once(
    inventory: _Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To go through all refs for each of thousands that a tenant has deleted would hold up everybody."""
    names = [f"gone-{number}" for number in range(50)]
    await inventory.seen("stays", *names)
    entrance, looked = inventory.world.entrance, 0

    def spoil(document: dict[str, Any]) -> dict[str, Any]:
        for name in names:
            inventory.world.entrance.deleted(name, "ns")
        return document | {"items": []}

    def look(_objects: Callable[[], Any] = entrance.objects) -> Any:
        nonlocal looked
        looked += 1
        return _objects()

    monkeypatch.setattr(entrance, "objects", look)
    inventory.lists.spoil = spoil
    await inventory.compare()
    assert inventory.objects.asked == ["stays"]
    assert looked == 1
    assert set(entrance.objects()) == {"stays"}


async def test_a_ref_that_was_dropped_by_mistake_comes_back(inventory: _Inventory) -> None:
    """After a wrong 404, for example."""
    await inventory.seen("a", "b")
    inventory.world.entrance.deleted("a", "ns")
    await inventory.compare()
    assert inventory.world.entrance.objects().keys() == {"a", "b"}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: document | {"items": []},
        lambda document: document | {"items": [], "kind": "ConfigMapList"},
        lambda document: document | {"items": [], "metadata": {}},
        lambda document: document | {"items": document["items"][:1], "apiVersion": "v1"},
        lambda _: (200, b"{}"),
        lambda _: (200, b"<html>"),
        lambda _: (404, b"404 page not found"),
        lambda _: (503, b""),
        lambda _: aiohttp.ClientConnectionError(),
        lambda _: TimeoutError(),
    ],
)
async def test_a_wrong_list_drops_nothing(inventory: _Inventory, spoil: Callable[[Any], Any]) -> None:
    """Neither one that is none, nor one that lacks what a GET still finds."""
    await inventory.seen("a", "b")
    inventory.lists.spoil = spoil
    await inventory.compare()
    assert inventory.world.entrance.objects().keys() == {"a", "b"}


async def test_what_cannot_be_confirmed_stays(inventory: _Inventory) -> None:
    """Until a later list, whose GET is answered."""
    await inventory.seen("a", "gone")
    del inventory.world.cluster.objects["gone"]
    inventory.world.cluster.put("new", 7)
    inventory.objects.fails = True
    await inventory.compare()
    assert inventory.world.entrance.objects().keys() == {"a", "gone"}
    inventory.objects.fails = False
    await inventory.compare()
    assert inventory.world.entrance.objects().keys() == {"a", "new"}


@pytest.mark.parametrize("lacks", ["uid", "resourceVersion", "name", "namespace", "generation", "metadata"])
async def test_a_malformed_object_costs_itself_alone(inventory: _Inventory, lacks: str) -> None:
    """The watch that brought it goes on, and the periodic list adds it when it can be read."""
    found = inventory.world.cluster.put("broken", 7)
    broken = {**found, "metadata": {key: each for key, each in found["metadata"].items() if key != lacks}}
    if lacks == "metadata":
        del broken["metadata"]
    for kind in (None, "ADDED", "MODIFIED", "DELETED"):
        inventory.feed.take({"type": kind, "object": broken}, 0.0)
    assert not inventory.world.entrance.objects()
    await inventory.compare()
    assert inventory.world.entrance.objects().keys() == {"broken"}


@pytest.mark.parametrize("annotations", [7, [], "x", {"astra-mirror.io/requestedAt": 7}, None])
async def test_annotations_that_are_none_ask_for_nothing(inventory: _Inventory, annotations: object) -> None:
    """Whatever stands there, the object is looked after."""
    inventory.world.cluster.put("ref", 7)
    inventory.world.cluster.objects["ref"]["metadata"]["annotations"] = annotations
    await inventory.compare()
    assert inventory.world.entrance.objects().keys() == {"ref"}


async def test_a_list_that_fails_is_told_once(inventory: _Inventory, caplog: pytest.LogCaptureFixture) -> None:
    """However often."""
    inventory.lists.spoil = lambda _: (500, b"")
    with caplog.at_level(logging.WARNING):
        for _ in range(4):
            await inventory.compare()
    assert [each.getMessage() for each in caplog.records] == [
        "AppBackupRefs could not be listed, to compare them with what is known: the API server answers 500"
    ]


async def test_another_shards_objects_are_asked_for_once(
    inventory: _Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not even that when the watch has brought them; an edit may make one ours."""
    is_ours = {ID.format(1): False}
    monkeypatch.setattr(Shard, "owns", lambda _self, account, _app: is_ours.get(account, True))
    await inventory.seen("theirs")
    inventory.world.cluster.put("swallowed", 7)
    for _ in range(3):
        await inventory.compare()
    assert inventory.world.entrance.objects().keys() == set()
    assert inventory.objects.asked == ["swallowed"]
    is_ours.clear()
    inventory.world.cluster.put("theirs", 8)
    await inventory.compare()
    assert inventory.world.entrance.objects().keys() == {"theirs"}
