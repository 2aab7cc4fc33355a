"""What the way to the API server does: the fault proxies of all operators, or of one, and TCP behind them."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from dev.soak.stage import Stage

_PASSIVE: Final = frozenset({"silent", "dead"})
"""What a watch has to notice by itself: these never end, and concern only watches that were open then."""
Args = Mapping[str, Any]
End = Callable[[], object]


def _fault(stage: Stage, args: Args, _: float) -> End | None:
    options = dict(args)
    if "body" in options:
        options["body"] = options["body"].encode()
    if options.get("kind") in _PASSIVE:
        stage.add_fault(**options, open_only=True)
        return None
    added = stage.add_fault(**options)

    def end() -> None:
        for proxy, fault in added:
            proxy.clear(fault)
        if options.get("kind") == "swallow" and time.time() >= stage.cuts_from:
            # Everything is listed anew every five minutes, which would be too late for this run.
            for slot in stage.slots:
                slot.tcp.cut()

    return end


def _partition(stage: Stage, args: Args, _: float) -> End:
    tcp = stage.slots[stage.slot_in_use(args["slot"])].tcp
    tcp.freeze()
    return tcp.thaw


def _cut(stage: Stage, args: Args, _: float) -> None:
    stage.slots[stage.slot_in_use(args["slot"])].tcp.cut()


ACTIONS: Final[Mapping[str, Callable[[Stage, Args, float], End | None]]] = {
    "api-fault": _fault,
    "partition": _partition,
    "api-cut": _cut,
}
