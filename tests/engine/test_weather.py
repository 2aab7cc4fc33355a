"""Hours of bad weather by chance, in virtual time: whatever has gone wrong, nothing stays wrong."""

import asyncio
import random

import pytest

from astra_mirror.core.outcome import Failed
from tests.engine.service import Asked, VirtualWorld, virtual_world
from tests.engine.weather import FAILURES
from tests.engine.world import ID, NEW, OLD
from tests.virtual_time import run

_NUMBERS = range(1000, 1040)


class _Weather:
    """A rule that changes: some accounts, apps, backups or lists fail, or all, each time or sometimes."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._failure = chance.choice(FAILURES)
        self._of = chance.choice(["account", "app", "backup", "lists", "singles", "all"])
        self._some = {ID.format(chance.choice([1, 2, 3, *_NUMBERS])) for _ in range(12)}
        self._share = chance.choice([0.2, 1.0])

    def __call__(self, asked: Asked) -> Failed | None:
        meant = {
            "account": asked.account in self._some,
            "app": asked.app in self._some,
            "backup": asked.backup in self._some,
            "lists": asked.backup is None,
            "singles": asked.backup is not None,
            "all": True,
        }
        return self._failure if meant[self._of] and self._chance.random() < self._share else None


def _disturb(world: VirtualWorld, chance: random.Random) -> None:
    """Somebody edits, asks, suspends, deletes, or changes the Secret."""
    number = chance.choice(_NUMBERS)
    match chance.randrange(6):
        case 0:
            _put(world, chance, number)
        case 1:
            world.request(number, str(chance.random()))
        case 2:
            _put(world, chance, number, suspend=True)
        case 3:
            world.entrance.deleted(f"ref-{number}", "ns")
            _put(world, chance, number)
        case 4:
            world.secrets.now = chance.choice([OLD, NEW, None])
            world.engine.secret_changed(f"ns-{chance.randrange(3)}", "astra-control")
        case _:
            world.engine.drop_unused()


def _put(world: VirtualWorld, chance: random.Random, number: int, *, suspend: bool = False) -> None:
    namespace, account = f"ns-{number % 3}", chance.choice([1, 2, 3])
    app = chance.choice([10, 11, number])
    world.ref(number, namespace=namespace, account=account, app=app, suspend=suspend, interval=f"{5 + number % 20}s")


@pytest.mark.parametrize("seed", range(8))
def test_when_the_sky_clears_everything_is_synced(seed: int) -> None:
    """Nobody is left behind a breaker, a pause, a list or a request that nobody wants."""
    chance = random.Random(seed)  # noqa: S311 - the same weather in each run

    async def story() -> None:
        async with virtual_world() as world:
            for number in _NUMBERS:
                _put(world, chance, number)
            for _ in range(chance.randrange(5, 15)):
                world.service.rule = _Weather(chance)
                world.service.latency = chance.choice([0.01, 0.5, 3.0])
                for _ in range(20):
                    await asyncio.sleep(chance.choice([0.0, 0.01, 1.0, 20.0]))
                    _disturb(world, chance)
            world.service.rule, world.service.latency = (lambda _: None), 0.01
            world.secrets.now = OLD
            for number in _NUMBERS:
                _put(world, chance, number)
            for number in range(3):
                world.engine.secret_changed(f"ns-{number}", "astra-control")
            # The longest backoff is 15 minutes, and a namespace's refused accounts are probed one a minute.
            await asyncio.sleep(1900)
            assert world.reasons() == {"Observed": len(_NUMBERS)}
            # As every few minutes: of accounts and apps that no ref names any more nothing is left.
            world.engine.drop_unused()
            assert world.engine.open_breakers() == 0
            since = world.clock()
            await asyncio.sleep(60)
            assert len([each for each in world.service.log if each.at > since]) <= 60 * len(_NUMBERS) / 5

    run(story())
