"""How each action is performed: a function of the stage for each name that an action may have.

A function that breaks something returns how it ends; the run calls that when the action's time is over.
"""

from collections.abc import Mapping
from typing import Final

from dev.soak.doing import astra, cluster, network, operators, tenant, users
from dev.soak.doing.perform import Perform

ACTIONS: Final[Mapping[str, Perform]] = {
    **users.ACTIONS,
    **astra.ACTIONS,
    **network.ACTIONS,
    **cluster.ACTIONS,
    **operators.ACTIONS,
    **tenant.ACTIONS,
}
"""By the name that an action has."""
