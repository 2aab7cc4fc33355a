"""What somebody else writes into a status does not stand, whatever it is and whatever else goes on."""

import json
from typing import Any, Final

import pytest

from dev.faultproxy import FaultProxy
from dev.simulator import Simulator
from tests.cases.support import Tenant, raw_status, within
from tests.e2e.user import User, condition
from tests.operator_process import StartOperator


def _lie(user: User, name: str, status: Any) -> None:
    user.kubectl("patch", "abr", name, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))


def _without_times(status: dict[str, Any]) -> dict[str, Any]:
    conditions = [{**each, "lastTransitionTime": ""} for each in status.get("conditions", ())]
    return {**status, "conditions": conditions}


def _lies(right: dict[str, Any]) -> dict[str, Any]:
    """Each a merge patch of the status that says something else than `right`."""
    ready = condition(right, "Ready")
    others = [each for each in right["conditions"] if each["type"] != "Ready"]
    return {
        "wiped": dict.fromkeys(right),
        "state": {"state": "completed"},
        "progress": {"progress": {"percentDone": 99, "summary": "99% of nothing"}},
        "ready": {"conditions": [*others, {**ready, "status": "True", "reason": "BackupCompleted"}]},
        "message": {"conditions": [*others, {**ready, "message": "all is well"}]},
        "time": {"conditions": [*others, {**ready, "lastTransitionTime": "2001-01-01T00:00:00Z"}]},
        "of-another-type": {
            "conditions": [*right["conditions"], {**ready, "type": "example.com/Approved", "reason": "Lie"}]
        },
        "no-conditions": {"conditions": []},
        "generation": {"observedGeneration": 77},
        "more": {"stateUnready": ["a lie"], "hookState": "failed", "lastHandledReconcileAt": "never"},
    }


_KINDS: Final = ["wiped", "state", "progress", "ready", "message", "time", "of-another-type", "no-conditions"]


@pytest.mark.parametrize("kind", [*_KINDS, "generation", "more"])
def test_lies_in_a_status(user: User, astra: Simulator, start_operator: StartOperator, kind: str) -> None:
    """Row `kubectl patch --subresource=status with lies, or wiped`: right within 5 s, and no request."""
    user.secret_for(astra)
    user.ref("ref", astra.add_backup("stuck", seconds=0.001), interval="1h")
    start_operator()
    right = user.wait_reason("ref", "BackupInProgress")
    asked = len(astra.requests.matching())
    lie = _lies(right)[kind]
    _lie(user, "ref", lie)
    found = within(5, lambda: raw_status(user, "ref"), lambda seen: _without_times(seen) == _without_times(right))
    # An own time comes back as well, where the condition itself was there all the time.
    if kind in {"time", "message", "of-another-type"}:
        assert found == right
    assert len(astra.requests.matching()) == asked


def test_lies_while_a_backup_runs(user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """Row `kubectl patch --subresource=status with lies, or wiped`, three times a minute, while polls go on."""
    user.secret_for(astra)
    user.ref("ref", astra.add_backup("stuck", seconds=0.001))
    start_operator()
    right = user.wait_reason("ref", "BackupInProgress")
    for _ in range(3):
        _lie(user, "ref", dict.fromkeys(right))
        within(5, lambda: raw_status(user, "ref").get("state"), lambda state: state == "running")


def test_lies_beside_writes_that_are_never_answered(
    user: User, astra: Simulator, tenant: Tenant, proxy: FaultProxy, start_behind_proxy: StartOperator
) -> None:
    """Rows `PATCHes of one namespace never answered` and `with lies, or wiped` at once: another's are right in 5 s."""
    evil = tenant()
    for each, number in ((evil, 40), (user, 1)):
        each.secret_for(astra)
        for name in range(number):
            each.ref(f"ref-{name}", astra.add_backup("stuck", seconds=0.001), interval="1h")
    start_behind_proxy()
    for each in (evil, user):
        each.kubectl("wait", "--for=condition=Synced", "abr", "--all", "--timeout=60s")
    with proxy.fault(kind="hang", verb="patch", namespace=evil.namespace):
        for turn in range(3):
            for name in range(40):
                _lie(evil, f"ref-{name}", {"state": f"a lie {turn}"})
            _lie(user, "ref-0", {"state": "completed"})
            within(5, lambda: raw_status(user, "ref-0").get("state"), lambda state: state == "running")
