"""A settled backup is polled by the lists that are read for others, without a step of its own for each of them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from astra_mirror.core.backup import Backup
from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Failed, Known, Listed, Observed, Unchanged
from astra_mirror.core.request_plan import Collection
from astra_mirror.observability.metrics import OBSERVATIONS
from tests.engine.service import Service, VirtualWorld
from tests.engine.world import ID
from tests.virtual_time import run

RUNNING: Final = range(1000, 1010)
SETTLED: Final = range(1010, 1030)
MINUTE: Final = 60.0
HOURS: Final = 3
ROUNDS: Final = HOURS * 60 * 4
"""How often each backup that runs is due in that time."""


class _Quiet(Service):
    """A remote that does not describe again what is known."""

    def __init__(self) -> None:
        super().__init__()
        self.states = {ID.format(each): "running" if each in RUNNING else "completed" for each in (*RUNNING, *SETTLED)}

    async def list_backups(
        self, connection: Connection, collection: Collection, known: Known, **_: Any
    ) -> Listed | Failed:
        """The states of all that is asked for."""
        await super().list_backups(connection, collection, known)
        digest = hash(tuple(sorted(self.states.items())))
        if known.list_digest == digest:
            return Listed(digest, {}, size=None)
        found = {each: self._item(each, before) for each, before in known.documents.items()}
        return Listed(digest, found, len(found))

    def _item(self, backup_id: str, known: int | None) -> Observed | Unchanged:
        backup = Backup(backup_id, self.states[backup_id])
        digest = hash((backup.id, backup.state))
        return Unchanged() if digest == known else Observed(backup, digest=digest)


def _play(story: Callable[[VirtualWorld, _Quiet], Awaitable[None]]) -> None:
    async def main() -> None:
        service = _Quiet()
        world = VirtualWorld(service)
        async with world.running():
            for number in (*RUNNING, *SETTLED):
                world.ref(number, app=1, interval="15s" if number in RUNNING else "15m")
            await asyncio.sleep(20)
            await story(world, service)

    run(main())


def _observations() -> float:
    """How many polls have ended."""
    return sum(
        each.value for metric in OBSERVATIONS.collect() for each in metric.samples if each.name.endswith("_total")
    )


def test_the_lists_of_others_are_its_polls() -> None:
    """It needs no request of its own, though it is due every 15 minutes; and most of the lists do not concern it."""

    async def story(world: VirtualWorld, service: _Quiet) -> None:
        del world
        before, requests = _observations(), len(service.log)
        await asyncio.sleep(HOURS * 60 * MINUTE)
        assert service.singles() == []
        assert len(service.log) - requests < ROUNDS * 1.2
        of_settled = (_observations() - before - ROUNDS * len(RUNNING)) / len(SETTLED)
        assert HOURS * 4 < of_settled < HOURS * 60

    _play(story)


def test_what_a_list_says_of_it_is_not_missed() -> None:
    """A backup that was settled and changes nevertheless is news at once."""

    async def story(world: VirtualWorld, service: _Quiet) -> None:
        await asyncio.sleep(4 * MINUTE)
        service.states[ID.format(1015)] = "failed"
        await asyncio.sleep(20)
        assert world.cluster.objects["ref-1015"]["status"]["state"] == "failed"
        assert world.cluster.objects["ref-1016"]["status"]["state"] == "completed"

    _play(story)
