"""What the watches report of monitors and of their refs, on its way to the engine.

The engine keeps nothing of a ref's owners and labels, because nothing else depends on them. Here they are kept of the
refs that belong to a monitor.
"""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, Final

from astra_mirror.api.meta import Names
from astra_mirror.core.monitor.refs import OwnRef, controller_of, is_monitor, own_ref
from astra_mirror.core.write_results import Stored, WriteResult
from astra_mirror.engine.entrance import Entrance
from astra_mirror.engine.ports import Availability, StatusAPI

_MAX_CHANGED: Final = 20_000
"""How many monitors are noted. Nobody takes them in a process that does not lead, and any uid may be an owner's."""

_Owner = tuple[str, str]
"""A monitor: its namespace, and its uid."""


class OwnRefs:
    """The refs whose controller is a monitor.

    Attributes:
        changed: the uids of the monitors whose refs have changed, until they are taken.
        has_changed: set when there are any.
    """

    def __init__(self) -> None:
        self.changed: dict[str, None] = {}
        self.has_changed = asyncio.Event()
        self._refs: dict[_Owner, dict[str, OwnRef]] = {}
        self._owners: dict[str, _Owner] = {}

    def of(self, namespace: str, monitor: str) -> list[OwnRef]:
        """The refs of the monitor with that uid, by name. Those in other namespaces only claim to be its own."""
        return sorted(self._refs.get((namespace, monitor), {}).values(), key=lambda each: each.name)

    def uids(self) -> list[str]:
        """The uids of all refs."""
        return list(self._owners)

    def seen(self, body: Mapping[str, Any]) -> None:
        """Note a ref as the API server has it."""
        metadata = body["metadata"]
        uid, owner = metadata["uid"], controller_of(metadata)
        is_own = owner is not None and is_monitor(owner)
        monitor = (metadata["namespace"], str(owner.get("uid"))) if owner is not None and is_own else None
        if self._owners.get(uid) not in {None, monitor}:
            self.deleted(uid)
        if monitor is None:
            return
        ref, refs = own_ref(body), self._refs.setdefault(monitor, {})
        if uid in refs and _is_same(refs[uid], ref):
            return
        refs[uid] = ref
        self._owners[uid] = monitor
        self._touch(monitor)

    def deleted(self, uid: str) -> None:
        """Note that a ref exists no more, or belongs to another owner now."""
        monitor = self._owners.pop(uid, None)
        if monitor is None:
            return
        refs = self._refs[monitor]
        del refs[uid]
        if not refs:
            del self._refs[monitor]
        self._touch(monitor)

    def _touch(self, monitor: _Owner) -> None:
        if len(self.changed) < _MAX_CHANGED:
            self.changed[monitor[1]] = None
        self.has_changed.set()

    def take_changed(self) -> list[str]:
        """The monitors whose refs have changed since the last call."""
        changed, self.changed = list(self.changed), {}
        self.has_changed.clear()
        return changed


def _is_same(old: OwnRef, new: OwnRef) -> bool:
    """Whether they differ in nothing but the version, which every write of a status moves."""
    kept = (old.name, old.spec, old.labels, old.given, old.is_deleting)
    return kept == (new.name, new.spec, new.labels, new.given, new.is_deleting)


class NotedStatuses:
    """The statuses on the API server. What is read of a ref after a conflict is noted, for no watch reports it again.

    Args:
        api: the API server.
        names: what refs are called.
        refs: the refs of monitors.
    """

    def __init__(self, api: StatusAPI, names: Names, refs: OwnRefs) -> None:
        self._api = api
        self._names = names
        self._refs = refs

    @property
    def availability(self) -> Availability:
        """Whether the API server is away."""
        return self._api.availability

    async def patch(
        self, names: Names, namespace: str, name: str, *, uid: str, version: str, patch: Mapping[str, Any]
    ) -> WriteResult:
        """Patch the status of one version of one object."""
        return await self._api.patch(names, namespace, name, uid=uid, version=version, patch=patch)

    async def get(self, names: Names, namespace: str, name: str, *, uid: str) -> WriteResult:
        """Read one object."""
        found = await self._api.get(names, namespace, name, uid=uid)
        if isinstance(found, Stored) and names == self._names:
            self._refs.seen(found.object)
        return found


class Watched:
    """The entrance of a kind, beside which refs and monitors are noted.

    Args:
        entrance: the engine's.
        refs: the refs, for their kind; None for monitors.
    """

    def __init__(self, entrance: Entrance, refs: OwnRefs | None = None) -> None:
        self._entrance = entrance
        self._refs = refs
        self._uids: dict[str, None] = {}

    def __iter__(self) -> Iterator[str]:
        """The uids of all objects that were seen."""
        return iter(list(self._uids))

    def seen(self, body: Mapping[str, Any], *, listed_at: float | None = None) -> None:
        """Record an object."""
        self._entrance.seen(body, listed_at=listed_at)
        if self._refs is not None:
            self._refs.seen(body)
        else:
            self._uids[body["metadata"]["uid"]] = None

    def deleted(self, uid: str, namespace: str) -> None:
        """Record that an object no longer exists."""
        self._entrance.deleted(uid, namespace)
        self._uids.pop(uid, None)
        if self._refs is not None:
            self._refs.deleted(uid)

    def is_news(self, metadata: Mapping[str, Any]) -> bool:
        """Whether this version of an object has not been seen yet."""
        return self._entrance.is_news(metadata)

    def is_other_shards(self, uid: str, generation: int) -> bool:
        """Whether the object, as of that generation, belongs to another shard."""
        return self._entrance.is_other_shards(uid, generation)

    def forget_others(self, uids: set[str]) -> None:
        """Forget the objects of other shards that are not in `uids`."""
        self._entrance.forget_others(uids)
        gone = [each for each in (self._uids if self._refs is None else self._refs.uids()) if each not in uids]
        for each in gone:
            # One that has come meanwhile is known.
            if not self._entrance.knows(each):
                self._uids.pop(each, None)
                if self._refs is not None:
                    self._refs.deleted(each)

    def knows(self, uid: str) -> bool:
        """Whether the engine has that object."""
        return self._entrance.knows(uid)

    def objects(self) -> dict[str, tuple[str, str]]:
        """The objects that the engine has: uid to namespace and name."""
        return self._entrance.objects()
