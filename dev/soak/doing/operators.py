"""What happens to the operators: killed, stopped, frozen, replaced by others."""

import signal
from collections.abc import Mapping
from typing import Final

from dev.soak.doing.perform import Args, End, Perform
from dev.soak.stage import Stage
from dev.soak.topology import SLOTS


def _kill(stage: Stage, args: Args, _: float) -> None:
    slot = stage.slot_in_use(args["slot"])
    stage.end(slot, signal.SIGKILL)
    stage.start(slot)


def _stop(stage: Stage, args: Args, _: float) -> None:
    slot = stage.slot_in_use(args["slot"])
    stage.end(slot, signal.SIGTERM)
    stage.start(slot)


def _freeze(stage: Stage, args: Args, _: float) -> End | None:
    with stage.guard:
        process = stage.running.get(stage.slot_in_use(args["slot"]))
    if process is None or process.is_frozen:
        return None
    process.freeze()
    return process.thaw


def _topology(stage: Stage, args: Args, _: float) -> None:
    for slot in range(SLOTS):
        stage.end(slot, signal.SIGTERM)
    stage.start_topology(args["name"])


ACTIONS: Final[Mapping[str, Perform]] = {
    "kill": _kill,
    "stop": _stop,
    "freeze-operator": _freeze,
    "topology": _topology,
}
