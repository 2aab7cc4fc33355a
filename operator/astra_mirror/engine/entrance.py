"""Where what is seen of the objects of one kind comes in, and what is known of them there."""

from collections.abc import Iterator, Mapping
from typing import Any

from astra_mirror.engine.echo import is_news
from astra_mirror.engine.inbox import Deleted, Inbox, Seen
from astra_mirror.engine.index import Index
from astra_mirror.engine.kinds.kind import Kind
from astra_mirror.engine.state.texts import is_newer
from astra_mirror.engine.state.tracked import Tracked


class Entrance:
    """The entrance of one kind.

    Args:
        kind: the kind.
        inbox: takes what is seen of its objects.
        index: the objects of all kinds.
    """

    def __init__(self, kind: Kind, inbox: Inbox, index: Index) -> None:
        self._kind = kind
        self._inbox = inbox
        self._index = index

    # What comes in.

    def seen(self, body: Mapping[str, Any], *, listed_at: float | None = None) -> None:
        """Take note of an object as the API server has it.

        Args:
            body: the object.
            listed_at: when the list that it is in was requested, in monotonic seconds; None if it is in no list. In a
                list, the API server's versions may have gone back, after a restored backup.
        """
        self._inbox.put(Seen(self._kind, body, listed_at))

    def deleted(self, uid: str, namespace: str) -> None:
        """Take note that an object exists no more."""
        self._inbox.delete(uid, namespace)

    def forget_others(self, uids: set[str]) -> None:
        """Forget the objects of other shards but these: the others do not exist any more."""
        self._inbox.retain_not_ours(self._kind, uids)

    # What is known.

    def is_news(self, metadata: Mapping[str, Any]) -> bool:
        """Whether this version of an object has not been seen yet."""
        pending = self._inbox.pending(metadata["uid"])
        if isinstance(pending, Seen):
            return is_newer(metadata["resourceVersion"], pending.version)
        return isinstance(pending, Deleted) or is_news(self._index.get(metadata["uid"]), metadata)

    def is_other_shards(self, uid: str, generation: int) -> bool:
        """Whether the object, as of that generation, is looked after by another process."""
        return self._inbox.is_not_ours(self._kind, uid, generation)

    def knows(self, uid: str) -> bool:
        """Whether that object is looked after, as far as what has come in says."""
        return uid in self._index and not isinstance(self._inbox.pending(uid), Deleted)

    def objects(self) -> dict[str, tuple[str, str]]:
        """The objects that are looked after: uid to namespace and name."""
        return {each.uid: (each.namespace, each.identity.name) for each in self._tracked()}

    def states(self) -> Iterator[str | None]:
        """The state of each object's backup."""
        return (each.reported.state for each in self._tracked())

    def _tracked(self) -> Iterator[Tracked]:
        return (each for each in self._index if each.identity.kind is self._kind)
