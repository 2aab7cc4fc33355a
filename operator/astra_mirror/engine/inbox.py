"""The events that have not been processed yet: the latest of each object, round robin over namespaces.

However often one tenant edits its objects, another tenant's event waits at most one round.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from astra_mirror.core.fair import FairQueue
from astra_mirror.engine.kinds.kind import Kind
from astra_mirror.engine.state.texts import is_newer


@dataclass(frozen=True, slots=True)
class Seen:
    """An object as the API server has it.

    Attributes:
        kind: the kind of the object.
        body: the object.
        listed_at: when the list that it is in was requested, in monotonic seconds: in a list, versions may have gone
            back, after a restore of the cluster from a backup. None if it is in no list.
    """

    kind: Kind
    body: Mapping[str, Any]
    listed_at: float | None

    @property
    def version(self) -> str:
        """Its resourceVersion."""
        return str(self.body["metadata"]["resourceVersion"])


@dataclass(frozen=True, slots=True)
class Deleted:
    """The object was deleted."""

    uid: str


class Inbox:
    """The events that wait to be processed."""

    def __init__(self) -> None:
        self._queue: FairQueue[str, Seen | Deleted] = FairQueue()
        self._pending: dict[str, Seen | Deleted] = {}
        self._arrived = asyncio.Event()
        self._not_ours: dict[Kind, dict[str, int]] = {}

    def __bool__(self) -> bool:
        return bool(self._pending)

    def __contains__(self, uid: object) -> bool:
        """Whether an event of the object waits."""
        return uid in self._pending

    def pending(self, uid: str) -> Seen | Deleted | None:
        """The object's waiting event."""
        return self._pending.get(uid)

    async def wait(self) -> None:
        """Wait until there is an event."""
        while not self._pending:
            self._arrived.clear()
            await self._arrived.wait()

    def put(self, seen: Seen) -> None:
        """Queue an object, unless a newer version of it waits already."""
        metadata = seen.body["metadata"]
        uid, pending = metadata["uid"], self._pending.get(metadata["uid"])
        if isinstance(pending, Seen):
            if seen.listed_at is None and not is_newer(seen.version, pending.version):
                return
            if seen.listed_at is None:
                # Keep it: after a restore, versions lower than the known one must be accepted.
                seen = Seen(seen.kind, seen.body, pending.listed_at)
        self._put(metadata["namespace"], uid, seen)

    def delete(self, uid: str, namespace: str) -> None:
        """Queue the deletion of an object."""
        self._put(namespace, uid, Deleted(uid))

    def _put(self, namespace: str, uid: str, event: Seen | Deleted) -> None:
        self._pending[uid] = event
        self._queue.put((namespace,), uid, event)
        self._arrived.set()

    def take(self) -> Seen | Deleted | None:
        """The next event; None if none waits."""
        taken = self._queue.take()
        return None if taken is None else self._pending.pop(taken.item)

    # Objects of other shards.

    def set_not_ours(self, kind: Kind, uid: str, generation: int) -> None:
        """Record that another shard owns an object, as of that generation."""
        self._not_ours.setdefault(kind, {})[uid] = generation

    def set_ours(self, uid: str) -> None:
        """Record that this shard owns an object, or that the object was deleted."""
        for each in self._not_ours.values():
            each.pop(uid, None)

    def is_not_ours(self, kind: Kind, uid: str, generation: int) -> bool:
        """Whether another shard owns the object, as of that generation."""
        return self._not_ours.get(kind, {}).get(uid) == generation

    def retain_not_ours(self, kind: Kind, uids: set[str]) -> None:
        """Of the other shards' objects of a kind keep only these."""
        others = self._not_ours.get(kind, {})
        self._not_ours[kind] = {uid: generation for uid, generation in others.items() if uid in uids}
