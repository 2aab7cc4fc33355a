"""A status is right, whatever the API server does to the writes."""

import json
import time
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from dev.controlplane import ControlPlane, KubectlError
from dev.faultproxy import FaultProxy
from dev.simulator import Backup, Simulator
from dev.simulator.model import Document, Life, document
from tests.cases.support import Tenant, raw_status, reason, reasons, within
from tests.e2e.user import User
from tests.operator_process import StartOperator

_STATUS: Final = "*/appbackuprefs/*/status"
_POLICY: Final = Path(__file__).parent / "inputs" / "policy.yaml"


_VERSION: Final = "jsonpath={.metadata.resourceVersion}"


def test_a_404_that_is_no_status(
    user: User, astra: Simulator, proxy: FaultProxy, start_behind_proxy: StartOperator
) -> None:
    """Row `a 404 page not found to a status PATCH for 3 s`: the ref is there, and is looked after."""
    user.secret_for(astra)
    backup = astra.add_backup("stuck", seconds=0.001)
    user.ref("ref", backup)
    start_behind_proxy()
    user.wait_reason("ref", "BackupInProgress")
    fault = {"kind": "status", "verb": "patch", "path": _STATUS, "status": 404, "body": b"404 page not found\n"}
    with proxy.fault(**fault):
        backup.set(state="completed", percentDone=100)
        proxy.requests.clear()
        # An object that was taken for gone would not be written again.
        proxy.requests.wait_for(3, verb="patch", path=_STATUS)
    within(20, lambda: reasons(user, "Ready")["ref"], lambda seen: seen == "BackupCompleted")


@pytest.mark.parametrize(
    "details",
    [
        {"name": "another", "group": "astra-mirror.io", "kind": "appbackuprefs"},
        {"name": "ref", "group": "apiextensions.k8s.io", "kind": "customresourcedefinitions"},
        None,
    ],
    ids=["another-object", "another-kind", "no-details"],
)
def test_a_not_found_that_is_about_something_else(
    user: User,
    astra: Simulator,
    proxy: FaultProxy,
    start_behind_proxy: StartOperator,
    details: dict[str, str] | None,
) -> None:
    """Row `a 404 page not found`, its siblings: a Status that says NotFound, but not of this object, or is not true."""
    user.secret_for(astra)
    backup = astra.add_backup("stuck", seconds=0.001)
    user.ref("ref", backup)
    start_behind_proxy()
    user.wait_reason("ref", "BackupInProgress")
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
    document = json.dumps({**body, "details": details} if details else body).encode()
    headers = {"Content-Type": "application/json"}
    fault = {"verb": "patch", "path": _STATUS, "status": 404, "body": document, "headers": headers}
    with proxy.fault(kind="status", count=2, **fault):
        backup.set(state="completed", percentDone=100)
        within(20, lambda: reasons(user, "Ready")["ref"], lambda seen: seen == "BackupCompleted")


def _policy_is_in_force(user: User) -> None:
    def refused() -> str:
        try:
            patch = ("--subresource=status", "--type=merge", "--dry-run=server", "-p", '{"status":{"state":"x"}}')
            return user.kubectl("patch", "abr", "probe", *patch)
        except KubectlError as error:
            return str(error)

    within(30, refused, lambda seen: "an owner has to be named" in seen)


def test_a_policy_that_refuses_the_write(
    installed: ControlPlane, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """Row `policy.yaml`, label added later: written when the object changes; the log has the policy's words.

    The other one is written with the backoff, which has not grown far when the policy goes.
    """
    policy = _POLICY.read_text().replace("{namespace}", user.namespace)
    user.secret_for(astra)
    operator = start_operator()
    try:
        installed.kubectl("apply", "-f", "-", stdin=policy)
        user.ref("probe", astra.add_backup("stuck", seconds=0.001), suspend=True)
        _policy_is_in_force(user)
        user.ref("ref", astra.add_backup("stuck", seconds=0.001))
        user.ref("other", astra.add_backup("completes", seconds=0))
        operator.wait_for_log("an owner has to be named by a label")
        astra.requests.clear()
        astra.requests.wait_for(5)
        assert raw_status(user, "ref").get("state") is None
        user.kubectl("label", "abr", "ref", "owner=me")
        within(5, lambda: raw_status(user, "ref").get("state"), lambda state: state == "running")
        lines = [line for line in operator.log.splitlines() if "an owner has to be named" in line]
        assert len(lines) <= 2, "one line for each namespace and reason"
    finally:
        installed.kubectl("delete", "-f", "-", stdin=policy)
    within(65, lambda: reasons(user, "Ready")["other"], lambda seen: seen == "BackupCompleted")


def test_an_api_server_that_is_away(
    installed: ControlPlane, user: User, astra: Simulator, proxy: FaultProxy, start_behind_proxy: StartOperator
) -> None:
    """Row `API server away for 10 s`: all right 5 s after its return; one write an object at a time.

    A little longer, so that a backoff that doubles from a second (0, 1, 3, 7, 15, 31) has just missed its return.
    """
    user.secret_for(astra)
    backups = [astra.add_backup("stuck", seconds=0.001) for _ in range(20)]
    for number, backup in enumerate(backups):
        user.ref(f"ref-{number}", backup)
    start_behind_proxy("--settled-interval", "1s")
    user.kubectl("wait", "--for=condition=Synced", "abr", "--all", "--timeout=60s")
    proxy.requests.clear()
    installed.stop_apiserver()
    try:
        for backup in backups:
            backup.set(state="completed", percentDone=100)
        time.sleep(14)
        for backup in backups[::2]:
            backup.set(state="removed")
        # The operator knows it before the API server is back: what is judged is the writing.
        astra.requests.clear()
        astra.requests.wait_for(2)
    finally:
        installed.start_apiserver()
    right = {f"ref-{each}": "BackupRemoved" if each % 2 == 0 else "BackupCompleted" for each in range(20)}
    within(5, lambda: reasons(user, "Ready"), lambda seen: seen == right)
    _assert_one_at_a_time(proxy)


def test_one_write_an_object_at_a_time(
    user: User, astra: Simulator, proxy: FaultProxy, start_behind_proxy: StartOperator
) -> None:
    """Row `API server away for 10 s`, its second half, with PATCHes that take longer than a poll's interval."""
    user.secret_for(astra)
    backup = astra.add_backup("completes", seconds=20)
    user.ref("ref", backup)
    start_behind_proxy()
    user.wait_reason("ref", "BackupInProgress")
    with proxy.fault(latency=2.5, verb="patch", path=_STATUS):
        proxy.requests.clear()
        proxy.requests.wait_for(4, verb="patch", path=_STATUS)
    _assert_one_at_a_time(proxy)


def _assert_one_at_a_time(proxy: FaultProxy) -> None:
    writes = proxy.requests.matching(verb="patch", path=_STATUS)
    assert writes
    for path in {each.path for each in writes}:
        of_object = [each for each in writes if each.path == path]
        for before, after in pairwise(of_object):
            assert before.ended is not None
            assert before.ended <= after.at, "two writes of one object at once"


def test_writes_of_one_namespace_that_are_never_answered(
    user: User, astra: Simulator, tenant: Tenant, proxy: FaultProxy, start_behind_proxy: StartOperator
) -> None:
    """Row `PATCHes of one namespace never answered`: another one's changes show at most 1 s later than without."""
    evil = tenant()
    for each in (user, evil):
        each.secret_for(astra)
    backup = astra.add_backup("stuck", seconds=0.001)
    user.ref("victim", backup)
    for number in range(60):
        evil.ref(f"ref-{number}", astra.add_backup(_always_another))
    start_behind_proxy()
    user.wait_reason("victim", "BackupInProgress")
    before = max(_write_delay(user, proxy, backup, percent) for percent in (50, 51, 52))
    with proxy.fault(kind="hang", verb="patch", namespace=evil.namespace):
        proxy.requests.clear()
        proxy.requests.wait_for(4, verb="patch", namespace=evil.namespace)
        # Long enough for as many to be under way as the operator allows.
        time.sleep(2)
        for percent in (60, 61, 62):
            assert _write_delay(user, proxy, backup, percent) <= before + 1


def _always_another(life: Life, age: float) -> Document:
    """A running backup whose progress is another one at each look."""
    return document(life, "running", percentDone=int(age * 7) % 100)


def _write_delay(user: User, proxy: FaultProxy, backup: Backup, percent: int) -> float:
    """The seconds from a change in Astra Control to its write; a poll's interval is a part of it."""
    begun = time.time()
    known = len(proxy.requests.matching(verb="patch", namespace=user.namespace, path=_STATUS))
    backup.set(percentDone=percent)
    writes = proxy.requests.wait_for(known + 1, verb="patch", namespace=user.namespace, path=_STATUS, seconds=120)
    within(10, lambda: raw_status(user, "victim")["progress"]["percentDone"], lambda seen: seen == percent)
    return writes[known].at - begun


def test_two_operators_without_election(
    installed: ControlPlane, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """Row `two operators without election`: derived values do not move when the observation is the same."""
    user.secret_for(astra)
    backup = astra.add_backup("stuck", seconds=0.001)
    backup.set(bytesDone=1_000_000_000)
    user.ref("ref", backup)
    start_operator()
    start_operator()
    user.wait_reason("ref", "BackupInProgress")
    for number in range(2, 6):
        time.sleep(1.3)
        backup.set(bytesDone=number * 300_000_000 + 700_000_000)
    total = 5 * 300_000_000 + 700_000_000
    within(10, lambda: raw_status(user, "ref")["progress"]["bytesDone"], lambda seen: seen == total)
    # Both have seen it now; from here on nobody learns anything new.
    astra.requests.clear()
    astra.requests.wait_for(6)
    versions = {installed.kubectl("get", "abr", "ref", f"--namespace={user.namespace}", "-o", _VERSION)}
    astra.requests.clear()
    astra.requests.wait_for(10)
    versions.add(installed.kubectl("get", "abr", "ref", f"--namespace={user.namespace}", "-o", _VERSION))
    assert len(versions) == 1, "written, though nothing was learned"
    assert reason(raw_status(user, "ref"), "Ready") == "BackupInProgress"
