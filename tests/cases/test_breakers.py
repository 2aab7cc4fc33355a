"""What one ref causes stays with it: accounts, pauses and errors of a connection, with the real control plane."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from operator import eq, ge

import pytest

from dev.controlplane import ControlPlane
from dev.simulator import Simulator
from dev.simulator.model import uuid_of
from dev.simulator.store import Fault, fingerprint
from tests.cases.support import Tenant, always, apply_all, raw_status, reasons, ref_document, synced, within
from tests.e2e.user import User
from tests.operator_process import StartOperator

_PROBLEM = b'{"type":"https://astra.netapp.io/problems/4","title":"Invalid bearer token","detail":"%s","status":"%d"}'


def _percent(user: User, name: str) -> object:
    return raw_status(user, name)["progress"]["percentDone"]


@pytest.mark.parametrize("number", [1, 10, 30])
def test_an_account_that_is_refused_beside_good_ones(
    user: User, astra: Simulator, start_operator: StartOperator, number: int
) -> None:
    """Row `a ref with an accountID that gets 401`: the good refs of the same token are Synced all of the time.

    Those that were observed once: after a start they are asked for first.
    """
    good = [astra.add_backup("stuck", seconds=0.001) for _ in range(5)]
    astra.add_token(astra.token, accounts=[astra.account])
    user.secret_for(astra)
    for each, backup in enumerate(good):
        user.ref(f"good-{each}", backup)
    operator = start_operator()
    user.kubectl("wait", "--for=condition=Synced", "abr", "--all", "--timeout=60s")
    apply_all(user, [ref_document(f"bad-{each}", accountID=uuid_of(f"nobody's {each}")) for each in range(number)])

    def of_good() -> set[str]:
        return {each for name, each in reasons(user, "Synced").items() if name.startswith("good")}

    within(20, lambda: reasons(user, "Synced")["bad-0"], lambda seen: seen == "Unauthorized")
    for percent in (77, 78):
        always(8, of_good, lambda seen: seen == {"Observed"})
        # They are polled on, too: what changes is seen.
        for backup in good:
            backup.set(percentDone=percent)
        for each in range(len(good)):
            within(5, partial(_percent, user, f"good-{each}"), partial(eq, percent))
        if percent == 77:
            assert operator.stop() == 0
            operator = start_operator()


def test_a_retry_after_for_the_ref_that_was_asked(user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """Row `503 with Retry-After 10, for two hours`: the next request comes when the pause ends."""
    user.secret_for(astra)
    backup = astra.add_backup("stuck", seconds=0.001)
    user.ref("ref", backup)
    with astra.fault("*", status=503, headers={"Retry-After": "3"}):
        start_operator()
        requests = astra.requests.wait_for(10, seconds=60)
        gaps = [after.at - before.at for before, after in pairwise(requests)]
        assert min(gaps) >= 3
        assert max(gaps) <= 5, gaps
    backup.set(state="completed", percentDone=100)
    within(6, lambda: raw_status(user, "ref").get("state"), lambda state: state == "completed")


@pytest.mark.parametrize("status", [429, 503])
def test_requested_at_while_a_pause_holds_the_connection(
    user: User, astra: Simulator, start_operator: StartOperator, status: int
) -> None:
    """Row `requestedAt while a pause (429) holds the connection`: that poll is made when the pause ends."""
    user.secret_for(astra)
    backup = astra.add_backup("stuck", seconds=0.001)
    user.ref("ref", backup, interval="1h")
    start_operator()
    user.wait_reason("ref", "BackupInProgress")
    astra.requests.clear()
    with astra.fault("*", status=status, headers={"Retry-After": "8"}, count=1):
        user.kubectl("annotate", "abr", "ref", "astra-mirror.io/requestedAt=first")
        [first] = astra.requests.wait_for(1)
        user.kubectl("annotate", "--overwrite", "abr", "ref", "astra-mirror.io/requestedAt=second")
        second = astra.requests.wait_for(2, seconds=12)[1]
    assert 8 <= second.at - first.at <= 10
    within(5, lambda: raw_status(user, "ref").get("lastHandledReconcileAt"), lambda value: value == "second")


@contextmanager
def _moving_text(astra: Simulator, status: int) -> Iterator[Fault]:
    """A refusal whose text is another one each time, as `expired by 1234s` is."""
    stop = threading.Event()
    fault = Fault("*", status=status, headers={"Content-Type": "application/problem+json"})

    def move() -> None:
        number = 1234
        while not stop.wait(0.2):
            number += 1
            fault.body = _PROBLEM % (b"expired by %ds" % number, status)

    fault.body = _PROBLEM % (b"expired by 1234s", status)
    thread = threading.Thread(target=move, daemon=True)
    thread.start()
    astra.add_fault(fault)
    try:
        yield fault
    finally:
        stop.set()
        thread.join()
        astra.clear_faults(fault)


def _patches(control_plane: ControlPlane, namespace: str) -> int:
    return sum(
        each["verb"] == "patch" and each["objectRef"].get("namespace") == namespace
        for each in control_plane.audit_events()
        if each.get("objectRef", {}).get("subresource") == "status"
    )


def test_an_error_text_that_moves(
    installed: ControlPlane, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """Row `an error text that moves`: taken over with a change of reason, or at most every 15 minutes."""
    user.secret_for(astra)
    for number in range(10):
        user.ref(f"ref-{number}", astra.add_backup("stuck", seconds=0.001, app=uuid_of(f"app {number}")))
    with _moving_text(astra, 500):
        start_operator()
        user.kubectl("wait", "--for=condition=Synced=False", "abr", "--all", "--timeout=60s")
        within(20, lambda: set(reasons(user, "Synced").values()), lambda seen: seen == {"ServerError"})
        before = _patches(installed, user.namespace)
        astra.requests.clear()
        astra.requests.wait_for(4, seconds=60)
        always(1, partial(_patches, installed, user.namespace), partial(eq, before))


@pytest.mark.minutes
def test_an_error_text_that_moves_for_many_refs_that_wait(
    installed: ControlPlane, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """Row `an error text that moves`, as it was found: a 401 whose text moves with each probe."""
    user.secret_for(astra)
    apply_all(user, [ref_document(f"ref-{number}") for number in range(100)])
    with _moving_text(astra, 401):
        start_operator()
        within(30, lambda: set(reasons(user, "Synced").values()), lambda seen: seen == {"Unauthorized"})
        before = _patches(installed, user.namespace)
        astra.requests.clear()
        astra.requests.wait_for(2, seconds=200)
        # Who is asked for the first time, by a probe, shows what it was told; nobody else's words move.
        allowed = before + len(astra.requests.matching())
        always(2, partial(_patches, installed, user.namespace), partial(ge, allowed))


@pytest.mark.minutes
def test_one_probe_a_minute(astra: Simulator, tenant: Tenant, start_operator: StartOperator) -> None:
    """Row `401, 403 ... for two hours, one ref`: a probe a minute, and the recovery comes with the next one.

    Six minutes instead of two hours: by then a backoff that starts with 30 seconds has grown beyond a minute.
    """
    forbidden = uuid_of("forbidden app")
    refused = {"unauthorized": "a-token-that-is-not-known", "forbidden": astra.add_token(no_apps=[forbidden])}
    users = {name: tenant() for name in refused}
    for name, token in refused.items():
        users[name].secret(url=astra.url, token=token)
        users[name].ref("ref", astra.add_backup("completes", seconds=0, app=forbidden), interval="30s")
    start_operator()
    ended = time.monotonic() + 360
    within(400, time.monotonic, lambda now: now > ended)
    for token in refused.values():
        asked = [each.at for each in astra.requests.matching() if each.token == fingerprint(token)]
        gaps = [after - before for before, after in pairwise(asked)]
        # The interval's own length is the most that may come on top; a start may try more than one way to ask.
        assert max(gaps) <= 66, gaps
        assert len(asked) <= 9
        astra.add_token(token)
    for each in users.values():
        within(66, partial(synced, each), lambda seen: seen == "Observed")
