"""`kubectl abr import`: manifests that `kubectl apply` takes."""

import json

import pytest
import yaml

from dev.simulator import Simulator
from tests.e2e.monitors import Monitors, add_backup
from tests.e2e.user import User
from tests.kubectl.core.objects import ACCOUNT, APP
from tests.kubectl.plugin import Plugin
from tests.operator_process import StartOperator


def test_the_refs_of_a_monitor(
    plugin: Plugin, monitors: Monitors, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """As if made by hand: applied once the monitor is gone, they are nobody's, and are mirrored."""
    backups = [add_backup(astra, hours=hours) for hours in (2, 1)]
    monitors.apply(mirror={"newest": 2, "labels": {"team": "shop"}, "readyWhen": "Observed"})
    start_operator()
    monitors.wait("RefsCurrent", "RefsCurrent")
    names = set(monitors.refs())
    ended = plugin.run("import", "--monitor", "shop")
    assert (ended.returncode, ended.stderr) == (0, "")
    manifests = list(yaml.safe_load_all(ended.stdout))
    assert {each["metadata"]["name"] for each in manifests} == names
    assert {each["spec"]["backupID"] for each in manifests} == {each.id for each in backups}
    assert all(set(each) == {"apiVersion", "kind", "metadata", "spec"} for each in manifests)
    assert all(each["metadata"]["labels"] == {"team": "shop"} for each in manifests)
    user.kubectl("delete", "abm", "shop", "--cascade=foreground")
    user.kubectl("delete", "abr", "--all")
    user.kubectl("apply", "-f", "-", stdin=ended.stdout)
    user.kubectl("wait", "--for=condition=Ready", "abr", "--all", "--timeout=60s")
    assert not any("ownerReferences" in each["metadata"] for each in monitors.refs().values())


@pytest.fixture
def monitors(user: User, astra: Simulator) -> Monitors:
    """Monitors, and the Secret that they use."""
    user.secret_for(astra)
    return Monitors(user, astra)


def test_a_monitor_without_refs(plugin: Plugin, monitors: Monitors) -> None:
    """Nothing is printed but why; one that does not exist is an error."""
    monitors.apply()
    ended = plugin.run("import", "--monitor", "abm/shop")
    assert (ended.returncode, ended.stdout) == (0, "")
    assert "the monitor shop has made no refs: spec.mirror says how many it makes" in ended.stderr
    assert plugin.run("import", "--monitor", "missing").returncode == 3


def test_a_monitor_of_an_app(plugin: Plugin, user: User) -> None:
    """It is valid as it is, and no cluster is needed to print it."""
    ended = plugin.run("import", "--account", ACCOUNT.upper(), "--app", APP, KUBECONFIG="/nowhere")
    assert ended.returncode == 0
    user.kubectl("apply", "-f", "-", stdin=ended.stdout)
    found = json.loads(user.kubectl("get", "abm", f"app-{APP[:8]}", "-o", "json"))
    assert (found["spec"]["accountID"], found["spec"]["appID"]) == (ACCOUNT, APP)
    named = plugin.run("import", "--account", ACCOUNT, "--app", APP, "--name", "mine")
    assert yaml.safe_load(named.stdout)["metadata"] == {"name": "mine"}


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--account", ACCOUNT),
        ("--app", APP),
        ("--monitor", "shop", "--account", ACCOUNT, "--app", APP),
        ("--monitor", "abr/shop"),
        ("--account", ACCOUNT, "--app", "shop"),
        ("--account", ACCOUNT, "--app", APP, "--name", "A"),
    ],
)
def test_a_wrong_command_line(plugin: Plugin, arguments: tuple[str, ...]) -> None:
    """64."""
    ended = plugin.run("import", *arguments)
    assert (ended.returncode, ended.stdout) == (64, "")
    assert ended.stderr
