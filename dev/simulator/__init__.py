"""An Astra Control server that can be told what to say: no real one can be had any more.

Its facts are those of the public API reference: paths, documents, problem documents, tokens, states.

    with Simulator.start() as astra:
        backup = astra.add_backup("completes", seconds=5)
        with astra.fault("*", status=503):
            ...
        astra.add_schedule(over_days("nightly", days=200, now=astra.wall_clock(), keep=90))
        astra.wall_clock.move(days=1)
"""

from dev.simulator.schedules import Schedule, over_days
from dev.simulator.server import Simulator
from dev.simulator.store import Backup, Fault

__all__ = ["Backup", "Fault", "Schedule", "Simulator", "over_days"]
