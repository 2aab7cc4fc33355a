"""Which TLS contexts are kept: few for each namespace and few in all, so that no tenant fills the memory with them.

A context belongs to what a Secret says of certificates, and tenants who say the same share one. A tenant
that has too many loses its own oldest one, never another tenant's.
"""

from collections import OrderedDict
from collections.abc import Container, Hashable
from typing import Final, Generic, TypeVar

IN_ALL: Final = 64
FOR_NAMESPACE: Final = 2

Key = TypeVar("Key", bound=Hashable)


class Contexts(Generic[Key]):
    """The keys of the contexts that are kept, least recently used first.

    Args:
        in_all: how many are kept.
        for_namespace: how many of them one namespace may have asked for.
    """

    def __init__(self, in_all: int = IN_ALL, for_namespace: int = FOR_NAMESPACE) -> None:
        self._in_all = in_all
        self._for_namespace = for_namespace
        self._kept: OrderedDict[Key, set[str]] = OrderedDict()
        """Each key with the namespaces that have it among theirs."""
        self._of: dict[str, OrderedDict[Key, int]] = {}
        """For each namespace its keys, least recently used first, each with the round in which it was used."""
        self._round = 0

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, key: Key) -> bool:
        return key in self._kept

    def use(self, key: Key, namespace: str, *, is_common: bool = False) -> list[Key]:
        """Keep `key`, because a request for `namespace` needs it now.

        Args:
            key: what the context is made of.
            namespace: for whom.
            is_common: whether it is one that no tenant can have several of; it takes no place of the namespace's.

        Returns:
            The keys that are not kept any more.
        """
        users = self._kept.setdefault(key, set())
        self._kept.move_to_end(key)
        evicted = [] if is_common else self._claim(key, namespace, users)
        while len(self._kept) > self._in_all:
            evicted.append(self._drop(next(iter(self._kept))))
        return evicted

    def retain(self, used: Container[Key]) -> list[Key]:
        """Keep those in `used` only; the keys that are not kept any more.

        A namespace that has not used a key since the call before gives up its claim to it, so that namespaces that come
        and go leave nothing behind.
        """
        evicted = [self._drop(key) for key in list(self._kept) if key not in used]
        for namespace, own in list(self._of.items()):
            for key in [key for key, round_ in own.items() if round_ < self._round]:
                self._unclaim(key, namespace)
        self._round += 1
        return evicted

    def _claim(self, key: Key, namespace: str, users: set[str]) -> list[Key]:
        own = self._of.setdefault(namespace, OrderedDict())
        own[key] = self._round
        own.move_to_end(key)
        users.add(namespace)
        if len(own) <= self._for_namespace:
            return []
        oldest = next(iter(own))
        self._unclaim(oldest, namespace)
        # Somebody else may have it among theirs.
        return [] if self._kept[oldest] else [self._drop(oldest)]

    def _unclaim(self, key: Key, namespace: str) -> None:
        self._kept[key].discard(namespace)
        own = self._of[namespace]
        del own[key]
        if not own:
            del self._of[namespace]

    def _drop(self, key: Key) -> Key:
        for namespace in list(self._kept[key]):
            self._unclaim(key, namespace)
        del self._kept[key]
        return key
