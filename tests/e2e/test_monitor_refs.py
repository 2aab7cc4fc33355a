"""The refs of monitors on the real API server: what is the user's, who owns what, and what the API server refuses."""

import json
import threading
from functools import partial

import yaml

from dev.controlplane import ControlPlane
from dev.simulator import Simulator
from tests.e2e.monitors import OPERATOR, Monitors, add_backup, until
from tests.e2e.test_faults import frozen
from tests.e2e.user import User, condition
from tests.operator_process import StartOperator


def _edit(user: User, name: str, patch: object) -> None:
    user.kubectl("patch", "abr", name, "--type=merge", "-p", json.dumps(patch))


def _uid(monitors: Monitors, name: str) -> str | None:
    ref = monitors.refs().get(name)
    return None if ref is None else str(ref["metadata"]["uid"])


def _is_another(monitors: Monitors, name: str, before: str | None) -> bool:
    return _uid(monitors, name) not in {None, before}


def test_what_is_the_users_stays(
    monitors: Monitors, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """Labels, annotations and fields that the monitor does not give, while those that it gives are set back."""
    add_backup(astra)
    monitors.apply(mirror={"newest": 1, "readyWhen": "Observed", "labels": {"team": "shop"}})
    start_operator()
    monitors.wait("RefsCurrent", "RefsCurrent")
    [name] = monitors.refs()
    mine = {"metadata": {"labels": {"mine": "x", "team": None}, "annotations": {"a": "b"}}}
    _edit(user, name, {**mine, "spec": {"suspend": True, "readyWhen": "Completed"}})
    until(lambda: monitors.refs()[name]["spec"]["readyWhen"] == "Observed", 10)
    until(lambda: monitors.refs()[name]["metadata"]["labels"].get("team") == "shop", 10)
    ref = monitors.refs()[name]
    assert ref["spec"]["suspend"] is True
    assert (ref["metadata"]["labels"]["mine"], ref["metadata"]["annotations"]["a"]) == ("x", "b")
    [owner] = ref["metadata"]["ownerReferences"]
    assert (owner["controller"], owner["blockOwnerDeletion"], owner["name"]) == (True, False, "shop")


def test_deleting_the_monitor_leaves_its_refs_to_the_garbage_collector(
    monitors: Monitors, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """Also while no operator runs."""
    for hours in (1, 2, 3):
        add_backup(astra, hours=hours)
    monitors.apply(mirror={"newest": 3})
    operator = start_operator()
    monitors.wait("RefsCurrent", "RefsCurrent")
    assert operator.stop() == 0
    user.kubectl("delete", "abm", "shop", "--timeout=10s")
    until(lambda: monitors.refs() == {}, 60)


def test_orphans_are_hand_made_from_then_on(
    monitors: Monitors, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """A monitor of the same name that comes later finds its names taken."""
    add_backup(astra)
    monitors.apply(mirror={"newest": 1})
    start_operator()
    monitors.wait("RefsCurrent", "RefsCurrent")
    user.kubectl("delete", "abm", "shop", "--cascade=orphan")
    until(lambda: all("ownerReferences" not in each["metadata"] for each in monitors.refs().values()))
    monitors.apply(mirror={"newest": 1})
    message = condition(monitors.wait("RefConflict", "RefsCurrent"), "RefsCurrent")["message"]
    assert "belongs to no monitor" in message
    assert len(monitors.refs()) == 1


def test_a_finalizer(monitors: Monitors, user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """Neither existing nor in conflict: pending, and made again when it is gone."""
    add_backup(astra)
    monitors.apply(mirror={"newest": 1})
    start_operator()
    monitors.wait("RefsCurrent", "RefsCurrent")
    [(name, before)] = monitors.refs().items()
    _edit(user, name, {"metadata": {"finalizers": ["example.com/wait"]}})
    user.kubectl("delete", "abr", name, "--wait=false")
    assert monitors.wait("RefsPending", "RefsCurrent")["refs"] == {"wanted": 1, "existing": 0}
    _edit(user, name, {"metadata": {"finalizers": None}})
    monitors.wait("RefsCurrent", "RefsCurrent")
    assert monitors.refs()[name]["metadata"]["uid"] != before["metadata"]["uid"]


def test_a_third_deletion_waits_for_the_next_list(
    monitors: Monitors, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """Twice it is made again within seconds, without a request for it."""
    add_backup(astra)
    monitors.apply(mirror={"newest": 1}, interval="1h")
    start_operator("--settled-interval", "1h")
    monitors.wait("RefsCurrent", "RefsCurrent")
    [name] = monitors.refs()
    for _ in range(2):
        before = _uid(monitors, name)
        user.kubectl("delete", "abr", name)
        until(partial(_is_another, monitors, name, before), 10)
    user.kubectl("delete", "abr", name)
    monitors.wait("RefsPending", "RefsCurrent")
    assert monitors.refs() == {}
    user.kubectl("annotate", "abm", "shop", "astra-mirror.io/requestedAt=now")
    until(lambda: name in monitors.refs(), 20)


def test_a_renamed_backup_keeps_its_ref(monitors: Monitors, astra: Simulator, start_operator: StartOperator) -> None:
    """Matched by its ID."""
    backup = add_backup(astra)
    monitors.apply(mirror={"newest": 1})
    start_operator()
    monitors.wait("RefsCurrent", "RefsCurrent")
    [before] = monitors.refs().values()
    backup.set(name="another name")
    until(lambda: monitors.status()["newest"]["name"] == "another name", 30)
    # A second backup has its ref made in the same round, or a later one.
    other = add_backup(astra, hours=1)
    monitors.apply(mirror={"newest": 2})
    until(lambda: other.id in {each["spec"]["backupID"] for each in monitors.refs().values()}, 30)
    after = {each["spec"]["backupID"]: each["metadata"] for each in monitors.refs().values()}
    assert after.keys() == {backup.id, other.id}
    assert after[backup.id]["uid"] == before["metadata"]["uid"]


def test_no_ref_goes_while_its_backup_is_under_way(
    monitors: Monitors, astra: Simulator, start_operator: StartOperator
) -> None:
    """Though it is not among the newest any more, and `mirror` is taken out."""
    old = add_backup(astra, "running", hours=1)
    monitors.apply(mirror={"newest": 1, "interval": "1s"})
    start_operator("--interval", "1s")
    monitors.wait("RefsCurrent", "RefsCurrent")
    add_backup(astra, minutes=1)
    monitors.wait("RefsPending", "RefsCurrent")
    monitors.apply()
    until(lambda: [each["spec"]["backupID"] for each in monitors.refs().values()] == [old.id], 30)
    threading.Event().wait(15)
    assert len(monitors.refs()) == 1
    old.set(state="completed")
    until(lambda: monitors.refs() == {}, 60)
    until(lambda: all(each["type"] != "RefsCurrent" for each in monitors.status()["conditions"]), 10)


POLICY = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-monitored-refs}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
      - {apiGroups: [astra-mirror.io], apiVersions: ["*"], operations: [CREATE], resources: [appbackuprefs]}
  validations:
    - {expression: "!has(object.metadata.ownerReferences)", message: refs of monitors are not welcome}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: no-monitored-refs}
spec:
  policyName: no-monitored-refs
  validationActions: [Deny]
  matchResources: {namespaceSelector: {matchLabels: LABELS}}
"""


def test_a_policy_that_refuses_refs(
    monitors: Monitors, installed: ControlPlane, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """RefsRefused has the API server's message, with an Event; when it is lifted, they are made with a later list."""
    label = {"kubernetes.io/metadata.name": user.namespace}
    policy = POLICY.replace("LABELS", json.dumps(label))
    installed.kubectl("apply", "-f", "-", stdin=policy)
    try:
        threading.Event().wait(5)
        add_backup(astra)
        monitors.apply(mirror={"newest": 1})
        start_operator()
        status = monitors.wait("RefsRefused", "RefsCurrent")
        assert "refs of monitors are not welcome" in condition(status, "RefsCurrent")["message"]
        assert condition(status, "Ready")["status"] == "True"
        events = yaml.safe_load(user.kubectl("get", "events.events.k8s.io", "-o", "yaml"))["items"]
        assert "RefsRefused" in {each["reason"] for each in events}
    finally:
        installed.kubectl("delete", "-f", "-", stdin=policy)
    monitors.wait("RefsCurrent", "RefsCurrent")


def test_a_namespace_that_terminates(
    monitors: Monitors, installed: ControlPlane, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """Nothing is written into it once its refs go, and nothing logged of it."""
    for hours in range(1, 6):
        add_backup(astra, hours=hours)
    monitors.apply(mirror={"newest": 5}, interval="1h")
    operator = start_operator("--log-format", "json")
    monitors.wait("RefsCurrent", "RefsCurrent")

    def made() -> list[int]:
        return [
            each["responseStatus"]["code"]
            for each in installed.audit_events(of=OPERATOR)
            if each["verb"] == "create"
            and each["objectRef"]["resource"] == "appbackuprefs"
            and each["objectRef"].get("namespace") == user.namespace
        ]

    # Otherwise the monitor is gone before the operator tries to make the ref again.
    with frozen(installed, "kube-controller-manager"):
        user.kubectl("delete", "namespace", user.namespace, "--wait=false")
        user.kubectl("delete", "abr", next(iter(monitors.refs())))
        until(lambda: len(made()) > 5, 10)
        threading.Event().wait(6)
        # It is refused, and is not tried again.
        assert made() == [201] * 5 + [403]
        assert condition(monitors.status(), "RefsCurrent")["reason"] == "RefsCurrent"
    user.kubectl("wait", "--for=delete", f"namespace/{user.namespace}", "--timeout=60s")
    logged = [line for line in map(json.loads, operator.log.splitlines()) if line["level"] not in {"DEBUG", "INFO"}]
    assert [line for line in logged if user.namespace in str(line) or line["level"] == "ERROR"] == []
