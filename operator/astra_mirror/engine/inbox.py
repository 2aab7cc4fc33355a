"""What was seen of the objects and has not been taken in yet: the latest of each object, by turns over namespaces.

However often one tenant edits its objects, another's wait for one turn at most.
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
        kind: what it is one of.
        body: the object.
        listed: whether it counts although its version is lower than the one that is known, because it comes from a
            list: versions may go back, after a restored backup of the cluster.
    """

    kind: Kind
    body: Mapping[str, Any]
    listed: bool

    @property
    def version(self) -> str:
        """Its resourceVersion."""
        return str(self.body["metadata"]["resourceVersion"])


@dataclass(frozen=True, slots=True)
class Deleted:
    """The object exists no more."""

    uid: str


class Inbox:
    """What waits to be taken in."""

    def __init__(self) -> None:
        self._queue: FairQueue[str, Seen | Deleted] = FairQueue()
        self._pending: dict[str, Seen | Deleted] = {}
        self._arrived = asyncio.Event()
        self._not_ours: dict[Kind, dict[str, int]] = {}

    def __bool__(self) -> bool:
        return bool(self._pending)

    def __contains__(self, uid: object) -> bool:
        """Whether something waits about an object."""
        return uid in self._pending

    def pending(self, uid: str) -> Seen | Deleted | None:
        """What waits about an object."""
        return self._pending.get(uid)

    async def wait(self) -> None:
        """Wait until something is there."""
        while not self._pending:
            self._arrived.clear()
            await self._arrived.wait()

    def put(self, seen: Seen) -> None:
        """Take note of an object. What is older than what waits already is no news."""
        metadata = seen.body["metadata"]
        uid, pending = metadata["uid"], self._pending.get(metadata["uid"])
        if isinstance(pending, Seen):
            if not seen.listed and not is_newer(seen.version, pending.version):
                return
            # What comes after a list goes by the versions of that list.
            seen = Seen(seen.kind, seen.body, listed=seen.listed or pending.listed)
        self._put(metadata["namespace"], uid, seen)

    def delete(self, uid: str, namespace: str) -> None:
        """Take note that an object exists no more."""
        self._put(namespace, uid, Deleted(uid))

    def _put(self, namespace: str, uid: str, event: Seen | Deleted) -> None:
        self._pending[uid] = event
        self._queue.put((namespace,), uid, event)
        self._arrived.set()

    def take(self) -> Seen | Deleted | None:
        """What is next; None when nothing waits."""
        taken = self._queue.take()
        return None if taken is None else self._pending.pop(taken.item)

    # Those of other shards.

    def set_not_ours(self, kind: Kind, uid: str, generation: int) -> None:
        """Take note that another process looks after an object, as of that generation."""
        self._not_ours.setdefault(kind, {})[uid] = generation

    def set_ours(self, uid: str) -> None:
        """Take note that an object is looked after here, or does not exist any more."""
        for each in self._not_ours.values():
            each.pop(uid, None)

    def is_not_ours(self, kind: Kind, uid: str, generation: int) -> bool:
        """Whether another process looks after the object, as of that generation."""
        return self._not_ours.get(kind, {}).get(uid) == generation

    def retain_not_ours(self, kind: Kind, uids: set[str]) -> None:
        """Forget the objects of a kind that are other processes', but these."""
        others = self._not_ours.get(kind, {})
        self._not_ours[kind] = {uid: generation for uid, generation in others.items() if uid in uids}
