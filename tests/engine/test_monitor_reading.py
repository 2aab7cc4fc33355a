"""When the list of a monitor's app is read, and what is known of it at first sight, after a restart, in a failure."""

import asyncio
from typing import Any

import pytest
from prometheus_client import REGISTRY

from astra_mirror.core.backup import Backup
from astra_mirror.core.outcome import WHOLE, Listed, NotFound, Observed, Unchanged
from astra_mirror.core.request_plan import Collection
from astra_mirror.engine.fan_out import is_covered
from astra_mirror.engine.kinds.app_backup_monitor import APP_BACKUP_MONITOR
from astra_mirror.engine.requests import ListRequest
from tests.engine.monitor_world import APP, DAILY, MonitorWorld
from tests.engine.service import ERROR
from tests.engine.world import ID, IDS, OLD, backup
from tests.virtual_time import clock


@pytest.fixture
def world() -> MonitorWorld:
    """A mirror at rest."""
    return MonitorWorld()


def _annotate(world: MonitorWorld, value: str) -> None:
    found = world.cluster.objects["shop"]
    annotations = {"astra-mirror.io/requestedAt": value}
    found["metadata"] |= {"annotations": annotations, "resourceVersion": str(next(world.cluster.versions))}
    world.monitors.seen({**found, "metadata": dict(found["metadata"])})


async def _read(world: MonitorWorld, **spec: Any) -> None:
    world.monitor(**spec)
    await world.answer(world.taken(1))
    await world.reason("Synced", "Observed")


def _restarted(world: MonitorWorld) -> MonitorWorld:
    """Another process sees what is there."""
    fresh = MonitorWorld()
    for name, each in world.cluster.objects.items():
        metadata = {**each["metadata"], "resourceVersion": str(next(fresh.cluster.versions))}
        fresh.cluster.objects[name] = {**each, "metadata": metadata}
        (fresh.refs if each["kind"] == "AppBackupRef" else fresh.monitors).seen(fresh.cluster.objects[name])
    return fresh


async def test_requested_at_is_answered_by_the_next_read(world: MonitorWorld) -> None:
    """Which is now; the status says that it has been."""
    async with world.running():
        await _read(world)
        await asyncio.sleep(60)
        _annotate(world, "2026-11-27T09:00:00Z")
        start = clock()
        await world.answer(world.taken(1), seconds=2)
        await world.cluster.until("shop", lastHandledReconcileAt="2026-11-27T09:00:00Z")
        assert clock() - start < 2


async def test_requested_at_is_answered_by_a_list_that_has_not_changed(world: MonitorWorld) -> None:
    """The status says so, though there is nothing else to write."""
    async with world.running():
        await _read(world)
        await asyncio.sleep(60)
        _annotate(world, "2026-11-27T09:00:00Z")
        await world.unchanged(seconds=2)
        await world.cluster.until("shop", lastHandledReconcileAt="2026-11-27T09:00:00Z", seconds=3)


@pytest.mark.parametrize(
    ("option", "interval", "expected"),
    [(300.0, None, 300.0), (40.0, None, 40.0), (300.0, "10s", 10.0), (40.0, "1h", 3600.0)],
)
async def test_the_interval(option: float, interval: str | None, expected: float) -> None:
    """Is the monitor's own, or else the operator's --monitor-interval."""
    world = MonitorWorld(monitor_interval=option)
    async with world.running():
        await _read(world, **({} if interval is None else {"interval": interval}))
        start = clock()
        await world.answer(world.taken(1), seconds=1.2 * expected)
        assert 0.85 * expected < clock() - start < 1.15 * expected


async def test_a_long_interval_is_not_stale_for_three_of_them(world: MonitorWorld) -> None:
    """--stale-after is 15 minutes."""
    async with world.running():
        await _read(world, interval="10m")
        begin = clock()

        async def failing() -> None:
            while True:
                _, _, request = await world.astra.asked.get()
                request.set_result(ERROR)

        task = asyncio.get_running_loop().create_task(failing())
        await world.reason("Synced", ERROR.reason.value, seconds=700)
        await asyncio.sleep(begin + 1750 - clock())
        assert world.cluster.reasons("shop")["Ready"] == "ListObserved"
        await world.reason("Ready", "ObservationStale", seconds=700)
        task.cancel()


async def test_what_is_missed_at_first_sight_needs_no_second_read(world: MonitorWorld) -> None:
    """Nor does what is met."""
    async with world.running():
        world.monitor(objectives=[DAILY], interval="1h")
        await world.answer(world.taken(1, minutes=90))
        await world.reason("ObjectivesMet", "ObjectiveMissed", seconds=2)
        await asyncio.sleep(1000)
        assert world.astra.asked.empty()


async def test_a_good_backup_that_vanishes_counts_at_once(world: MonitorWorld) -> None:
    """The objective is missed with the list that lacks it, though its deadline is far."""
    async with world.running():
        await _read(world, objectives=[DAILY])
        assert world.cluster.reasons("shop")["ObjectivesMet"] == "ObjectivesMet"
        await world.answer(world.taken(2, minutes=90), seconds=330)
        status = await world.reason("ObjectivesMet", "ObjectiveMissed", seconds=2)
        assert "deadline" not in status


async def test_after_a_start_the_first_failure_decides(world: MonitorWorld) -> None:
    """An objective whose deadline passed while no operator ran is unknown, and never missed without an answer."""
    async with world.running():
        await _read(world, objectives=[DAILY])
    await asyncio.sleep(4000)
    fresh = _restarted(world)
    async with fresh.running():
        await asyncio.sleep(1)
        assert fresh.cluster.reasons("shop")["ObjectivesMet"] == "ObjectivesMet"
        _, request = await fresh.astra.next_within(10)
        request.set_result(ERROR)
        await fresh.reason("ObjectivesMet", "ObservationStale", seconds=2)


async def test_an_edit_of_the_target_forgets_all(world: MonitorWorld) -> None:
    """And reads the other app's list at once."""
    async with world.running():
        await _read(world, objectives=[DAILY])
        world.monitor(app=3, objectives=[DAILY])
        asked, _, request = await world.astra.asked.get()
        assert asked == ID.format(3)
        await asyncio.sleep(3)
        status = world.cluster.objects["shop"]["status"]
        assert not {"backups", "newest", "newestCompleted", "objectives", "deadline"} & set(status)
        assert world.cluster.reasons("shop")["Ready"] == "NotObserved"
        request.set_result(Listed(0, {WHOLE: Unchanged()}, None))


async def test_a_status_that_was_wiped_is_put_right_with_the_first_list(world: MonitorWorld) -> None:
    """Which is due at once; the refs stay as they are."""
    async with world.running():
        await _read(world, mirror={"newest": 1}, interval="24h")
        await world.reason("RefsCurrent", "RefsCurrent")
    world.cluster.edit("shop", **dict.fromkeys(world.cluster.objects["shop"]["status"]))
    fresh = _restarted(world)
    async with fresh.running():
        await fresh.answer(fresh.taken(1), seconds=5)
        status = await fresh.reason("RefsCurrent", "RefsCurrent")
        assert status["refs"] == {"wanted": 1, "existing": 1}
        assert fresh.api.writes() == []


def test_a_monitor_that_is_being_deleted_is_as_if_suspended() -> None:
    """Nothing is asked for it, and nothing is written."""
    body: dict[str, Any] = {"metadata": {"name": "shop"}, "spec": IDS}
    alive = APP_BACKUP_MONITOR.read(body)
    dying = APP_BACKUP_MONITOR.read({**body, "metadata": {"deletionTimestamp": "2026-11-27T09:00:00Z"}})
    assert [getattr(each, "suspend", None) for each in (alive, dying)] == [False, True]


async def test_its_polls_and_writes_are_counted_as_a_monitors(world: MonitorWorld) -> None:
    """`kind` is a label of three metrics."""

    def counted() -> list[float]:
        found = [
            REGISTRY.get_sample_value("astra_mirror_observations_total", {"kind": "monitor", "result": "Observed"}),
            REGISTRY.get_sample_value("astra_mirror_status_patches_total", {"kind": "monitor", "result": "stored"}),
            REGISTRY.get_sample_value("astra_mirror_poll_lateness_seconds_count", {"kind": "monitor"}),
        ]
        return [each or 0.0 for each in found]

    before = counted()
    async with world.running():
        await _read(world)
    assert [after - each for after, each in zip(counted(), before, strict=True)] == [1, 1, 1]


async def test_only_the_list_of_its_app_counts(world: MonitorWorld) -> None:
    """That of the account names no app: it covers refs whose app is confirmed, and no monitor."""
    async with world.running():
        await _read(world)
        world.refs.seen(world.cluster.put("ref", 11))
        _, request = await world.astra.next_within(10)
        request.set_result(backup(11, "completed"))
        await world.cluster.until("ref", state="completed")
        objects = world.engine.performer.parts.objects
        covered = {
            (collection.app, uid): is_covered(_request(world, collection), tracked, objects, is_waiting=False)
            for collection in (Collection(IDS["accountID"], None), Collection(IDS["accountID"], APP))
            for uid in ("ref", "shop")
            if (tracked := objects.index.get(uid)) is not None
        }
        assert covered == {(None, "ref"): True, (None, "shop"): False, (APP, "ref"): True, (APP, "shop"): True}


def _request(world: MonitorWorld, collection: Collection) -> ListRequest:
    tracked = world.engine.performer.parts.objects.index.get("ref")
    assert tracked is not None
    return ListRequest(
        connection=OLD,
        about=tracked.identity,
        due=0.0,
        urgency=0.0,
        draw=0.5,
        is_fallback=False,
        is_observed=True,
        collection=collection,
    )


async def test_a_404_of_the_list_says_nothing_about_a_ref_that_waits_for_it(world: MonitorWorld) -> None:
    """The monitor is told that there is no such app; the ref's backup is asked for alone."""
    async with world.running():
        world.monitor()
        world.refs.seen(world.cluster.put("one", 11))
        missing = NotFound("Astra Control has no such app (404): Collection not found.")
        await world.end(Listed(1, {WHOLE: missing}, None, complete=False))
        _, request = await world.astra.next_within(10)
        request.set_result(Observed(Backup(ID.format(11), "completed"), digest=1))
        await world.reason("Ready", "AppNotFound")
        await world.cluster.until("one", state="completed")
