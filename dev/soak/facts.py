"""What the soak knows beside the versions: what it has done itself, and when several operators were at work.

Judges excuse by it what one operator alone, left in peace, may not do; so each excuse has its time.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from dev.soak.client import OwnWrites, ref_path
from dev.soak.history import Version

UNSURE_SECONDS: Final = 2.0
"""How much earlier or later than its call a write of the soak's own may be seen."""
LONG_UNSURE_SECONDS: Final = 30.0
"""The same for a call that the soak has given up and a frozen server has not, and for a version seen in a list."""
_STARTING_SECONDS: Final = 2.0
"""How long before a version an operator may have started that has read the version before it."""
_AFTER_SECONDS: Final = 60.0
"""For how long after its end a topology explains what is written."""
_RIVALS: Final = frozenset({"pair"})
_PEERS: Final = frozenset({"elected", "pair"})
SHARDED: Final = frozenset({"shards", "three-shards"})
_UNHEARD_SECONDS: Final = 30.0
"""How long after it was sent a write may be seen that nobody has heard the answer to, also past a frozen server."""


@dataclass(frozen=True, slots=True)
class Period:
    """From when until when more than one operator knew the same objects, in seconds since the epoch.

    `has_rivals` is true when all of them wrote: each corrects the other a few times before both agree.
    """

    since: float
    until: float
    has_rivals: bool = False


def periods(topologies: Sequence[tuple[float, str]], names: Collection[str] = _PEERS) -> tuple[Period, ...]:
    """The periods of a run.

    Args:
        topologies: for each start of an operator its time and the name of the topology, oldest first.
        names: of the topologies that count.
    """
    nexts = [*(since for since, _ in topologies[1:]), math.inf]
    return tuple(
        Period(since, until + _AFTER_SECONDS, name in _RIVALS)
        for (since, name), until in zip(topologies, nexts, strict=True)
        if name in names
    )


@dataclass(frozen=True)
class Facts:
    """What is known.

    Attributes:
        own: what the soak has written itself.
        starts: when operators were started.
        documents: by backup, all that Astra Control has served of it, oldest first.
        secrets: texts that may occur in no object.
        shared: when more than one operator knew the same objects.
        secret_changes: by namespace and name, when Secrets were written.
        foreign: the namespaces that have a server of their own for backups, of which nothing is known.
        sharded: when each object had one operator of several.
        unanswered: by namespace and name of a ref, when writes of its status began that had no answer.
    """

    own: OwnWrites
    starts: Sequence[float] = ()
    documents: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    secrets: Sequence[str] = ()
    shared: Sequence[Period] = ()
    secret_changes: Mapping[tuple[str, str], list[float]] = field(default_factory=dict)
    foreign: frozenset[str] = frozenset()
    sharded: Sequence[Period] = ()
    unanswered: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def has_peers(self, since: float, until: float) -> bool:
        """Whether more than one operator knew the same objects at any time in between."""
        return any(each.since <= until and since <= each.until for each in self.shared)

    def has_rivals(self, since: float, until: float) -> bool:
        """Whether more than one operator wrote them."""
        return any(each.has_rivals and each.since <= until and since <= each.until for each in self.shared)

    def is_sharded(self, since: float, until: float) -> bool:
        """Whether an object may have gone from one operator to another by an edit."""
        return any(each.since <= until and since <= each.until for each in self.sharded)

    def is_unheard(self, version: Version) -> bool:
        """Whether its writer may not have heard that it was stored, and has returned to what was before."""
        times = self.unanswered.get(version.name, ())
        return any(begun <= version.at <= begun + _UNHEARD_SECONDS for begun in times)

    def has_start(self, since: float, until: float) -> bool:
        """Whether an operator was started in between, or shortly before."""
        return any(since - _STARTING_SECONDS <= start <= until for start in self.starts)

    def is_unsure(self, name: str, at: float, *, after: float = UNSURE_SECONDS) -> bool:
        """Whether a version of `name` may be what has come of a call of the soak's that had no answer.

        Args:
            name: namespace and name of a ref.
            at: when the version was seen.
            after: for how long after its end a call may still have consequences.
        """
        path = ref_path(*name.split("/"))
        return any(
            path == unsure and begun - UNSURE_SECONDS <= at <= ended + after for unsure, begun, ended in self.own.unsure
        )

    def may_be_own(self, number: str, name: str, at: float) -> bool:
        """Whether the soak itself may have made the version with this number."""
        is_own = number in self.own.versions or number in self.own.edits
        return is_own or self.is_unsure(name, at, after=LONG_UNSURE_SECONDS)
