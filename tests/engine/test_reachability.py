"""Hours of the engine in virtual time: on how many connections Astra Control answers."""

import asyncio
from collections.abc import Callable

import pytest

from astra_mirror.core.outcome import Failed
from astra_mirror.core.reachability import Reach
from tests.engine.service import AWAY, ERROR, Asked, VirtualWorld, limited, play
from tests.engine.world import ID

Rule = Callable[[Asked], Failed | None]


def test_an_outage_and_its_end() -> None:
    """Seen within an interval; for an hour it fails, then it is silent, and with the first answer it is over."""

    async def story(world: VirtualWorld) -> None:
        world.refs(20)
        await asyncio.sleep(60)
        assert world.engine.reachability() == {Reach.ANSWERING: 1}
        for failure in (AWAY, ERROR):
            world.service.rule = _always(failure)
            await asyncio.sleep(60)
            assert world.engine.reachability() == {Reach.FAILING: 1}
            await asyncio.sleep(3600)
            assert world.engine.reachability() == {Reach.SILENT: 1}
            world.service.rule = lambda _: None
            await asyncio.sleep(901)
            assert world.engine.reachability() == {Reach.ANSWERING: 1}

    play(story)


def _always(failure: Failed) -> Rule:
    return lambda _: failure


_NO_OUTAGES: dict[str, Rule] = {
    "a pause": _always(limited(5)),
    "one backup": lambda asked: ERROR if asked.backup == ID.format(1003) else None,
    "the lists": lambda asked: ERROR if asked.backup is None else None,
}


@pytest.mark.parametrize("name", list(_NO_OUTAGES))
def test_what_is_no_outage(name: str) -> None:
    """A 429, and one backup, or every list, that gives 503: it is over with the next request for something else."""

    async def story(world: VirtualWorld) -> None:
        world.refs(5)
        await asyncio.sleep(60)
        world.service.rule = _NO_OUTAGES[name]
        failing = 0
        for _ in range(1200):
            await asyncio.sleep(1)
            failing = failing + 1 if Reach.FAILING in world.engine.reachability() else 0
            assert failing <= 20

    play(story)
