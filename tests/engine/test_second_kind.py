"""A kind that reads its app's list as a whole: the engine needs to know no more of it than its spec says."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from astra_mirror.api.meta import Names
from astra_mirror.core.outcome import Described, Failed, Listed, Observed, SyncReason, Unchanged
from astra_mirror.core.schedule import Pace
from astra_mirror.core.write_results import Refused
from astra_mirror.engine.kinds.kind import Happened, Inherited, Kind, Next, Report, Spec
from tests.engine.service import ERROR, FORBIDDEN, UNAUTHORIZED
from tests.engine.world import ID, IDS, World, backup
from tests.virtual_time import clock

INTERVAL = 8.0
WHOLE = ""
"""The key of the whole list, among the keys of its items."""


@dataclass(frozen=True, slots=True)
class Whole(Described):
    """A list as a whole."""

    total: int


@dataclass(frozen=True, slots=True)
class CounterSpec(Spec):
    """What a counter asks for."""

    reads_list = True

    def inherit(self, status: object, generation: int, pace: Pace) -> Inherited:
        """Nothing is inherited."""
        del status, generation, pace
        return Inherited(self._report(), is_own=False, is_grace=False)

    def forgotten(self, held: bytes, pace: Pace) -> Report:
        """Nothing is left."""
        del held, pace
        return self._report()

    def next_report(self, held: bytes, happened: Happened, pace: Pace) -> Next:
        """The number of backups, and how many different lists have been read."""
        del held, pace
        match happened.outcome:
            case Whole(total):
                lists = happened.memory + 1 if isinstance(happened.memory, int) else 1
                return Next(self._report(total, lists), (), has_new_message=False, notes=[])
            case Failed(reason):
                return Next(self._report(failure=reason), (), has_new_message=True, notes=[])
        return Next(self._report(), (), has_new_message=False, notes=[])

    def _report(self, total: int | None = None, lists: int | None = None, failure: SyncReason | None = None) -> Report:
        status: dict[str, Any] = {"total": total, "lists": lists, "failure": failure, "conditions": []}
        return Report(
            status=json.dumps({key: value for key, value in status.items() if value is not None}).encode(),
            state=None,
            is_observed=total is not None,
            is_at_rest=False,
            interval=INTERVAL,
            handled=None,
            memory=lists,
        )


class Counter(Kind):
    """See the module."""

    def read(self, body: Mapping[str, Any]) -> Spec | Failed:
        """Of the spec, the IDs."""
        spec = body["spec"]
        return CounterSpec(spec["accountID"], spec["appID"], WHOLE, "astra-control", suspend=False)


COUNTER = Counter(
    names=Names("AppCounter", "appcounters"),
    label="counter",
    unreadable=CounterSpec("", "", WHOLE, "", suspend=False),
)


@pytest.fixture
def world() -> World:
    """A mirror at rest."""
    return World()


def put(world: World, name: str, **options: Any) -> None:
    """Let the mirror see a counter."""
    world.engine.entrance(COUNTER).seen(world.cluster.put(name, 0, **options))


async def answer(world: World, whole: Whole | Unchanged | Failed, *items: Observed, size: int = 5000) -> None:
    """Answer the request for the app's list, which is too long for a few refs unless its size says otherwise."""
    _, request = await world.astra.next(IDS["appID"])
    found = {WHOLE: whole, **{each.backup.id: each for each in items}}
    request.set_result(Listed(hash(str(found)), found, size))


async def test_the_list_is_read_whatever_it_costs(world: World) -> None:
    """For one object, though the server's last list was long and lacked something."""
    async with world.running():
        put(world, "counter")
        await answer(world, Whole(5000, digest=1))
        await world.cluster.until("counter", total=5000, lists=1)
        await answer(world, Whole(4999, digest=2))
        await world.cluster.until("counter", total=4999, lists=2)


async def test_refs_of_the_app_are_read_by_the_same_list(world: World) -> None:
    """Also one alone, which would not be worth a list; there is no other request."""
    async with world.running():
        put(world, "counter")
        world.entrance.seen(world.cluster.put("ref", 11, interval=f"{INTERVAL:g}s"))
        for total, state in (5000, "running"), (5001, "completed"):
            await answer(world, Whole(total, digest=total), backup(11, state))
            await world.cluster.until("counter", total=total)
            await world.cluster.until("ref", state=state)
        assert world.astra.asked.empty()


async def test_the_list_is_read_where_single_backups_may_not_be(world: World) -> None:
    """The app's circuit breaker is one for single GETs."""
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 11))
        _, request = await world.astra.next(ID.format(11))
        request.set_result(FORBIDDEN)
        await asyncio.sleep(1)
        put(world, "counter")
        await answer(world, Whole(2, digest=1))
        await world.cluster.until("counter", total=2)


async def test_a_list_for_refs_is_news_for_it(world: World) -> None:
    """An object that is not due profits, and is due an interval after that."""
    async with world.running():
        put(world, "counter")
        await answer(world, Whole(2, digest=1), size=2)
        await world.cluster.until("counter", total=2)
        await asyncio.sleep(1)
        for number in (11, 12):
            world.entrance.seen(world.cluster.put(f"ref-{number}", number))
        await answer(world, Whole(3, digest=2), backup(11, "completed"), backup(12, "completed"))
        await world.cluster.until("counter", total=3, lists=2, seconds=1)
        await asyncio.sleep(INTERVAL - 1)
        assert world.astra.asked.empty()
        await answer(world, Unchanged())
        await asyncio.sleep(1)
        assert world.cluster.patches == 4


async def test_a_failure_may_stand_for_the_list(world: World) -> None:
    """It is the result of the object that reads the list, and of nobody else."""
    async with world.running():
        put(world, "counter")
        world.entrance.seen(world.cluster.put("ref", 11))
        await answer(world, Failed(SyncReason.UNEXPECTED_RESPONSE, "incomplete"), backup(11, "completed"))
        await world.cluster.until("counter", failure="UnexpectedResponse")
        await world.cluster.until("ref", state="completed")


async def test_a_list_that_fails_is_the_result_of_who_reads_it(world: World) -> None:
    """Nobody asks for a single backup, where there is none to ask for; the list is asked for again, after a backoff."""
    async with world.running():
        put(world, "counter")
        _, request = await world.astra.next(IDS["appID"])
        request.set_result(ERROR)
        await world.cluster.until("counter", failure="ServerError")
        await asyncio.sleep(INTERVAL - 1)
        assert world.astra.asked.empty()
        _, request = await world.astra.next(IDS["appID"])


async def test_a_single_backup_decides_for_the_refs_alone(world: World) -> None:
    """The canary of a failed list is a ref's, and what follows it as well."""
    async with world.running():
        put(world, "counter")
        for number in (11, 12):
            world.entrance.seen(world.cluster.put(f"ref-{number}", number))
        _, request = await world.astra.next(IDS["appID"])
        request.set_result(ERROR)
        _, canary = await world.astra.next(ID.format(11))
        await world.cluster.until("counter", failure="ServerError")
        canary.set_result(backup(11, "completed"))
        _, request = await world.astra.next(ID.format(12))
        request.set_result(backup(12, "completed"))
        await world.cluster.until("ref-12", state="completed")
        await asyncio.sleep(INTERVAL)
        _, request = await world.astra.next(IDS["appID"])


async def test_a_list_without_refs_is_its_own_probe(world: World) -> None:
    """One a minute, while its token is refused; what it proves counts for all."""
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 11, interval="24h"))
        _, request = await world.astra.next(ID.format(11))
        request.set_result(UNAUTHORIZED)
        await asyncio.sleep(1)
        world.entrance.deleted("ref", "ns")
        put(world, "counter")
        await world.cluster.until("counter", failure="Unauthorized")
        assert world.engine.open_breakers() == 1
        for _ in range(3):
            before = asyncio.get_running_loop().time()
            _, request = await world.astra.next_within(70)
            request.set_result(UNAUTHORIZED)
            assert asyncio.get_running_loop().time() - before > 50
        _, request = await world.astra.next_within(70)
        request.set_result(Listed(1, {WHOLE: Whole(3, digest=1)}, 3))
        await world.cluster.until("counter", total=3)
        assert world.engine.open_breakers() == 0


async def test_an_accounts_canary_is_a_ref(world: World) -> None:
    """Also where what reads a list has succeeded later."""
    async with world.running():
        world.entrance.seen(world.cluster.put("ref", 11, interval="24h"))
        _, request = await world.astra.next(ID.format(11))
        request.set_result(backup(11, "running"))
        await asyncio.sleep(1)
        put(world, "counter", app=3)
        _, request = await world.astra.next(ID.format(3))
        request.set_result(Listed(1, {WHOLE: Whole(3, digest=1)}, 3))
        await asyncio.sleep(1)
        world.entrance.seen(world.cluster.put("wrong", 12, account=9))
        _, request = await world.astra.next(ID.format(12))
        request.set_result(UNAUTHORIZED)
        await world.astra.next(ID.format(11))


async def test_a_list_that_was_not_read_as_a_whole_is_its_failure(world: World) -> None:
    """No single GET is made in its place, and the list is read again after a backoff."""
    async with world.running():
        put(world, "counter")
        _, request = await world.astra.next(IDS["appID"])
        request.set_result(Listed(1, {}, 0))
        await world.cluster.until("counter", failure=SyncReason.UNEXPECTED_RESPONSE)
        await asyncio.sleep(INTERVAL)
        await answer(world, Whole(2, digest=1))
        await world.cluster.until("counter", total=2)


async def test_what_was_edited_meanwhile_reads_the_list_of_its_new_app(world: World) -> None:
    """The list that it waited for says nothing about that, and no single GET is made."""
    async with world.running():
        put(world, "counter")
        _, request = await world.astra.next(IDS["appID"])
        put(world, "counter", app=77)
        request.set_result(Listed(1, {WHOLE: Whole(1, digest=1)}, 1))
        _, again = await world.astra.next(ID.format(77))
        again.set_result(Listed(2, {WHOLE: Whole(5, digest=5)}, 5))
        await world.cluster.until("counter", total=5)
        assert world.astra.asked.empty()


async def test_a_kind_whose_writes_are_refused_slows_down_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role may lack one kind's status. Refs of the namespace are written at once, which ends no limit but theirs."""
    patch, refused, has_tried = world.cluster.patch, list[float](), asyncio.Event()

    async def patched(names: Names, *args: Any, **options: Any) -> Any:
        if names == COUNTER.names:
            refused.append(clock())
            has_tried.set()
            return Refused(403, "Forbidden", "cannot patch appcounters/status")
        return await patch(names, *args, **options)

    monkeypatch.setattr(world.cluster, "patch", patched)
    async with world.running():
        for number in range(100):
            put(world, f"counter-{number}")
        await answer(world, Whole(2, digest=1))
        await asyncio.sleep(INTERVAL / 2)
        begin = len(refused)
        for number in range(1000, 1003):
            has_tried.clear()
            await has_tried.wait()
            start = clock()
            world.entrance.seen(world.cluster.put(f"ref-{number}", number, account=number))
            await world.answer([number])
            await world.cluster.until(f"ref-{number}", state="completed")
            assert clock() - start < 0.1
        assert len(refused) - begin <= 4
