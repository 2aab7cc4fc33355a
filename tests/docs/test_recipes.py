"""The recipes for kubectl are run as they stand on the page, and each section of the page says whether it is."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from dev.controlplane import ControlPlane
from dev.simulator import Simulator
from tests.docs.recipes import NAME, PAGE, marked_block, run_script
from tests.e2e.user import User, condition
from tests.operator_process import StartOperator


def test_kubectl(installed: ControlPlane, user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """Each command ends well, and `explain` is readable."""
    user.secret_for(astra)
    user.ref(NAME, astra.add_backup("completes", seconds=2))
    start_operator()
    ended = run_script(installed, installed.kubeconfig, marked_block("kubectl"), user.namespace)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("condition met") == 3
    assert "100% of 2.9 GiB" in ended.stdout
    for words in ("stateUnready", "conditions", "lastHandledReconcileAt"):
        assert words in ended.stdout


def test_asking_first(installed: ControlPlane, user: User, astra: Simulator, start_operator: StartOperator) -> None:
    """The wait ends when a poll that was begun after the question has ended."""
    user.secret_for(astra)
    user.ref(NAME, astra.add_backup("completes", seconds=0))
    start_operator()
    user.wait(NAME, "Ready")
    ended = run_script(installed, installed.kubeconfig, marked_block("ask"), user.namespace)
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
        ended = run_script(installed, installed.kubeconfig, marked_block("ask"), user.namespace)
    assert ended.returncode == 1, ended.stdout
    assert condition(user.status(NAME), "Synced")["reason"] == "ServerError"
    ended = run_script(installed, installed.kubeconfig, marked_block("ask"), user.namespace)
    assert ended.returncode == 0, ended.stderr


def test_asking_by_two_jobs(
    installed: ControlPlane, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """The second asks before the first has its answer: one poll answers both, and repeats the second's question."""
    user.secret_for(astra)
    user.ref(NAME, astra.add_backup("completes", seconds=0))
    start_operator()
    user.wait(NAME, "Ready")
    # Suspended, so that the poll comes after both questions, however fast the first is.
    user.kubectl("patch", "abr", NAME, "--type=merge", "--patch", '{"spec": {"suspend": true}}')
    user.wait_reason(NAME, "Suspended", condition="Synced")
    with ThreadPoolExecutor() as jobs, user.watching("abr") as versions:
        asked: list[str] = []
        ends = []
        for _ in range(2):
            _a_later_second(asked)
            ends.append(jobs.submit(run_script, installed, installed.kubeconfig, marked_block("ask"), user.namespace))
            asked.append(next(each for each in map(_question, versions) if each and each not in asked))
        user.kubectl("patch", "abr", NAME, "--type=merge", "--patch", '{"spec": {"suspend": false}}')
        assert [each.result().returncode for each in ends] == [0, 0], [each.result().stderr for each in ends]
    assert asked[0] < asked[1] == user.status(NAME)["lastHandledReconcileAt"]


def _question(version: dict[str, Any]) -> str:
    return str(version["metadata"].get("annotations", {}).get("astra-mirror.io/requestedAt", ""))


def _a_later_second(asked: list[str]) -> None:
    """The recipe's times are whole seconds: wait until the clock's is another one than the last question's."""
    tick = threading.Event()
    while asked and datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") <= asked[-1]:
        tick.wait(0.05)


def test_an_older_answer_is_none(installed: ControlPlane, user: User, astra: Simulator) -> None:
    """What the status repeats from before, a time or not, does not end the wait. No operator is there to answer."""
    user.ref(NAME, astra.add_backup("completes", seconds=0))
    impatient = marked_block("ask").replace("+ 120", "+ 1")
    assert impatient != marked_block("ask")
    for old in ("2026-01-01T00:00:00Z", "Thu Jan 1 00:00:00 UTC 2026"):
        status = f'{{"status": {{"lastHandledReconcileAt": "{old}"}}}}'
        user.kubectl("patch", "abr", NAME, "--subresource=status", "--type=merge", "--patch", status)
        ended = run_script(installed, installed.kubeconfig, impatient, user.namespace)
        assert ended.returncode == 1, ended.stdout
        assert "no answer" in ended.stderr


def test_a_monitor_of_a_schedule(user: User) -> None:
    """The API server takes it."""
    shown = user.kubectl("apply", "--dry-run=server", "-f", "-", stdin=marked_block("schedule"))
    assert shown.split() == ["appbackupmonitor.astra-mirror.io/shop-schedules", "created", "(server", "dry", "run)"]


def test_what_is_marked_is_run() -> None:
    """Each block that says so is named by a test."""
    tests = "".join(each.read_text() for each in Path("tests").rglob("test_*.py"))
    for name in re.findall(r"<!-- tested: (\S+) -->", PAGE):
        assert f'"{name}"' in tests or f"'{name}'" in tests, name


def test_what_is_not_run_says_so() -> None:
    """Each section is tested, or marked."""
    for section in PAGE.split("\n## ")[1:]:
        assert "*Tested" in section or "*Untested" in section, section.splitlines()[0]


def _yaml_blocks() -> list[Any]:
    """The documents of all YAML blocks of the page."""
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    return [document for block in blocks for document in yaml.safe_load_all(block)]


def test_untested_blocks_are_yaml_at_least() -> None:
    """And of the shape that their tools read."""
    assert PAGE.count("```yaml\n") == len(re.findall(r"```yaml\n.*?```", PAGE, re.DOTALL)) > 0
    assert all(_yaml_blocks())
