"""What effects are performed with: the engine wires these once, and `performer` calls them."""

from dataclasses import dataclass

from astra_mirror.engine.connection.queues import ConnectionQueues
from astra_mirror.engine.exchange import Exchange
from astra_mirror.engine.following import Follower
from astra_mirror.engine.journal import Journal
from astra_mirror.engine.objects import Objects
from astra_mirror.engine.poller import Poller
from astra_mirror.engine.ports import Clocks, Reports
from astra_mirror.engine.secret_lines import SecretLines
from astra_mirror.engine.writing import Writing


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of the engine that effects are performed with."""

    objects: Objects
    clocks: Clocks
    reports: Reports
    poller: Poller
    queues: ConnectionQueues
    exchange: Exchange
    follower: Follower
    writing: Writing
    journal: Journal
    secret_lines: SecretLines
