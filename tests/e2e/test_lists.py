"""Refs share their requests, and whatever goes wrong with a list, each ref's status is right."""

from dataclasses import replace

import pytest

from dev.simulator import Backup, Simulator
from dev.simulator.model import uuid_of
from dev.simulator.store import Fault, FaultKind
from tests.e2e.user import User, condition
from tests.operator_process import StartOperator

SINGLE = "/accounts/*/k8s/v1/apps/*/appBackups/*"
APP_LIST = "/accounts/*/k8s/v1/apps/*/appBackups"
ACCOUNT_LIST = "/accounts/*/topology/v1/appBackups"


def _running(astra: Simulator, number: int, app: str | None = None) -> list[Backup]:
    return [astra.add_backup("stuck", seconds=0.001, app=app or astra.app) for _ in range(number)]


def _refs(user: User, backups: list[Backup]) -> None:
    for number, backup in enumerate(backups):
        user.ref(f"{backup.app[:4]}-{number}", backup)


def _settle(user: User, astra: Simulator) -> None:
    """Wait until all are observed and polled together."""
    user.kubectl("wait", "--for=condition=Synced", "abr", "--all", "--timeout=60s")
    astra.requests.clear()
    astra.requests.wait_for(3)
    astra.requests.clear()


def test_the_refs_of_an_app_cost_one_request_a_round(
    user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """The app's list, and not one request more; what it says reaches each status."""
    user.secret_for(astra)
    backups = _running(astra, 20)
    _refs(user, backups)
    start_operator()
    _settle(user, astra)
    requests = astra.requests.wait_for(4)
    assert {each.path for each in requests} == {f"/accounts/{astra.account}/k8s/v1/apps/{astra.app}/appBackups"}
    for backup in backups:
        backup.set(state="completed", percentDone=100)
    user.kubectl("wait", "--for=condition=Succeeded", "abr", "--all", "--timeout=60s")
    assert not astra.requests.matching(SINGLE)


def test_the_refs_of_many_apps_cost_one_request_a_round(
    user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """The account's list, once each ref's app is known to be the right one."""
    user.secret_for(astra)
    backups = [each for app in range(8) for each in _running(astra, 2, uuid_of(f"app {app}"))]
    _refs(user, backups)
    start_operator()
    user.kubectl("wait", "--for=condition=Synced", "abr", "--all", "--timeout=60s")
    astra.requests.wait_for(3, ACCOUNT_LIST)
    backups[3].set(state="completed", percentDone=100)
    user.wait(f"{backups[3].app[:4]}-3", "Succeeded")


def test_an_accounts_list_does_not_vouch_for_the_app(
    user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """A ref to another app's backup is told that there is no such backup, whatever the account's list has."""
    user.secret_for(astra)
    backups = [each for app in range(8) for each in _running(astra, 2, uuid_of(f"app {app}"))]
    _refs(user, backups)
    user.ref("wrong", replace(backups[0], app=backups[2].app))
    start_operator("--settled-interval", "1s")
    user.wait_reason("wrong", "BackupNotFound")
    astra.requests.clear()
    astra.requests.wait_for(3, ACCOUNT_LIST)
    astra.requests.wait_for(3, f"*/{backups[2].app}/appBackups/{backups[0].id}")
    assert condition(user.status("wrong"), "Ready")["reason"] == "BackupNotFound"


@pytest.mark.parametrize("fault", ["list-null", "list-twice", "list-short", "list-arrays", "list-continue", "truncate"])
def test_a_bad_list_costs_a_request_each(
    user: User, astra: Simulator, start_operator: StartOperator, fault: FaultKind
) -> None:
    """What the list lacks, or says twice, comes from the single requests; nothing is ever taken as not found."""
    user.secret_for(astra)
    backups = _running(astra, 4)
    _refs(user, backups)
    astra.add_fault(Fault(APP_LIST, kind=fault))
    start_operator()
    user.kubectl("wait", "--for=condition=Synced", "abr", "--all", "--timeout=60s")
    for backup in backups:
        backup.set(state="completed", percentDone=100)
    user.kubectl("wait", "--for=condition=Succeeded", "abr", "--all", "--timeout=60s")


@pytest.mark.parametrize(
    ("status", "times"),
    [(400, 1), (401, 1), (403, 1), (404, 1), (405, 1), (418, 1), (429, 1), (500, 2), (503, 2)],
)
def test_a_refused_list_is_remembered(
    user: User, astra: Simulator, start_operator: StartOperator, status: int, times: int
) -> None:
    """It is asked for once, or twice when it was perhaps the server's fault, and each backup by itself from then on.

    No status shows that anything was wrong.
    """
    user.secret_for(astra)
    _refs(user, _running(astra, 4))
    astra.add_fault(Fault("*/appBackups", status=status))
    start_operator()
    user.kubectl("wait", "--for=condition=Synced", "abr", "--all", "--timeout=60s")
    astra.requests.wait_for(12, SINGLE)
    assert len(astra.requests.matching(APP_LIST)) == times


def test_a_list_that_broke_once_is_asked_for_again(user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """A connection may break at any time: that is no reason to ask for each backup by itself for long."""
    user.secret_for(astra)
    _refs(user, _running(astra, 4))
    start_operator()
    _settle(user, astra)
    fault = astra.add_fault(Fault(APP_LIST, kind="truncate", count=1))
    astra.requests.wait_for(4, APP_LIST)
    assert fault.count == 0
    assert len(astra.requests.matching(SINGLE)) == 1
    assert condition(user.status(f"{astra.app[:4]}-0"), "Synced")["status"] == "True"


@pytest.mark.parametrize("status", [401, 403, 429, 503])
def test_a_list_with_a_retry_after_holds_nobody_up(
    user: User, astra: Simulator, start_operator: StartOperator, status: int
) -> None:
    """Whatever it asks for concerns that list: each ref stays Synced and is polled at its own pace."""
    user.secret_for(astra)
    backups = _running(astra, 4)
    _refs(user, backups)
    start_operator()
    user.kubectl("wait", "--for=condition=Synced", "abr", "--all", "--timeout=60s")
    astra.add_fault(Fault("*/appBackups", status=status, headers={"Retry-After": "3600"}))
    astra.requests.clear()
    with user.watching("abr", seconds=60) as versions:
        astra.requests.wait_for(40, SINGLE)
        user.ref("last", backups[0])
        for version in versions:
            if version["status"]["observedGeneration"] > 0:
                assert condition(version["status"], "Synced")["status"] != "False"
            if version["metadata"]["name"] == "last" and version["status"].get("state"):
                break
    assert len(astra.requests.matching(APP_LIST)) <= 2
