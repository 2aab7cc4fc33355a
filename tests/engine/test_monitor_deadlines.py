"""The deadlines of objectives in the engine: one request at each, and what is known until its answer."""

import asyncio
from datetime import datetime, timedelta

import pytest

from astra_mirror.core.outcome import WHOLE, Failed, Listed, SyncReason, Unchanged
from astra_mirror.engine.effects import Effect, Pump
from tests.engine.monitor_world import APP, DAILY, TIME_OUT, MonitorWorld
from tests.engine.service import ERROR, UNAUTHORIZED, limited
from tests.engine.world import ID, OLD


@pytest.fixture
def world() -> MonitorWorld:
    """A mirror at rest."""
    return MonitorWorld()


async def _met(world: MonitorWorld) -> None:
    """An objective that is met for five minutes less than the interval."""
    world.monitor(objectives=[DAILY], interval="1h")
    await world.answer(world.taken(1, minutes=55))
    await world.reason("Ready", "ObjectivesMet")


async def _until_deadline(world: MonitorWorld, *, seconds: float = 0.0) -> None:
    """Sleep until so long after the deadline in the status."""
    deadline = datetime.fromisoformat(world.cluster.objects["shop"]["status"]["deadline"])
    await asyncio.sleep((deadline - world.utcnow()).total_seconds() + seconds)


async def test_at_a_deadline_the_list_is_read_once_more(world: MonitorWorld) -> None:
    """The objective is missed with that answer, and counts as met until then."""
    async with world.running():
        await _met(world)
        await asyncio.sleep(295)
        assert world.astra.asked.empty()
        async with asyncio.timeout(7):
            _, _, request = await world.astra.asked.get()
        await asyncio.sleep(8)
        assert world.cluster.reasons("shop")["ObjectivesMet"] == "ObjectivesMet"
        request.set_result(Listed(1, {WHOLE: Unchanged()}, None))
        await world.reason("ObjectivesMet", "ObjectiveMissed", seconds=2)
        await asyncio.sleep(300)
        assert world.astra.asked.empty()


async def test_the_answer_may_bring_another_backup(world: MonitorWorld) -> None:
    """Then nothing was missed, and there is another deadline."""
    async with world.running():
        await _met(world)
        await asyncio.sleep(295)
        await world.answer(world.taken(1, minutes=60), world.taken(2, minutes=0), seconds=7)
        await asyncio.sleep(5)
        assert world.cluster.reasons("shop")["ObjectivesMet"] == "ObjectivesMet"
        assert world.notes == []


async def test_an_answer_that_was_asked_for_before_the_deadline_decides_nothing(world: MonitorWorld) -> None:
    """It is asked for again, and what the first one says is ignored."""
    async with world.running():
        world.monitor(objectives=[DAILY], interval="298s")
        await world.answer(world.taken(1, minutes=55))
        await world.reason("Ready", "ObjectivesMet")
        _, early = await world.astra.next_within(300)
        await asyncio.sleep(4)
        assert not early.done()
        _, late = await world.astra.next_within(3)
        early.set_result(Listed(1, {WHOLE: Unchanged()}, None))
        await asyncio.sleep(5)
        assert world.cluster.reasons("shop")["ObjectivesMet"] == "ObjectivesMet"
        late.set_result(Listed(1, {WHOLE: Unchanged()}, None))
        await world.reason("ObjectivesMet", "ObjectiveMissed", seconds=2)


async def test_a_request_of_before_the_deadline_counts_as_none(world: MonitorWorld) -> None:
    """While the one of the deadline waits its turn, the time-out of an earlier one ends nothing."""
    async with world.running():
        world.monitor(objectives=[DAILY], interval="298s")
        await world.answer(world.taken(1, minutes=55))
        await world.reason("Ready", "ObjectivesMet")
        await world.astra.next_within(300)
        queue = world.engine.performer.parts.queues.of(OLD)
        queue.gather()
        await _until_deadline(world, seconds=TIME_OUT + 5)
        assert world.cluster.reasons("shop")["ObjectivesMet"] == "ObjectivesMet"
        queue.release()
        world.engine.performer.perform(Pump(OLD))
        await world.unchanged(seconds=2)
        await world.reason("ObjectivesMet", "ObjectiveMissed", seconds=2)


async def test_each_deadline_has_its_request(world: MonitorWorld) -> None:
    """Also one that passes while the request of another is in flight: its answer says nothing about the later one."""
    async with world.running():
        world.monitor(objectives=[DAILY, {"name": "later", "maxAge": "3601s"}], interval="1h")
        await world.answer(world.taken(1, minutes=55))
        await world.reason("Ready", "ObjectivesMet")
        _, request = await world.astra.next_within(310)
        await asyncio.sleep(2.5)
        request.set_result(Listed(1, {WHOLE: Unchanged()}, None))
        await world.reason("ObjectivesMet", "ObjectiveMissed", seconds=2)
        await world.unchanged(seconds=2)
        await asyncio.sleep(2)
        objectives = world.cluster.objects["shop"]["status"]["objectives"]
        assert [each["met"] for each in objectives] == ["False", "False"]


async def test_one_request_for_all_monitors_of_an_app(world: MonitorWorld) -> None:
    """Whatever their number and their namespaces, when their deadlines are the same."""
    async with world.running():
        for number in range(5):
            namespace = ("ns", "other")[number % 2]
            world.monitor(f"shop-{number}", namespace=namespace, objectives=[DAILY], interval="1h")
        await world.answer(world.taken(1, minutes=55))
        for number in range(5):
            await world.reason("Ready", "ObjectivesMet", f"shop-{number}")
        await asyncio.sleep(295)
        await world.unchanged(seconds=7)
        for number in range(5):
            await world.reason("Ready", "ObjectiveMissed", f"shop-{number}", seconds=2)
        await asyncio.sleep(60)
        assert world.astra.asked.empty()


async def test_an_answer_that_fails_makes_it_unknown(world: MonitorWorld) -> None:
    """Not False: another backup may have completed."""
    async with world.running():
        await _met(world)
        await asyncio.sleep(295)
        await world.end(ERROR, seconds=7)
        await world.reason("ObjectivesMet", "ObservationStale", seconds=2)
        assert world.cluster.reasons("shop")["Ready"] == "ObservationStale"
        await world.unchanged(seconds=3700)
        await world.reason("ObjectivesMet", "ObjectiveMissed", seconds=2)


async def test_a_request_that_has_no_answer_makes_it_unknown(world: MonitorWorld) -> None:
    """Its time-out after it was sent."""
    async with world.running():
        await _met(world)
        await asyncio.sleep(295)
        async with asyncio.timeout(7):
            await world.astra.asked.get()
        await asyncio.sleep(TIME_OUT - 0.1)
        assert world.cluster.reasons("shop")["ObjectivesMet"] == "ObjectivesMet"
        await world.reason("ObjectivesMet", "ObservationStale", seconds=0.2)


async def _waiting(world: MonitorWorld) -> Effect:
    """At the deadline its request has to wait its turn. The effect lets it go."""
    await _met(world)
    await asyncio.sleep(290)
    queue = world.engine.performer.parts.queues.of(OLD)
    queue.gather()
    await asyncio.sleep(15)
    queue.release()
    return Pump(OLD)


async def test_a_request_may_wait_its_turn_for_a_minute(world: MonitorWorld) -> None:
    """Then it is unknown whether the objective is met."""
    async with world.running():
        await _waiting(world)
        await asyncio.sleep(53)
        assert world.cluster.reasons("shop")["ObjectivesMet"] == "ObjectivesMet"
        await world.reason("ObjectivesMet", "ObservationStale", seconds=5)
        assert world.astra.asked.empty()


@pytest.mark.parametrize("is_answered", [True, False])
async def test_a_request_that_is_sent_late_in_its_minute_has_its_time(world: MonitorWorld, is_answered: bool) -> None:
    """The time-out counts from when it was sent."""
    async with world.running():
        let_go = await _waiting(world)
        await asyncio.sleep(53)
        world.engine.performer.perform(let_go)
        _, request = await world.astra.next_within(1)
        await asyncio.sleep(TIME_OUT - 2)
        assert world.cluster.reasons("shop")["ObjectivesMet"] == "ObjectivesMet"
        if is_answered:
            request.set_result(Listed(1, {WHOLE: Unchanged()}, None))
        expected = "ObjectiveMissed" if is_answered else "ObservationStale"
        await world.reason("ObjectivesMet", expected, seconds=4)


async def test_a_failure_that_lasts_makes_it_unknown_at_the_deadline(world: MonitorWorld) -> None:
    """At once, for a breaker or a pause holds its request back."""
    async with world.running():
        world.monitor(objectives=[DAILY], interval="100s")
        await world.answer(world.taken(1, minutes=55))
        await world.end(UNAUTHORIZED, seconds=120)
        await world.reason("Synced", "Unauthorized")
        assert world.cluster.reasons("shop")["ObjectivesMet"] == "ObjectivesMet"
        await world.reason("ObjectivesMet", "ObservationStale", seconds=200)


async def test_without_the_secret_it_is_unknown_at_the_deadline(world: MonitorWorld) -> None:
    """At once, for there is nobody to ask; not before."""
    async with world.running():
        await _met(world)
        await asyncio.sleep(100)
        world.secrets.now = Failed(SyncReason.SECRET_NOT_FOUND, "There is no Secret astra-control.")
        world.engine.secret_changed("ns", "astra-control")
        await world.reason("Synced", "SecretNotFound")
        await _until_deadline(world, seconds=-1)
        assert world.cluster.reasons("shop")["ObjectivesMet"] == "ObjectivesMet"
        await world.reason("ObjectivesMet", "ObservationStale", seconds=3)


@pytest.mark.parametrize("is_read", [True, False])
async def test_a_secret_that_is_not_read_yet_is_waited_for(world: MonitorWorld, is_read: bool) -> None:
    """For the minute that a request may wait its turn."""
    async with world.running():
        await _met(world)
        await _until_deadline(world, seconds=-1)
        world.secrets.now = None
        await _until_deadline(world, seconds=57)
        assert world.cluster.reasons("shop")["ObjectivesMet"] == "ObjectivesMet"
        if is_read:
            world.secrets.now = OLD
            world.engine.secret_changed("ns", "astra-control")
            await world.unchanged(seconds=2)
        expected = "ObjectiveMissed" if is_read else "ObservationStale"
        await world.reason("ObjectivesMet", expected, seconds=6)


@pytest.mark.parametrize("since", [0.0, 0.3, 0.6, 0.9])
async def test_the_wall_clock_rules(world: MonitorWorld, since: float) -> None:
    """It is looked at once a second at least, and may be set at any time."""
    async with world.running():
        await _met(world)
        await asyncio.sleep(since)
        world.shift = timedelta(minutes=6)
        await world.unchanged(seconds=1.1)
        await world.reason("ObjectivesMet", "ObjectiveMissed", seconds=2)


async def test_a_suspended_monitor_keeps_no_deadline(world: MonitorWorld) -> None:
    """There is no request, and what was observed stands."""
    async with world.running():
        await _met(world)
        world.monitor(objectives=[DAILY], interval="1h", suspend=True)
        await world.reason("Synced", "Suspended")
        await asyncio.sleep(4000)
        assert world.astra.asked.empty()
        assert world.cluster.reasons("shop")["ObjectivesMet"] == "ObjectivesMet"


async def test_after_a_restart_in_an_outage_the_deadline_counts(world: MonitorWorld) -> None:
    """That of the status: the first failure has decided nothing, and the deadline passes later."""
    async with world.running():
        await _met(world)
    status = world.cluster.objects["shop"]
    world = MonitorWorld()
    world.cluster.objects["shop"] = status
    async with world.running({}):
        world.monitors.seen(status)
        for _ in range(9):
            await world.end(ERROR, seconds=400)
            await asyncio.sleep(1)
            if world.cluster.reasons("shop")["ObjectivesMet"] != "ObjectivesMet":
                break
        assert world.cluster.reasons("shop")["ObjectivesMet"] == "ObservationStale"
        assert asyncio.get_running_loop().time() < 320


async def test_an_earlier_failure_alone_decides_nothing_at_a_deadline(world: MonitorWorld) -> None:
    """The list is read once more, and may bring another backup."""
    async with world.running():
        world.monitor(objectives=[DAILY], interval="290s")
        await world.answer(world.taken(1, minutes=55))
        await world.reason("Ready", "ObjectivesMet")
        await world.end(ERROR, seconds=320)
        async with asyncio.timeout(20):
            _, _, request = await world.astra.asked.get()
        await asyncio.sleep(3)
        assert world.cluster.reasons("shop")["ObjectivesMet"] == "ObjectivesMet"
        request.set_result(Listed(1, {WHOLE: Unchanged()}, None))
        await world.reason("ObjectivesMet", "ObjectiveMissed", seconds=2)


async def test_a_retry_after_of_the_list_is_kept_at_a_deadline(world: MonitorWorld) -> None:
    """Whether the objective is met is unknown until then."""
    async with world.running():
        world.monitor(objectives=[DAILY], interval="200s")
        await world.answer(world.taken(1, minutes=55))
        await world.reason("Ready", "ObjectivesMet")
        await world.end(limited(300), seconds=220)
        await world.reason("ObjectivesMet", "ObservationStale", seconds=110)
        assert world.astra.asked.empty()
        await world.unchanged(seconds=310)
        await world.reason("ObjectivesMet", "ObjectiveMissed", seconds=2)


@pytest.mark.parametrize("namespace", ["ns", "other-{}"])
async def test_its_request_is_ahead_of_all_else(world: MonitorWorld, namespace: str) -> None:
    """What has waited for longer on the connection comes after it, also that of other namespaces, which take turns."""
    async with world.running():
        await _met(world)
        await asyncio.sleep(290)
        queue = world.engine.performer.parts.queues.of(OLD)
        queue.gather()
        for number in range(10):
            ref = world.cluster.put(f"ref-{number}", 100 + number, app=50 + number, namespace=namespace.format(number))
            world.refs.seen(ref)
        await asyncio.sleep(15)
        queue.release()
        world.engine.performer.perform(Pump(OLD))
        asked, _, _ = await world.astra.asked.get()
        assert asked == APP


async def test_many_deadlines_at_the_same_second(world: MonitorWorld) -> None:
    """Each of two hundred apps is asked once, and each objective is missed within two seconds of its answer."""
    lists = {ID.format(1000 + number): [world.taken(1, minutes=55)] for number in range(200)}
    async with world.running(), world.serving(lists):
        for number in range(200):
            world.monitor(f"shop-{number}", app=1000 + number, objectives=[DAILY], interval="24h")
        for number in range(200):
            await world.reason("Ready", "ObjectivesMet", f"shop-{number}")
        asked = len(world.astra.namespaces)
        await asyncio.sleep(305)
        reasons = {world.cluster.reasons(f"shop-{number}")["ObjectivesMet"] for number in range(200)}
        assert reasons == {"ObjectiveMissed"}
        assert len(world.astra.namespaces) == asked + 200
