"""Which TLS contexts are kept: a few for each namespace and a limit for all, so that no tenant can fill the memory.

A context belongs to the TLS settings of a Secret, and tenants with equal settings share it. A tenant with too many
contexts loses its own oldest one, never that of another tenant.
"""

from collections import OrderedDict
from collections.abc import Container, Hashable
from typing import Final, Generic, TypeVar

MAX_CONTEXTS: Final = 64
MAX_CONTEXTS_FOR_NAMESPACE: Final = 2

Key = TypeVar("Key", bound=Hashable)


class ContextCache(Generic[Key]):
    """The keys of the contexts to keep, least recently used first.

    Args:
        max_contexts: how many are kept.
        max_for_namespace: how many of them one namespace may claim.
    """

    def __init__(self, max_contexts: int = MAX_CONTEXTS, max_for_namespace: int = MAX_CONTEXTS_FOR_NAMESPACE) -> None:
        self._max_contexts = max_contexts
        self._max_for_namespace = max_for_namespace
        self._kept: OrderedDict[Key, set[str]] = OrderedDict()
        """Each key with the namespaces that claim it."""
        self._claims: dict[str, OrderedDict[Key, int]] = {}
        """For each namespace the keys that it claims, least recently used first, with the round of their last use."""
        self._round = 0

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, key: Key) -> bool:
        return key in self._kept

    def use(self, key: Key, namespace: str, *, is_common: bool = False) -> list[Key]:
        """Record that a request of `namespace` uses the context of `key`.

        Args:
            key: the TLS settings.
            namespace: the namespace.
            is_common: whether the settings hold nothing of a tenant's, so that they do not count for the namespace.

        Returns:
            The keys that are evicted.
        """
        users = self._kept.setdefault(key, set())
        self._kept.move_to_end(key)
        evicted = [] if is_common else self._claim(key, namespace, users)
        while len(self._kept) > self._max_contexts:
            evicted.append(self._drop(next(iter(self._kept))))
        return evicted

    def retain(self, used: Container[Key]) -> list[Key]:
        """Keep only the keys in `used`; return the keys that are evicted.

        The claim of a namespace that has not used a key since the last call is dropped, so that nothing is kept of
        namespaces that no longer exist.
        """
        evicted = [self._drop(key) for key in list(self._kept) if key not in used]
        for namespace, own in list(self._claims.items()):
            for key in [key for key, round_ in own.items() if round_ < self._round]:
                self._unclaim(key, namespace)
        self._round += 1
        return evicted

    def _claim(self, key: Key, namespace: str, users: set[str]) -> list[Key]:
        own = self._claims.setdefault(namespace, OrderedDict())
        own[key] = self._round
        own.move_to_end(key)
        users.add(namespace)
        if len(own) <= self._max_for_namespace:
            return []
        oldest = next(iter(own))
        self._unclaim(oldest, namespace)
        # Another namespace may claim it too.
        return [] if self._kept[oldest] else [self._drop(oldest)]

    def _unclaim(self, key: Key, namespace: str) -> None:
        self._kept[key].discard(namespace)
        own = self._claims[namespace]
        del own[key]
        if not own:
            del self._claims[namespace]

    def _drop(self, key: Key) -> Key:
        for namespace in list(self._kept[key]):
            self._unclaim(key, namespace)
        del self._kept[key]
        return key
