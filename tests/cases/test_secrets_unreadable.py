"""Row `GET secrets answers 500 from the start on`: what cannot be read is said, and nothing old passes for new."""

import time
from functools import partial

from dev.faultproxy import FaultProxy
from dev.simulator import Simulator
from tests.cases.support import raw_status, reason, synced_within, within
from tests.e2e.user import User, condition
from tests.operator_process import StartOperator

_SECRETS = "*/secrets*"
_STARTED = "Serving HTTP on"
"""What the operator logs before it watches: from then on it is asked to be in time, however long the start took."""
_OBSERVED = {"state", "progress", "backup", "hookState", "stateUnready", "target"}


def test_a_new_object_without_a_readable_secret(
    user: User, astra: Simulator, proxy: FaultProxy, start_behind_proxy: StartOperator
) -> None:
    """NotObserved at first, with all conditions; SecretUnreadable after 10 s; right once Secrets can be read."""
    user.secret_for(astra)
    user.ref("ref", astra.add_backup("completes", seconds=0))
    with proxy.fault(kind="status", status=500, path=_SECRETS):
        start_behind_proxy().wait_for_log(_STARTED)
        begun = time.monotonic()
        synced_within(user, "ref", "NotObserved", 8)
        synced = synced_within(user, "ref", "SecretUnreadable", 20)
        assert time.monotonic() - begun >= 8
        assert synced["status"] == "False"
        status = raw_status(user, "ref")
        assert condition(status, "Ready")["status"] == "False"
        assert reason(status, "Ready") == "SecretUnreadable"
        assert condition(status, "Reconciling")["status"] == "True"
        assert not reason(status, "Stalled")
    user.wait("ref", "Ready")


def test_old_statuses_without_a_readable_secret(
    user: User, astra: Simulator, proxy: FaultProxy, start_behind_proxy: StartOperator
) -> None:
    """The old observation stands, not Synced, and grows stale as with any failure."""
    user.secret_for(astra)
    user.ref("old", astra.add_backup("completes", seconds=0))
    operator = start_behind_proxy()
    user.wait("old", "Ready")
    assert operator.stop() == 0
    with proxy.fault(kind="status", status=500, path=_SECRETS):
        # The interval in force has a part in it, which for a completed backup is the settled one.
        start_behind_proxy("--stale-after", "18s", "--settled-interval", "1s").wait_for_log(_STARTED)
        synced_within(user, "old", "SecretUnreadable", 17)
        assert raw_status(user, "old")["state"] == "completed"
        assert reason(raw_status(user, "old"), "Ready") == "BackupCompleted"
        stale = within(15, lambda: raw_status(user, "old"), lambda s: reason(s, "Ready") == "ObservationStale")
        assert condition(stale, "Ready")["status"] == "Unknown"
    user.wait("old", "Ready")


def test_an_edited_ref_without_a_readable_secret(
    user: User, astra: Simulator, proxy: FaultProxy, start_behind_proxy: StartOperator
) -> None:
    """Nothing of the old target is left under the new generation, edited while no operator ran or while one does."""
    user.secret_for(astra)
    for name in ("away", "here"):
        user.ref(name, astra.add_backup("completes", seconds=0))
    operator = start_behind_proxy()
    user.kubectl("wait", "--for=condition=Ready", "abr", "--all", "--timeout=60s")
    assert operator.stop() == 0
    user.ref("away", astra.add_backup("completes", seconds=0))
    with proxy.fault(kind="status", status=500, path=_SECRETS):
        start_behind_proxy().wait_for_log(_STARTED)
        for name in ("away", "here"):
            if name == "here":
                user.ref("here", astra.add_backup("completes", seconds=0))
            status = within(10, partial(raw_status, user, name), lambda s: s["observedGeneration"] == 2)
            assert not _OBSERVED & set(status)
            assert reason(status, "Ready") in {"NotObserved", "SecretUnreadable"}
    user.kubectl("wait", "--for=condition=Ready", "abr", "--all", "--timeout=60s")
