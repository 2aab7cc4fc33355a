"""The recipes are run as they stand on the page."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from dev.controlplane import ControlPlane
from dev.simulator import Simulator
from tests.e2e.user import User, condition
from tests.operator_process import StartOperator

PAGE = Path("docs/recipes.md").read_text()
NAME = "nightly-shop"


def _block(name: str) -> str:
    found = re.search(rf"<!-- tested: {name} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def _run(
    control_plane: ControlPlane, kubeconfig: Path, script: str, namespace: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The script with kubectl on its path, as a user who has chosen a namespace."""
    chosen = yaml.safe_load(kubeconfig.read_text())
    chosen["contexts"][0]["context"]["namespace"] = namespace
    mine = control_plane.folder / f"kubeconfig-of-{namespace}-{kubeconfig.name}"
    mine.write_text(yaml.safe_dump(chosen))
    path = f"{control_plane.binaries}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-euc", script],
        env=os.environ | {"KUBECONFIG": str(mine), "PATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_kubectl(installed: ControlPlane, user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """Each command ends well, and `explain` is readable."""
    user.secret_for(astra)
    user.ref(NAME, astra.add_backup("completes", seconds=2))
    start_operator()
    ended = _run(installed, installed.kubeconfig, _block("kubectl"), user.namespace)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("condition met") == 3
    assert "100% of 2.9 GiB" in ended.stdout
    for words in ("stateUnready", "conditions", "lastHandledReconcileAt"):
        assert words in ended.stdout


@pytest.mark.parametrize(
    ("scenario", "code", "words"),
    [
        ("completes", 0, ""),
        ("fails", 1, "The backup failed: Bucket is unreachable; Data mover gave up."),
        ("vanishes", 1, "no such backup"),
    ],
)
def test_ci_job(
    installed: ControlPlane,
    user: User,
    astra: Simulator,
    start_operator: StartOperator,
    scenario: str,
    code: int,
    words: str,
) -> None:
    """Its exit code is the backup's end, and its last words are the reason."""
    user.secret_for(astra)
    user.ref("mine", astra.add_backup(scenario, seconds=2))
    start_operator()
    ended = _run(installed, installed.kubeconfig, _block("ci"), user.namespace, BACKUP_REF="mine", BACKUP_TIMEOUT="60s")
    assert ended.returncode == code, ended.stderr
    assert words in ended.stderr


def test_ci_job_without_a_credential(
    installed: ControlPlane, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """It waits for somebody to mend that, and says so when its time is over."""
    user.ref("mine", astra.add_backup("completes", seconds=0))
    start_operator()
    user.wait("mine", "Stalled")
    ended = _run(installed, installed.kubeconfig, _block("ci"), user.namespace, BACKUP_REF="mine", BACKUP_TIMEOUT="1s")
    assert ended.returncode == 1, ended.stderr
    assert "Synced=False SecretNotFound: " in ended.stderr


def test_asking_first(installed: ControlPlane, user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """The wait ends when a poll that was begun after the question has ended."""
    user.secret_for(astra)
    user.ref(NAME, astra.add_backup("completes", seconds=0))
    start_operator()
    user.wait(NAME, "Ready")
    ended = _run(installed, installed.kubeconfig, _block("ask"), user.namespace)
    assert ended.returncode == 0, ended.stderr


def test_asking_first_when_the_poll_fails(
    installed: ControlPlane, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """The recipe fails, and does not when it is repeated after that."""
    user.secret_for(astra)
    user.ref(NAME, astra.add_backup("completes", seconds=0))
    start_operator()
    user.wait(NAME, "Ready")
    with astra.fault("*", status=503):
        ended = _run(installed, installed.kubeconfig, _block("ask"), user.namespace)
    assert ended.returncode == 1, ended.stdout
    assert condition(user.status(NAME), "Synced")["reason"] == "ServerError"
    ended = _run(installed, installed.kubeconfig, _block("ask"), user.namespace)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(("scenario", "code"), [("completes", 0), ("fails", 1)])
def test_presync_hook(
    installed: ControlPlane, user: User, astra: Simulator, start_operator: StartOperator, scenario: str, code: int
) -> None:
    """The objects are admitted, and the container's command ends as the backup does, under the hook's own role."""
    user.secret_for(astra)
    user.ref(NAME, astra.add_backup(scenario, seconds=1))
    start_operator()
    user.kubectl("apply", "-f", "-", stdin=_block("presync"))
    [job] = [each for each in yaml.safe_load_all(_block("presync")) if each["kind"] == "Job"]
    command = job["spec"]["template"]["spec"]["containers"][0]["command"]
    assert command[:2] == ["sh", "-euc"]
    kubeconfig = installed.kubeconfig_for(user.namespace, "wait-for-backup")
    ended = _run(installed, kubeconfig, command[2], user.namespace)
    assert ended.returncode == code, ended.stderr


def test_what_is_not_run_says_so() -> None:
    """Each section is tested, or marked."""
    for section in PAGE.split("\n## ")[1:]:
        assert "*Tested" in section or "*Untested" in section, section.splitlines()[0]


def test_untested_blocks_are_yaml_at_least() -> None:
    """And of the shape that their tools read."""
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        assert all(yaml.safe_load_all(block))
