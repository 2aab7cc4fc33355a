"""What one ref's refusal, or a pause, means for the others, on the real control plane."""

import time

import pytest

from astra_mirror.core.tickets import HELD_BACK
from dev.simulator import Simulator
from dev.simulator.model import uuid_of
from tests.e2e.user import User, condition
from tests.operator_process import StartOperator

_GOOD = 10


@pytest.mark.parametrize(("number", "same_account"), [(30, True), (30, False)])
def test_a_wrong_account_stops_nobody_else(
    user: User, astra: Simulator, start_operator: StartOperator, number: int, *, same_account: bool
) -> None:
    """Refs whose account is good are Synced in every version of their objects, however many others get 401."""
    token = astra.add_token(accounts=[astra.account])
    user.secret(url=astra.url, token=token)
    for each in range(_GOOD):
        user.ref(f"good-{each}", astra.add_backup("stuck", seconds=0.001, app=uuid_of(f"app {each % 3}")))
    operator = start_operator()
    user.kubectl("wait", "--for=condition=Synced", "abr", "--all", "--timeout=60s")
    with user.watching("abr", seconds=90) as versions:
        for each in range(number):
            account = uuid_of("wrong" if same_account else f"wrong {each}")
            user.ref(f"bad-{each}", astra.add_backup("stuck", seconds=0.001, account=account))
        for each in range(number):
            user.wait_reason(f"bad-{each}", "Unauthorized")
        before = len(astra.requests.matching(f"/accounts/{astra.account}/*"))
        astra.requests.wait_for(before + 20, f"/accounts/{astra.account}/*")
        user.ref("last", astra.add_backup("completes", seconds=0))
        for version in versions:
            name = version["metadata"]["name"]
            if name.startswith("good"):
                assert condition(version["status"], "Synced")["status"] == "True"
            if name == "last" and version["status"].get("state") == "completed":
                break
    asked = [each for each in astra.requests.matching("/accounts/*") if each.status == 401]
    # Those that were due before the first 401 came, and a probe at the most.
    assert len(asked) <= number + 1
    assert 'astra_mirror_connections{state="closed"} 1.0' in operator.http("/metrics")


def test_who_is_held_back_is_told_that_nothing_was_asked_for_it(
    user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """And who was refused shows the server's words."""
    user.secret(url=astra.url, token="a-wrong-token")
    for each in range(5):
        user.ref(f"ref-{each}", astra.add_backup("stuck", seconds=0.001, account=uuid_of("one")))
    operator = start_operator()
    messages = [condition(user.wait_reason(f"ref-{each}", "Unauthorized"), "Synced")["message"] for each in range(5)]
    assert messages.count(HELD_BACK.message) == 4
    assert sum("Invalid bearer token" in each for each in messages) == 1
    assert 'astra_mirror_connections{state="open"} 1.0' in operator.http("/metrics")


def test_a_poll_that_is_asked_for_in_a_pause_is_made_when_it_ends(
    user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """Not after a backoff, nor an interval."""
    user.secret_for(astra)
    quick, slow = astra.add_backup("stuck", seconds=0.001), astra.add_backup("stuck", seconds=0.001)
    user.ref("quick", quick)
    user.ref("slow", slow, interval="24h")
    operator = start_operator()
    user.kubectl("wait", "--for=condition=Synced", "abr", "--all", "--timeout=60s")
    with astra.fault(f"*/{quick.id}", status=429, headers={"Retry-After": "8"}, count=1):
        user.wait_reason("quick", "RateLimited", condition="Synced")
        paused = time.monotonic()
        assert 'astra_mirror_connections{state="paused"} 1.0' in operator.http("/metrics")
        slow.set(state="completed")
        astra.requests.clear()
        user.kubectl("annotate", "abr", "slow", "astra-mirror.io/requestedAt=now")
        user.wait("slow", "Ready")
        waited = time.monotonic() - paused
    assert 5 <= waited <= 12
    user.kubectl("wait", "--for=jsonpath={.status.lastHandledReconcileAt}=now", "abr/slow", "--timeout=10s")
    user.kubectl("wait", "--for=condition=Synced", "abr", "--all", "--timeout=10s")
