"""Which operators run at a time: alone, elected, two that do not know of each other, or shards."""

from collections.abc import Mapping
from typing import Final

TOPOLOGIES: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "one": ((),),
    "elected": (("--leader-elect",), ("--leader-elect",)),
    "pair": ((), ()),
    "shards": (("--shard", "0/2"), ("--shard", "1/2")),
    "three-shards": (("--shard", "0/3"), ("--shard", "1/3"), ("--shard", "2/3")),
}
"""For each operator of a topology the options that it has beside the common ones."""

SLOTS: Final = max(map(len, TOPOLOGIES.values()))
"""How many operators there are at the most; each has a way to the API server of its own."""

OPTIONS: Final = (
    "--interval=2s",
    "--settled-interval=8s",
    "--stale-after=20s",
    "--request-timeout=5s",
    "--http-address=127.0.0.1:0",
)
"""Shortened, so that the long paths are reached within a run."""

YOUNG_SECONDS: Final = 60.0
"""The age of an object from which a missing Secret is Stalled and no longer Reconciling."""

DEFAULT_SECRET: Final = "astra-control"
MANY_NAMES: Final = tuple(f"many-{number:02}" for number in range(20))
"""Names that the role allows: more than the 16 that one namespace may use beside the default one."""
ALLOWED_NAMES: Final = ("other-0", "other-1", *MANY_NAMES)
"""What the administrator of the soak has added to the role."""
PLACES: Final = 16
"""The names that one namespace may use at a time beside the default one."""
