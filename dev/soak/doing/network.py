"""What the way to the API server does: the fault proxies of all operators, or of one, and TCP behind them."""

import time
from collections.abc import Mapping
from typing import Final

from dev.soak.doing.perform import Args, End, Perform
from dev.soak.stage import Stage

_REFS: Final = "*/appbackuprefs*"
_PASSIVE: Final = frozenset({"silent", "dead"})
"""What a watch has to notice by itself: these never end, and concern only watches that were open then."""


def _fault(stage: Stage, args: Args, _: float) -> End | None:
    options = dict(args)
    begun = time.time()
    is_swallowing, is_late = options.get("kind") == "swallow", begun >= stage.cuts_from
    if is_swallowing and is_late:
        # A Secret that was swallowed shows in the list of every five minutes: too late for this run.
        options["path"] = _REFS
    if "body" in options:
        options["body"] = options["body"].encode()
    if options.get("kind") in _PASSIVE:
        stage.add_fault(**options, open_only=True)
        return None
    clear = stage.add_fault(**options)

    def end() -> None:
        clear()
        if is_swallowing:
            stage.swallowed.append((begun, time.time()))
        if is_swallowing and is_late:
            # So are refs, but also after each new beginning of a watch.
            for slot in stage.slots:
                slot.tcp.cut()

    return end


def _partition(stage: Stage, args: Args, _: float) -> End:
    tcp = stage.slots[stage.slot_in_use(args["slot"])].tcp
    tcp.freeze()
    return tcp.thaw


def _cut(stage: Stage, args: Args, _: float) -> None:
    stage.slots[stage.slot_in_use(args["slot"])].tcp.cut()


ACTIONS: Final[Mapping[str, Perform]] = {
    "api-fault": _fault,
    "partition": _partition,
    "api-cut": _cut,
}
