"""How each action is performed: a function of the stage for each name that an action may have.

A function that breaks something returns how it ends; the run calls that when the action's time is over.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from dev.soak.doing import astra, cluster, network, operators, tenant, users
from dev.soak.stage import Stage

End = Callable[[], object]
Perform = Callable[[Stage, Mapping[str, Any], float], End | None]

ACTIONS: Final[Mapping[str, Perform]] = {
    **users.ACTIONS,
    **astra.ACTIONS,
    **network.ACTIONS,
    **cluster.ACTIONS,
    **operators.ACTIONS,
    **tenant.ACTIONS,
}
"""By name. The functions take the stage, the arguments, and for how many seconds."""
