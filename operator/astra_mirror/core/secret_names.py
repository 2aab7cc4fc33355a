"""Which Secret names are watched. Each name costs a watch, and anybody who may write a ref can make up names.

The default name is always watched and has no quota. Each namespace has a quota of other names, and all namespaces
together have a number of places that one process can serve. A name that is refused, or that the operator's role
forbids, holds no place. A name keeps its place, unless another namespace has fewer places than its owner.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Final, NamedTuple

from astra_mirror.api.meta import DEFAULT_SECRET
from astra_mirror.core.outcome import Failed, SyncReason

MAX_NAMES: Final = 16
"""Secret names that one namespace may use in addition to the default one."""
MAX_WATCHES: Final = 250
"""Watches on Secrets in one process."""


class NamespacedName(NamedTuple):
    """The namespace and the name of a Secret."""

    namespace: str
    name: str


class SecretSelector(NamedTuple):
    """The Secrets of one watch: those of one name, in the namespace `scope` or, for None, in all namespaces."""

    scope: str | None
    name: str

    @property
    def is_default(self) -> bool:
        """Whether it selects the default name, which is always watched."""
        return self.name == DEFAULT_SECRET

    def matches(self, secret: NamespacedName) -> bool:
        """Whether it selects that Secret."""
        return secret.name == self.name and self.scope in {None, secret.namespace}


class Quota(Enum):
    """The bound that refuses a name; the values are labels of the metric."""

    NAMES = "secret_names"
    WATCHES = "watches"


@dataclass(frozen=True, slots=True)
class Assignment:
    """The watches to hold in addition to those of the default name, and the Secrets that a bound leaves without one.

    Attributes:
        owners: for each watch the namespace whose quota it counts against; others that use the name share the watch.
        refused: for each Secret without a watch the bound that refuses it.
    """

    owners: Mapping[SecretSelector, str]
    refused: Mapping[NamespacedName, Quota]


def assign(
    used: Mapping[str, Iterable[SecretSelector]],
    *,
    forbidden: Container[SecretSelector],
    held: Container[SecretSelector],
    refused: Container[NamespacedName],
    capacity: int,
) -> Assignment:
    """Assign places in rounds: in each round every namespace gets one more place.

    Args:
        used: the names that each namespace uses besides the default one, in the order in which they came into use.
        forbidden: the names that the operator's role forbids; they get no place, and no bound refuses them.
        held: the names that have a place now; they go before other names of the same namespace or the same round.
        refused: the Secrets that were refused so far; another namespace may hold a place for the same name.
        capacity: the number of places.
    """

    def is_new(namespace: str, selector: SecretSelector) -> bool:
        return selector not in held or NamespacedName(namespace, selector.name) in refused

    rows = {
        namespace: sorted((each for each in names if each not in forbidden), key=partial(is_new, namespace))
        for namespace, names in used.items()
    }
    owners: dict[SecretSelector, str] = {}
    refusals: dict[NamespacedName, Quota] = {}
    for index in range(MAX_NAMES):
        candidates = [(namespace, row[index]) for namespace, row in rows.items() if index < len(row)]
        for namespace, selector in sorted(candidates, key=lambda each: is_new(*each)):
            if selector not in owners and len(owners) >= capacity:
                refusals[NamespacedName(namespace, selector.name)] = Quota.WATCHES
            else:
                owners.setdefault(selector, namespace)
    for namespace, row in rows.items():
        refusals.update((NamespacedName(namespace, selector.name), Quota.NAMES) for selector in row[MAX_NAMES:])
    return Assignment(owners, refusals)


def refusal(name: str, quota: Quota) -> Failed:
    """The failure of a ref whose Secret is refused by a bound."""
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
    """The failure of a ref whose Secret the operator's role does not allow."""
    return Failed(
        SyncReason.SECRET_FORBIDDEN,
        f"The operator may not read Secrets named {name!r}: check the name in secretRef ({DEFAULT_SECRET!r} is always "
        "read), or have an administrator add it to resourceNames in the ClusterRole astra-mirror.",
    )
