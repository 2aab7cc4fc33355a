"""`kubectl abr poll`: a poll now, and its answer."""

import json
import time

from dev.simulator import Simulator
from tests.e2e.monitors import Monitors, add_backup
from tests.e2e.user import User
from tests.kubectl.core.objects import RUNNING, SYNCED
from tests.kubectl.plugin import Plugin
from tests.kubectl.statuses import write_ref
from tests.operator_process import StartOperator


def test_the_answer_is_waited_for(plugin: Plugin, user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """Of a ref and of a monitor; twice in a second as well, because each request is a new value."""
    user.secret_for(astra)
    user.ref("mine", astra.add_backup("completes", seconds=0), interval="1h")
    backup = add_backup(astra, hours=1, app="3b7a5e0c-52b1-4c8e-9d0a-6f1e2d3c4b5a")
    Monitors(user, astra).apply(app=backup.app, interval="1h")
    start_operator("--settled-interval", "1h")
    user.wait("mine", "Ready")
    user.kubectl("wait", "--for=condition=Ready", "abm/shop", "--timeout=60s")
    for _ in range(2):
        asked = len(astra.requests.matching())
        ended = plugin.run("poll", "mine", "abm/shop")
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert "mine polled: BackupCompleted: " in ended.stdout
        assert ended.stdout.splitlines()[-1] in {"polled: mine, abm/shop", "polled: abm/shop, mine"}
        assert len(astra.requests.matching()) >= asked + 2
    metadata = json.loads(user.kubectl("get", "abr", "mine", "-o", "json", "--show-managed-fields"))["metadata"]
    [manager] = [each for each in metadata["managedFields"] if each["manager"] == "kubectl-abr"]
    assert set(manager["fieldsV1"]) == {"f:metadata"}


def test_what_stands_in_the_way_is_said_at_once(
    plugin: Plugin, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """A suspended ref, and a circuit breaker: 3, and the poll is made when that ends."""
    token = astra.add_token()
    user.secret(url=astra.url, token=token)
    user.ref("held", astra.add_backup("stuck", seconds=0.001))
    user.ref("paused", astra.add_backup("stuck", seconds=0.001), suspend=True)
    start_operator()
    user.wait("held", "Synced")
    user.wait_reason("paused", "Suspended", condition="Synced")
    astra.revoke(token)
    user.wait_reason("held", "Unauthorized", condition="Synced")
    began = time.monotonic()
    ended = plugin.run("poll", "held", "paused")
    assert time.monotonic() - began < 25
    assert ended.returncode == 3
    assert "paused not polled: Suspended: polling is suspended" in ended.stdout
    assert "held not polled: Unauthorized: a circuit breaker holds the poll back" in ended.stdout
    # With a new token the breaker closes, and the next poll is made.
    user.secret_for(astra)
    assert plugin.run("poll", "held").returncode == 0


def test_a_poll_that_fails(plugin: Plugin, user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """1, and why."""
    user.secret_for(astra)
    user.ref("mine", astra.add_backup("stuck", seconds=0.001), interval="1h")
    start_operator()
    user.wait("mine", "Synced")
    with astra.fault("*", status=503):
        ended = plugin.run("poll", "mine")
    assert ended.returncode == 1
    assert "mine poll failed: ServerError: " in ended.stdout


def test_polls_that_cannot_be_requested(plugin: Plugin, viewer: Plugin, user: User) -> None:
    """There is no such ref; nobody answers in time; the user may not."""
    write_ref(user, "mine", RUNNING | SYNCED)
    ended = plugin.run("poll", "missing", "mine", "--timeout=2s")
    assert ended.returncode == 3
    assert 'missing not polled: NotRequested: appbackuprefs.astra-mirror.io "missing" not found' in ended.stdout
    assert ended.stdout.splitlines()[-1] == "not polled: missing; timed out: mine"
    refused = viewer.run("poll", "mine")
    assert refused.returncode == 3
    assert "cannot patch resource" in refused.stdout
    assert plugin.run("poll").returncode == 64
