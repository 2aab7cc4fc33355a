"""Monitors over time: silence, restarts, requests, suspension, many deadlines at once."""

import json
import os
import threading
from datetime import datetime
from typing import Any

from dev.controlplane import ControlPlane
from dev.simulator import Simulator
from dev.simulator.model import uuid_of
from tests.e2e.monitors import DAILY, OPERATOR, Monitors, add_backup, ago, until
from tests.e2e.user import User, condition
from tests.operator_process import StartOperator

_QUIET_SECONDS = float(os.environ.get("QUIET_SECONDS", "45"))


def _writes(control_plane: ControlPlane) -> list[dict[str, Any]]:
    return [
        each
        for each in control_plane.audit_events(of=OPERATOR)
        if each["verb"] not in {"get", "list", "watch"} and each["objectRef"]["resource"] != "leases"
    ]


def test_fifty_monitors_and_their_refs_write_nothing_while_nothing_changes(
    installed: ControlPlane, monitors: Monitors, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """Nor after a restart. QUIET_SECONDS=300 makes this five minutes each."""
    for number in range(50):
        app = uuid_of(f"quiet app {number}")
        for hours in (1, 2, 3):
            add_backup(astra, app=app, hours=hours)
        monitors.apply(f"shop-{number}", app=app, objectives=[DAILY], mirror={"newest": 2})
    operator = start_operator("--settled-interval", "10s")
    for number in range(50):
        monitors.wait("RefsCurrent", "RefsCurrent", f"shop-{number}")
    user.kubectl("wait", "--for=condition=Ready", "abr", "--all", "--timeout=90s")
    threading.Event().wait(5)
    versions = monitors.versions()
    assert len(versions) == 150
    for _ in range(2):
        before = len(_writes(installed))
        threading.Event().wait(_QUIET_SECONDS)
        assert _writes(installed)[before:] == []
        assert monitors.versions() == versions
        assert operator.stop() == 0
        operator = start_operator("--settled-interval", "10s")


def test_many_deadlines_at_the_same_second(
    monitors: Monitors, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """Two hundred apps: each objective is missed within two seconds of its answer, and each list is asked for once."""
    taken, objectives = ago(seconds=-60), [{"name": "minutely", "maxAge": "1m"}]
    apps = [uuid_of(f"due app {number}") for number in range(200)]
    for app in apps:
        add_backup(astra, app=app).set(backupCreationTimestamp=taken)
    items = [
        monitors.manifest(f"shop-{number}", app=app, objectives=objectives, interval="1h")
        for number, app in enumerate(apps)
    ]
    user.apply({"apiVersion": "v1", "kind": "List", "items": items})
    start_operator()
    user.kubectl("wait", "--for=condition=ObjectivesMet", "abm", "--all", "--timeout=60s")
    [deadline] = {each["status"]["deadline"] for each in _monitors(user)}
    astra.requests.clear()
    until(lambda: all(_reason(each) == "ObjectiveMissed" for each in _monitors(user)), 90)
    at = datetime.fromisoformat(deadline).timestamp()
    asked = astra.requests.matching("*/appBackups")
    assert len(asked) == 200
    last = max(each.at for each in asked)
    flipped = [condition(each["status"], "ObjectivesMet")["lastTransitionTime"] for each in _monitors(user)]
    # Transition times are whole seconds.
    assert max(datetime.fromisoformat(each).timestamp() for each in flipped) <= last + 2
    assert min(each.at for each in asked) >= at


def _monitors(user: User) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(user.kubectl("get", "abm", "-o", "json"))["items"]
    return found


def _reason(monitor: dict[str, Any]) -> str:
    return str(condition(monitor["status"], "ObjectivesMet")["reason"])


def test_the_story_in_events(monitors: Monitors, user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """Missed and met again; none for what was well at first sight."""
    backup = add_backup(astra, hours=1)
    monitors.apply(objectives=[DAILY])
    operator = start_operator()
    monitors.wait("ObjectivesMet")
    backup.set(backupCreationTimestamp=ago(hours=30))
    monitors.wait("ObjectiveMissed")
    add_backup(astra)
    monitors.wait("ObjectivesMet")

    def reasons() -> list[str]:
        found = json.loads(user.kubectl("get", "events.events.k8s.io", "-o", "json"))["items"]
        return sorted(each["reason"] for each in found if each["regarding"]["kind"] == "AppBackupMonitor")

    until(lambda: reasons() == ["ObjectiveMissed", "ObjectivesMet"], 20)
    assert operator.metric("astra_mirror_monitors") == "1.0"
    assert float(operator.metric('astra_mirror_observations_total{kind="monitor",result="Observed"}')) >= 3


def test_a_request_for_a_read(monitors: Monitors, user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """Is answered by a list that is read at once."""
    monitors.apply(interval="24h")
    start_operator()
    monitors.wait("ListObserved")
    add_backup(astra)
    user.kubectl("annotate", "abm", "shop", "astra-mirror.io/requestedAt=2026-11-27T09:00:00Z")
    until(lambda: monitors.status().get("lastHandledReconcileAt") == "2026-11-27T09:00:00Z", 5)
    assert monitors.status()["backups"]["total"] == 1


def test_suspended(monitors: Monitors, user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """No request, no deadline, and no write to a ref."""
    add_backup(astra, seconds=40)
    objectives, mirror = [{"name": "minutely", "maxAge": "1m"}], {"newest": 1}
    monitors.apply(objectives=objectives, mirror=mirror)
    start_operator("--settled-interval", "1h")
    monitors.wait("RefsCurrent", "RefsCurrent")
    monitors.apply(objectives=objectives, mirror=mirror, suspend=True)
    status = monitors.wait("Suspended", "Synced")
    assert "deadlines are not kept" in condition(status, "Synced")["message"]
    [name] = monitors.refs()
    user.kubectl("delete", "abr", name)
    astra.requests.clear()
    threading.Event().wait(30)
    assert condition(monitors.status(), "ObjectivesMet")["status"] == "True"
    assert (monitors.refs(), astra.requests.matching("*")) == ({}, [])


def test_a_status_that_was_wiped_while_no_operator_ran(
    monitors: Monitors, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """Is put right with the first list, which is due at once; the refs are not touched."""
    add_backup(astra)
    monitors.apply(mirror={"newest": 1}, objectives=[DAILY], interval="24h")
    operator = start_operator()
    before = monitors.wait("RefsCurrent", "RefsCurrent")
    [ref] = monitors.refs().values()
    assert operator.stop() == 0
    user.kubectl("patch", "abm", "shop", "--subresource=status", "--type=merge", "-p", '{"status": null}')
    start_operator()
    until(lambda: monitors.status().get("refs") == before["refs"], 10)
    assert monitors.status()["objectives"] == before["objectives"]
    [after] = monitors.refs().values()
    assert after["metadata"]["uid"] == ref["metadata"]["uid"]


def test_an_edit_of_the_target_forgets_all(monitors: Monitors, astra: Simulator, start_operator: StartOperator) -> None:
    """Its old app's refs go with the first complete list of the new one."""
    other = uuid_of("another app")
    add_backup(astra)
    new = add_backup(astra, app=other, hours=1)
    monitors.apply(mirror={"newest": 1})
    start_operator()
    monitors.wait("RefsCurrent", "RefsCurrent")
    with astra.fault(f"*/apps/{other}/*", status=503):
        monitors.apply(app=other, mirror={"newest": 1})
        status = monitors.wait("ServerError")
        assert "newest" not in status
        assert condition(status, "RefsCurrent")["reason"] == "RefsPending"
        assert len(monitors.refs()) == 1
    until(lambda: [each["spec"]["backupID"] for each in monitors.refs().values()] == [new.id], 60)
