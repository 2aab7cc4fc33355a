"""A status that somebody has changed, a policy that refuses it, a restart over it: on the real control plane."""

import json
import time
from typing import Any

import pytest
import yaml

from dev.controlplane import ControlPlane, KubectlError
from dev.simulator import Simulator
from tests.e2e.user import User, condition
from tests.invariants import check_status
from tests.operator_process import StartOperator


def _patch(user: User, name: str, status: dict[str, Any]) -> None:
    body = json.dumps({"status": status})
    user.kubectl("patch", "abr", name, "--subresource=status", "--type=merge", "-p", body)


def _until_is(user: User, name: str, expected: dict[str, Any], *, seconds: float) -> float:
    """Watch until the status is that; the seconds it took.

    Raises:
        AssertionError: it was not, in the time.
    """
    start = time.monotonic()
    with user.watching(f"abr/{name}", seconds=seconds) as versions:
        last = None
        for version in versions:
            last = version["status"]
            if last == expected:
                return time.monotonic() - start
    raise AssertionError(f"{name} is {last} after {seconds}s")


LIES: dict[str, Any] = {
    "a state": {"state": "failed"},
    "everything": None,
    "fields": {"state": None, "progress": None, "conditions": [], "observedGeneration": 77},
}


@pytest.mark.parametrize("what", LIES)
def test_a_lie_is_put_right_within_seconds(
    user: User, astra: Simulator, start_operator: StartOperator, what: str
) -> None:
    """`kubectl patch --subresource=status`: right again within five seconds, and Astra Control is not asked for it."""
    user.secret_for(astra)
    user.ref("ref", astra.add_backup("completes", seconds=0))
    start_operator()
    user.wait("ref", "Ready")
    before = user.status("ref")
    astra.requests.clear()
    lie = LIES[what]
    _patch(user, "ref", dict.fromkeys(before) if lie is None else lie)
    assert _until_is(user, "ref", before, seconds=5) < 5
    assert not astra.requests.matching("*")


def test_a_condition_of_another_type_is_taken_out(user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """The status has one writer."""
    user.secret_for(astra)
    user.ref("ref", astra.add_backup("completes", seconds=0))
    start_operator()
    user.wait("ref", "Ready")
    before = user.status("ref")
    custom = {"type": "Custom", "status": "True", "reason": "Mine", "message": "m"}
    custom["lastTransitionTime"] = "2001-01-01T00:00:00Z"
    _patch(user, "ref", {"conditions": [*before["conditions"], custom]})
    assert _until_is(user, "ref", before, seconds=5) < 5


POLICY: list[dict[str, Any]] = [
    {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "need-owner"},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": ["astra-mirror.io"],
                        "apiVersions": ["*"],
                        "operations": ["UPDATE"],
                        "resources": ["appbackuprefs/status"],
                    }
                ]
            },
            "validations": [
                {
                    "expression": "has(object.metadata.labels) && 'owner' in object.metadata.labels",
                    "message": "needs the label owner",
                }
            ],
        },
    },
    {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "need-owner"},
        "spec": {"policyName": "need-owner", "validationActions": ["Deny"]},
    },
]


def _wait_for_policy(user: User) -> None:
    """A policy counts a moment after it was made."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            _patch(user, "probe", {"state": "x"})
        except KubectlError as error:
            if "needs the label owner" in str(error):
                return
            raise
    raise AssertionError("the policy does not count")


def test_a_policy_that_refuses_statuses(
    installed: ControlPlane, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """Its words are in the log, once; a label that is set later counts at once, also after some time."""
    user.secret_for(astra)
    user.ref("probe", astra.add_backup("completes", seconds=0))
    policy = yaml.safe_dump_all(POLICY)
    installed.kubectl("apply", "-f", "-", stdin=policy)
    try:
        _wait_for_policy(user)
        user.ref("ref", astra.add_backup("completes", seconds=0))
        operator = start_operator()
        operator.wait_for_log("needs the label owner")
        # Some refusals later the pause between two attempts is longer than what is waited for below.
        astra.requests.wait_for(1)
        with pytest.raises(KubectlError, match="timed out"):
            user.kubectl("wait", "--for=condition=Ready", "abr/ref", "--timeout=12s")
        user.kubectl("label", "abr", "ref", "owner=me")
        user.kubectl("wait", "--for=condition=Ready", "abr/ref", "--timeout=3s")
    finally:
        installed.kubectl("delete", "-f", "-", stdin=policy)
    lines = [line for line in operator.log.splitlines() if "needs the label owner" in line and user.namespace in line]
    assert len(lines) == 1
    user.wait("probe", "Ready")


def test_statuses_of_an_older_release_are_left_alone(
    user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """A status without a target is as good as one with it, when the operator starts; nothing is written."""
    user.secret_for(astra)
    user.ref("ref", astra.add_backup("completes", seconds=0))
    operator = start_operator("--settled-interval", "1s")
    user.wait("ref", "Ready")
    operator.stop()
    _patch(user, "ref", {"target": None})
    version = user.get("ref")["metadata"]["resourceVersion"]
    astra.requests.clear()
    start_operator("--settled-interval", "1s")
    astra.requests.wait_for(4)
    assert user.get("ref")["metadata"]["resourceVersion"] == version


def test_an_edit_of_the_interval_while_no_operator_runs(
    user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """It loses nothing of what was observed, also when Astra Control is away afterwards; another backup's ID does."""
    user.secret_for(astra)
    backup, other = astra.add_backup("completes", seconds=0), astra.add_backup("completes", seconds=0)
    user.ref("kept", backup)
    user.ref("edited", backup)
    operator = start_operator()
    user.kubectl("wait", "--for=condition=Ready", "abr", "--all", "--timeout=60s")
    operator.stop()
    user.ref("kept", backup, interval="2h")
    user.ref("edited", other)
    with astra.fault("*", status=503):
        start_operator()
        user.kubectl("wait", "--for=jsonpath={.status.observedGeneration}=2", "abr", "--all", "--timeout=60s")
        kept, edited = user.status("kept"), user.status("edited")
    assert kept["state"] == "completed"
    assert condition(kept, "Ready")["status"] == "True"
    assert condition(kept, "Synced")["reason"] == "ServerError"
    assert set(edited) == {"observedGeneration", "conditions"}
    check_status(edited)


def test_every_write_names_the_operator(user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """The field manager is astra-mirror, for the status and for Events, also of a name whose 200th letter is none."""
    user.secret_for(astra)
    name = f"{'a' * 199}-{'b' * 20}"
    user.ref(name, astra.add_backup("fails", seconds=0))
    start_operator()
    user.wait(name, "Finished")
    managed = json.loads(user.kubectl("get", "abr", name, "-o", "json", "--show-managed-fields"))["metadata"]
    managers = {each["manager"] for each in managed["managedFields"] if each.get("subresource") == "status"}
    assert managers == {"astra-mirror"}
    with user.watching("events.events.k8s.io") as events:
        event = next(each for each in events if each["regarding"]["name"] == name)
    assert event["reason"] == "BackupFailed"


def test_selectable_fields(user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """`--field-selector` finds refs by what they are about and by the backup's state."""
    user.secret_for(astra)
    done, other = astra.add_backup("completes", seconds=0), astra.add_backup("stuck", seconds=0.001)
    user.ref("done", done)
    user.ref("other", other)
    start_operator()
    user.wait("done", "Ready")
    user.wait_reason("other", "BackupInProgress")
    for selector, names in (
        ("status.state=completed", {"done"}),
        (f"spec.backupID={other.id}", {"other"}),
        (f"spec.appID={done.app},spec.accountID={done.account}", {"done", "other"}),
    ):
        found = user.kubectl("get", "abr", "-o", "name", f"--field-selector={selector}").split()
        assert {each.partition("/")[2] for each in found} == names, selector
