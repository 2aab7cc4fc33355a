"""Which Secret names are watched: anybody who may write a ref can make up a name, and each name costs a watch.

The default name is outside of all this: it is always served. Of the others a namespace has a few places, and all
namespaces together have a number that one process can serve. What is refused holds no place, and a name that the
operator's role forbids needs none. A name that has a place keeps it, unless another namespace has fewer than its owner.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Final, NamedTuple

from astra_mirror.api.meta import DEFAULT_SECRET
from astra_mirror.core.outcome import Failed, SyncReason

MAX_NAMES: Final = 16
"""Secret names of one namespace beside the default one."""
MAX_WATCHES: Final = 250
"""Watches on Secrets in all."""


class Pair(NamedTuple):
    """A Secret: its namespace and name."""

    namespace: str
    name: str


class Watched(NamedTuple):
    """What one watch serves: the Secrets of one name in one namespace, or in all where `scope` is None."""

    scope: str | None
    name: str

    @property
    def is_default(self) -> bool:
        """Whether it is the name that is always served."""
        return self.name == DEFAULT_SECRET

    def serves(self, pair: Pair) -> bool:
        """Whether that Secret is among those it serves."""
        return pair.name == self.name and self.scope in {None, pair.namespace}


class Quota(Enum):
    """Which bound refuses a name; the values are the labels of the metric."""

    NAMES = "secret_names"
    WATCHES = "watches"


@dataclass(frozen=True, slots=True)
class Places:
    """Which watches there are to be, beside those of the default name, and which Secrets have none by a bound.

    `owners` has for each watch the namespace that it was given to: others that use the same name share it.
    """

    owners: Mapping[Watched, str]
    refused: Mapping[Pair, Quota]


def assign(
    used: Mapping[str, Iterable[Watched]],
    *,
    forbidden: Container[Watched],
    held: Container[Watched],
    refused: Container[Pair],
    room: int,
) -> Places:
    """Give the places: to each namespace in its turn one, then to each a second one, and so on.

    Args:
        used: the names beside the default one that each namespace uses, in the order in which they came into use.
        forbidden: those that the role is known to forbid; they hold no place and are not refused one.
        held: those that have a place now, and keep it before others of the same namespace or the same turn.
        refused: who was refused a place, though it may be held for somebody else.
        room: how many places there are in all.
    """

    def is_new(namespace: str, watched: Watched) -> bool:
        return watched not in held or Pair(namespace, watched.name) in refused

    rows = {
        namespace: sorted((each for each in names if each not in forbidden), key=partial(is_new, namespace))
        for namespace, names in used.items()
    }
    owners: dict[Watched, str] = {}
    refusals: dict[Pair, Quota] = {}
    for turn in range(MAX_NAMES):
        candidates = [(namespace, row[turn]) for namespace, row in rows.items() if turn < len(row)]
        for namespace, watched in sorted(candidates, key=lambda each: is_new(*each)):
            if watched not in owners and len(owners) >= room:
                refusals[Pair(namespace, watched.name)] = Quota.WATCHES
            else:
                owners.setdefault(watched, namespace)
    for namespace, row in rows.items():
        refusals.update((Pair(namespace, watched.name), Quota.NAMES) for watched in row[MAX_NAMES:])
    return Places(owners, refusals)


def refusal(name: str, quota: Quota) -> Failed:
    """What a ref shows whose Secret a bound refuses."""
    if quota is Quota.NAMES:
        why = (
            f"this namespace uses {MAX_NAMES} Secret names already, the most that one namespace may use beside "
            f"{DEFAULT_SECRET!r}. Let several refs use one Secret"
        )
    else:
        why = (
            f"the operator follows {MAX_WATCHES} Secret names already, the most that it can. Use the name "
            f"{DEFAULT_SECRET!r}, which is always read"
        )
    return Failed(SyncReason.SECRET_FORBIDDEN, f"The Secret {name!r} is not read: {why}.")


def forbidden(name: str) -> Failed:
    """What a ref shows whose Secret the operator's role does not name."""
    return Failed(
        SyncReason.SECRET_FORBIDDEN,
        f"The operator may not read Secrets named {name!r}: check the name in secretRef ({DEFAULT_SECRET!r} is always "
        "read), or have an administrator add it to resourceNames in the ClusterRole astra-mirror.",
    )
