"""Monitors on the real API server, under the shipped RBAC: lists, deadlines, refs that are made and removed."""

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest

from dev.controlplane import ControlPlane, KubectlError
from dev.simulator import Simulator
from tests.e2e.monitors import APP_LIST, SINGLE, Monitors, add_backup, until
from tests.e2e.user import User, condition
from tests.operator_process import StartOperator


def test_which_backups_the_app_has(
    monitors: Monitors, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """The counts, the newest ones and the objective's deadline, also in the table; `select` leaves one out."""
    _, _, good = (add_backup(astra, hours=hours) for hours in (3, 2, 1))
    for minutes in (40, 30):
        add_backup(astra, "failed", minutes=minutes)
    running = add_backup(astra, "running", minutes=20)
    add_backup(astra, minutes=10).set(name="by-hand")
    monitors.apply(select={"names": ["backup-*"]}, objectives=[{"name": "daily", "maxAge": "26h"}])
    start_operator()
    status = monitors.wait("ObjectivesMet")
    counts = {"total": 7, "selected": 6, "completed": 3, "inProgress": 1, "failed": 2, "other": 0}
    assert status["backups"] == counts
    assert (status["newest"]["id"], status["newestCompleted"]["id"]) == (running.id, good.id)
    assert status["objectives"][0]["met"] == "True"
    head, row = user.kubectl("get", "abm").splitlines()
    assert head.split() == ["NAME", "READY", "COMPLETED", "BACKUPS", "RUNNING", "FAILED", "AGE"]
    assert row.split()[1:6] == ["True", "60m", "7", "1", "2"]
    wide = user.kubectl("get", "abm", "-o", "wide")
    assert status["deadline"] in wide


def test_a_deadline_is_kept_by_the_wall_clock(
    monitors: Monitors, astra: Simulator, start_operator: StartOperator
) -> None:
    """Without waiting for the next poll; a good backup meets the objective again."""
    add_backup(astra, seconds=50)
    monitors.apply(objectives=[{"name": "minutely", "maxAge": "1m"}], interval="1h")
    start_operator()
    deadline = monitors.wait("ObjectivesMet")["deadline"]
    status = monitors.wait("ObjectiveMissed")
    assert "deadline" not in status
    late = datetime.now(UTC) - datetime.fromisoformat(deadline)
    assert timedelta(0) < late < timedelta(seconds=5)
    assert condition(status, "Stalled")["reason"] == "ObjectiveMissed"


def test_a_monitor_beside_refs_costs_no_request_of_its_own(
    monitors: Monitors, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """One list serves all of them: five refs and a monitor, each of which is due every ten seconds."""
    backups = [add_backup(astra, "running") for _ in range(5)]
    for number, backup in enumerate(backups):
        user.ref(f"ref-{number}", backup, interval="10s")
    monitors.apply()
    start_operator("--interval", "10s")
    monitors.wait("ListObserved")
    user.kubectl("wait", "--for=condition=Synced", "abr", "--all", "--timeout=60s")
    # They come together within the first rounds.
    threading.Event().wait(30)
    astra.requests.clear()
    threading.Event().wait(60)
    assert astra.requests.matching(SINGLE) == []
    assert 4 <= len(astra.requests.matching(APP_LIST)) <= 8


def test_refs_are_made_repaired_and_removed(
    monitors: Monitors, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """What a user deletes or edits is put right; the window moves; the monitor's refs go with it."""
    old, new = add_backup(astra, hours=2), add_backup(astra, hours=1)
    monitors.apply(mirror={"newest": 1, "labels": {"team": "shop"}})
    start_operator()
    monitors.wait("RefsCurrent", "RefsCurrent")
    [(name, ref)] = monitors.refs().items()
    assert ref["spec"]["backupID"] == new.id
    assert ref["metadata"]["labels"] == {"team": "shop", "astra-mirror.io/monitor": "shop"}
    assert name.endswith(new.id[:8])
    user.kubectl("delete", "abr", name)
    until(lambda: name in monitors.refs(), 10)
    user.kubectl("patch", "abr", name, "--type=merge", "-p", json.dumps({"spec": {"backupID": old.id}}))
    until(lambda: monitors.refs()[name]["spec"]["backupID"] == new.id, 10)
    user.kubectl("label", "abr", name, "mine=x", "team=other", "--overwrite")
    until(lambda: monitors.refs()[name]["metadata"]["labels"]["team"] == "shop", 10)
    monitors.apply(mirror={"newest": 1})
    until(lambda: "team" not in monitors.refs()[name]["metadata"]["labels"], 30)
    assert monitors.refs()[name]["metadata"]["labels"]["mine"] == "x"
    newest = add_backup(astra, seconds=5)
    until(lambda: [each["spec"]["backupID"] for each in monitors.refs().values()] == [newest.id], 30)
    user.kubectl("delete", "abm", "shop")
    until(lambda: monitors.refs() == {}, 30)


def test_a_name_that_is_somebody_elses(
    monitors: Monitors, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """Is a conflict, and nothing is written into it."""
    backup = add_backup(astra)
    document = backup.document()
    assert document is not None
    user.ref(f"{document['name']}-{backup.id[:8]}", backup)
    [before] = monitors.refs().values()
    monitors.apply(mirror={"newest": 1})
    start_operator()
    status = monitors.wait("RefConflict", "RefsCurrent")
    assert condition(status, "Ready")["status"] == "True"
    [after] = monitors.refs().values()
    assert (after["spec"], after["metadata"].get("labels")) == (before["spec"], before["metadata"].get("labels"))


def test_a_quota_is_shown(monitors: Monitors, user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """With the API server's message."""
    add_backup(astra)
    hard = {"count/appbackuprefs.astra-mirror.io": "0"}
    user.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": hard}})
    user.kubectl("wait", "--for=jsonpath={.status.hard}", "resourcequota/q", "--timeout=60s")
    monitors.apply(mirror={"newest": 1})
    start_operator()
    status = monitors.wait("RefsRefused", "RefsCurrent")
    assert "exceeded quota" in condition(status, "RefsCurrent")["message"]


def test_without_the_role_for_refs(
    monitors: Monitors, installed: ControlPlane, astra: Simulator, start_operator: StartOperator
) -> None:
    """All but `mirror` works, and the condition names verb and resource."""
    add_backup(astra)
    installed.kubectl("delete", "clusterrolebinding", "astra-mirror-refs")
    try:
        monitors.apply(mirror={"newest": 1}, objectives=[{"name": "daily", "maxAge": "26h"}])
        start_operator()
        monitors.wait("ObjectivesMet")
        status = monitors.wait("RefsForbidden", "RefsCurrent")
        assert "create appbackuprefs" in condition(status, "RefsCurrent")["message"]
    finally:
        installed.kubectl("apply", "-k", "manifests/default")


def test_without_the_kind_the_refs_are_looked_after(
    user: User, installed: ControlPlane, astra: Simulator, start_operator: StartOperator
) -> None:
    """The operator is ready, and says once that monitors are not there."""
    user.secret_for(astra)
    installed.kubectl("delete", "crd", "appbackupmonitors.astra-mirror.io")
    try:
        user.ref("ref", add_backup(astra))
        operator = start_operator()
        user.wait("ref", "Ready")
        assert operator.log.count("AppBackupMonitors are not managed") == 1
        assert operator.http("/readyz")
    finally:
        installed.kubectl("apply", "-k", "manifests/default")
        installed.kubectl("wait", "--for=condition=Established", "crd/appbackupmonitors.astra-mirror.io")


def test_no_such_app(monitors: Monitors, astra: Simulator, start_operator: StartOperator) -> None:
    """By a 404 problem document on the list."""
    with astra.fault(APP_LIST, status=404):
        monitors.apply()
        start_operator()
        status = monitors.wait("AppNotFound")
        assert condition(status, "Synced")["status"] == "True"
    monitors.wait("ListObserved")


def test_a_list_that_is_not_complete(monitors: Monitors, astra: Simulator, start_operator: StartOperator) -> None:
    """Changes nothing but Synced."""
    add_backup(astra)
    add_backup(astra)
    monitors.apply()
    start_operator()
    monitors.wait("ListObserved")
    with astra.fault(APP_LIST, kind="list-continue"):
        status = monitors.wait("ListIncomplete", "Synced")
        assert (status["backups"]["total"], condition(status, "Ready")["reason"]) == (2, "ListObserved")


def test_a_name_is_at_most_63_characters(monitors: Monitors) -> None:
    """It becomes the value of a label."""
    with pytest.raises(KubectlError, match="at most 63 characters"):
        monitors.apply("a" * 64)
