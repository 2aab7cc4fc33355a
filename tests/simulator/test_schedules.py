"""Schedules of the simulator: backups over months, retention, a clock that is moved, renames and bad items."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from dev.simulator import Simulator, over_days
from dev.simulator.scheduled import ScheduledStore
from dev.simulator.schedules import Schedule

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NIGHTLY = Schedule("1fe83650-7d3f-4d0a-9c55-0e8f6a2b4c71", "nightly", NOW - timedelta(days=200), keep=90)


def _listed(astra: Simulator) -> list[Any]:
    path = f"{astra.url}/accounts/{astra.account}/k8s/v1/apps/{astra.app}/appBackups"
    response = httpx.get(path, headers={"Authorization": f"Bearer {astra.token}"})
    items: list[Any] = response.raise_for_status().json()["items"]
    return items


def test_retention() -> None:
    """The newest ones are kept, and the next one pushes the oldest out."""
    runs = list(NIGHTLY.runs(NOW))
    assert (len(runs), runs[-1].taken) == (90, NOW)
    later = list(NIGHTLY.runs(NOW + timedelta(days=1)))
    assert [each.id for each in later[:-1]] == [each.id for each in runs[1:]]
    assert list(NIGHTLY.runs(NIGHTLY.first - timedelta(seconds=1))) == []


def test_what_becomes_of_each() -> None:
    """A run may be missed, another one may fail; the last one is under way."""
    schedule = Schedule("s", "n", NOW - timedelta(days=3), missed=frozenset({1}), others=((2, "fails"),))
    now = NOW + timedelta(minutes=5)
    states = [(schedule.document(each, now) or {})["state"] for each in schedule.runs(now)]
    assert states == ["completed", "failed", "running"]


def test_the_store_keeps_up_with_its_clock() -> None:
    """Nothing has to be told to it."""
    store = ScheduledStore()
    store.add_schedule(over_days("nightly", days=300, now=store.wall_clock(), keep=200))
    store.add_schedule(over_days("hourly", days=2, now=store.wall_clock(), every=timedelta(hours=1), keep=24))
    account, app = next((each.account, each.app) for each in store.backups.values())
    before = {each.id for each in store.of_app(account, app)}
    store.wall_clock.move(hours=3)
    after = {each.id for each in store.of_app(account, app)}
    assert (len(before), len(after), len(before - after)) == (224, 224, 3)


@pytest.fixture
def astra() -> Any:
    """A simulator."""
    with Simulator.start() as running:
        yield running


def test_the_list_of_an_app_with_hundreds_of_backups(astra: Simulator) -> None:
    """Each has its schedule, its name and its times; one that was renamed, and items that are none."""
    astra.add_schedule(over_days("nightly", days=400, now=astra.wall_clock(), keep=300))
    first = astra.of_app(astra.account, astra.app)[0]
    first.set(name="renamed")
    for item in ({"state": "completed"}, None, 7, "x", {"id": first.id, "state": "failed"}):
        astra.add_item(item)
    items = _listed(astra)
    assert len(items) == 305
    documents = [each for each in items if isinstance(each, dict) and "scheduleID" in each]
    assert Counter(each["state"] for each in documents).keys() == {"completed", "pending"}
    assert documents[0]["name"] == "renamed"
    assert documents[1]["backupCreationTimestamp"] < documents[2]["backupCreationTimestamp"]


def test_by_hand(astra: Simulator) -> None:
    """With curl."""
    made = httpx.post(f"{astra.url}/_control/schedules", json={"name": "weekly", "days": 10, "keep": 5})
    assert made.status_code == 201
    before = [each["id"] for each in _listed(astra)]
    httpx.post(f"{astra.url}/_control/clock", json={"hours": 30}).raise_for_status()
    after = [each["id"] for each in _listed(astra)]
    assert (len(before), len(after), before == after) == (5, 5, False)
