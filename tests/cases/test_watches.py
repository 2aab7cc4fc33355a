"""Watches that break, in each of the ways in which they do."""

import json
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from dev.controlplane import ControlPlane
from dev.faultproxy import FaultProxy
from dev.simulator import Simulator
from tests.cases.support import always, reasons, within
from tests.e2e.user import User
from tests.operator_process import Operator, StartOperator, run_operator

_REFS: Final = "*/appbackuprefs"
_SECRETS: Final = "*/secrets*"
_FAILURE: Final = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "broken"}


@pytest.mark.parametrize("path", [_REFS, _SECRETS], ids=["refs", "secrets"])
@pytest.mark.parametrize(
    "event",
    [
        {"type": "ERROR", "object": {**_FAILURE, "reason": "InternalError", "code": 500}},
        {"type": "ERROR", "object": {**_FAILURE, "reason": "Unauthorized", "code": 401}},
        {"type": "ERROR", "object": {**_FAILURE, "code": 500}},
        {"type": "ERROR", "object": {}},
        {"type": "ERROR", "object": {**_FAILURE, "reason": "Expired", "code": 410}},
    ],
    ids=["500", "401", "no-reason", "nothing", "410"],
)
def test_an_error_event_on_a_watch(
    user: User,
    astra: Simulator,
    proxy: FaultProxy,
    start_behind_proxy: StartOperator,
    path: str,
    event: dict[str, Any],
) -> None:
    """Row `an ERROR event other than 410 on the watch; one without reason`: retried, in the same process."""
    token = astra.add_token()
    user.secret(url=astra.url, token=token)
    user.ref("ref", astra.add_backup("stuck", seconds=0.001))
    operator = start_behind_proxy()
    user.wait_reason("ref", "BackupInProgress")
    with proxy.fault(kind="error-event", event=event, path=path, count=1) as fault:
        within(10, lambda: fault.count, lambda count: count == 0)
    # What both watches have to bring is brought: a new ref, and a new Secret.
    user.ref("new", astra.add_backup("completes", seconds=0))
    astra.revoke(token)
    user.secret_for(astra)
    user.wait("new", "Ready")
    user.wait("ref", "Synced")
    assert operator.is_running
    assert "Traceback" not in operator.log


def test_a_page_in_place_of_the_resources(
    user: User, astra: Simulator, proxy: FaultProxy, start_behind_proxy: StartOperator
) -> None:
    """Kopf asks for the resources before it watches; a proxy in between answers: that is logged without credentials."""
    user.secret_for(astra)
    operator = start_behind_proxy()
    page = {"kind": "status", "status": 200, "body": b"", "headers": {"Content-Type": "text/plain"}}
    end = {"kind": "error-event", "event": {"type": "ERROR", "object": {}}, "count": 1}
    with proxy.fault(path="/api", **page), proxy.fault(path="/apis", **page), proxy.fault(path=_REFS, **end):
        within(20, lambda: operator.log, lambda log: "starts anew: ContentTypeError: 200, message=" in log)
    user.ref("ref", astra.add_backup("completes", seconds=0))
    user.wait("ref", "Ready")
    assert operator.log.count("starts anew: ContentTypeError") == 1, "for however long it lasts"
    assert [text for text in ("Bearer", "Authorization", "Traceback", "never retrieved") if text in operator.log] == []


@pytest.mark.minutes
@pytest.mark.parametrize(("kind", "seconds"), [("dead", 65), ("silent", 95)])
def test_a_dead_watch(
    user: User, astra: Simulator, proxy: FaultProxy, start_behind_proxy: StartOperator, kind: str, seconds: float
) -> None:
    """Row `a Secrets watch whose connection is dead without FIN`: noticed within 60 s; a frozen server within 90 s."""
    token = astra.add_token()
    user.secret(url=astra.url, token=token)
    user.ref("ref", astra.add_backup("stuck", seconds=0.001))
    start_behind_proxy()
    user.wait_reason("ref", "BackupInProgress")
    with proxy.fault(kind=kind, open_only=True):
        user.ref("new", astra.add_backup("completes", seconds=0), secretRef={"name": "astra-control"})
        astra.revoke(token)
        user.secret_for(astra)

        def seen() -> dict[str, str]:
            found = json.loads(user.kubectl("get", "abr", "-o", "json"))["items"]
            return {
                each["metadata"]["name"]: condition["status"]
                for each in found
                for condition in each["status"].get("conditions", ())
                if condition["type"] == "Synced"
            }

        within(seconds, seen, lambda found: found == {"ref": "True", "new": "True"})


def _refs(operator: Operator) -> int:
    """How many refs the operator knows."""
    lines = [line for line in operator.http("/metrics").splitlines() if line.startswith("astra_mirror_refs{")]
    return sum(round(float(line.rpartition(" ")[2])) for line in lines)


@pytest.mark.minutes
def test_a_watch_that_swallows_events(
    user: User, astra: Simulator, proxy: FaultProxy, start_behind_proxy: StartOperator
) -> None:
    """Row `a 404 page not found`, its end: the periodic list adds what is missing, and drops what is gone."""
    user.secret_for(astra)
    for name in ("stays", "goes"):
        user.ref(name, astra.add_backup("completes", seconds=0))
    operator = start_behind_proxy("--namespace", user.namespace)
    user.kubectl("wait", "--for=condition=Ready", "abr", "--all", "--timeout=60s")
    assert _refs(operator) == 2
    with proxy.fault(kind="swallow", path=_REFS):
        user.kubectl("delete", "abr", "goes")
        for name in ("new", "newer"):
            user.ref(name, astra.add_backup("completes", seconds=0))
        user.kubectl("wait", "--for=condition=Ready", "abr", "--all", "--timeout=330s")
        within(60, lambda: _refs(operator), lambda number: number == 3)


@pytest.mark.minutes
def test_a_watch_on_secrets_that_swallows_events(
    user: User, astra: Simulator, proxy: FaultProxy, start_behind_proxy: StartOperator
) -> None:
    """Row `a 404 page not found`, a sibling: Secrets are listed anew as well."""
    user.secret_for(astra)
    user.ref("ref", astra.add_backup("completes", seconds=0))
    start_behind_proxy("--namespace", user.namespace)
    user.wait_reason("ref", "BackupCompleted")
    with proxy.fault(kind="swallow", path="*/secrets*"):
        user.secret(url=astra.url, token="a-token-that-nobody-knows")
        user.kubectl("wait", "--for=condition=Synced=False", "abr/ref", "--timeout=330s")
    within(5, lambda: reasons(user, "Synced")["ref"], lambda seen: seen == "Unauthorized")


@pytest.fixture
def no_watch(installed: ControlPlane) -> Iterator[tuple[Path, str]]:
    """An account with all rights of the shipped role except `watch` on refs: its kubeconfig, and what grants that."""
    role = json.loads(installed.kubectl("get", "clusterrole", "astra-mirror", "-o", "json"))
    name = "test-no-watch"
    rules = [
        {**rule, "verbs": [verb for verb in rule["verbs"] if verb != "watch"]}
        if "appbackuprefs" in rule["resources"]
        else rule
        for rule in role["rules"]
    ]
    version = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    subject = {"kind": "ServiceAccount", "name": name, "namespace": "default"}
    metadata = {"name": name}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {**metadata, "namespace": "default"}}
    without = {**version, "kind": "ClusterRole", "metadata": metadata, "rules": rules}
    binding = {
        **version,
        "kind": "ClusterRoleBinding",
        "metadata": metadata,
        "roleRef": reference,
        "subjects": [subject],
    }
    installed.kubectl("apply", "-f", "-", stdin="\n---\n".join(map(json.dumps, (account, without, binding))))
    yield installed.kubeconfig_for("default", name), json.dumps({**without, "rules": role["rules"]})
    installed.kubectl("delete", "clusterrole,clusterrolebinding", name)
    installed.kubectl("delete", "serviceaccount", name, "--namespace=default")


def _readyz(operator: Operator) -> int:
    try:
        operator.http("/readyz")
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    return 200


def test_a_role_without_watch(installed: ControlPlane, no_watch: tuple[Path, str]) -> None:
    """Row `a role without watch`: not ready until the first list and watch, and healthy all the time."""
    kubeconfig, with_watch = no_watch
    operator = run_operator(kubeconfig)
    try:
        operator.http("/healthz")
        always(6, lambda: _readyz(operator), lambda status: status == 503)
        installed.kubectl("apply", "-f", "-", stdin=with_watch)
        within(60, lambda: _readyz(operator), lambda status: status == 200)
    finally:
        operator.stop()
