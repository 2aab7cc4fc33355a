"""What is asked of the API server's watches, and what they report."""

from dataclasses import dataclass

from astra_mirror.kubectl.core.names import Key, Kind
from astra_mirror.kubectl.core.seen import Seen

_MOST_WATCHES = 8
"""Up to so many objects have a watch each, which a role for these alone allows; more share one of the namespace."""


@dataclass(frozen=True, slots=True)
class Query:
    """One watch: the objects of a kind.

    Attributes:
        kind: the kind.
        namespace: in this namespace; None for all.
        selector: with these labels; "" for any.
        names: with these names; None for any.
    """

    kind: Kind
    namespace: str | None
    selector: str = ""
    names: frozenset[str] | None = None

    @property
    def only_name(self) -> str | None:
        """The name, if there is just one."""
        return next(iter(self.names)) if self.names is not None and len(self.names) == 1 else None

    def covers(self, key: Key) -> bool:
        """Whether it may report this object."""
        is_in_place = self.kind is key.kind and self.namespace in {None, key.namespace}
        return is_in_place and (self.names is None or key.name in self.names)


def queries_for(keys: list[Key]) -> list[Query]:
    """The queries for objects that are named."""
    if len(keys) <= _MOST_WATCHES:
        return [Query(key.kind, key.namespace, names=frozenset({key.name})) for key in keys]
    found = []
    for kind in Kind:
        names = frozenset(key.name for key in keys if key.kind is kind)
        if names:
            found.append(Query(kind, keys[0].namespace, names=names))
    return found


@dataclass(frozen=True, slots=True)
class Changed:
    """An object is as follows."""

    query: Query
    seen: Seen


@dataclass(frozen=True, slots=True)
class Left:
    """An object does not belong to the query any more; `is_deleted`: because it does not exist any more."""

    query: Query
    key: Key
    is_deleted: bool


@dataclass(frozen=True, slots=True)
class Reached:
    """The API server answers, and all objects have been reported."""

    query: Query


@dataclass(frozen=True, slots=True)
class Lost:
    """The API server does not give the objects; `text` says why."""

    query: Query
    text: str


Observation = Changed | Left | Reached | Lost
