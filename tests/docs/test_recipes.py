"""The recipes are run as they stand on the page."""

import os
import re
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from dev.controlplane import ControlPlane, KubectlError
from dev.simulator import Simulator
from tests.e2e.user import User, condition
from tests.operator_process import StartOperator

PAGE = Path("docs/recipes.md").read_text()
NAME = "nightly-shop"
HOOK: Final = "argocd.argoproj.io/hook"
WAVE: Final = "argocd.argoproj.io/sync-wave"
GATES: Final = ("ci", "presync", "tekton", "workflows")


def _block(name: str) -> str:
    found = re.search(rf"<!-- tested: {name} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def _gate(name: str) -> str:
    """The script of a recipe that lets something go on when the backup is good, out of the object that runs it."""
    if name == "ci":
        return _block("ci")
    if name == "presync":
        [job] = [each for each in yaml.safe_load_all(_block("presync")) if each["kind"] == "Job"]
        return _shell(job["spec"]["template"]["spec"]["containers"][0]["command"])
    title = {"tekton": "Tekton", "workflows": "Argo Workflows"}[name]
    found = re.search(r"```yaml\n(.*?)```", PAGE.split(f"\n## {title}\n")[1], re.DOTALL)
    assert found is not None
    content: Any = yaml.safe_load(found[1])
    if name == "tekton":
        return str(content["spec"]["steps"][0]["script"])
    return _shell(content[0]["container"]["command"])


def _shell(command: list[str]) -> str:
    assert command[:2] == ["sh", "-euc"]
    return command[2]


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
    user.wait_reason("mine", "SecretNotFound", condition="Synced")
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
            ends.append(jobs.submit(_run, installed, installed.kubeconfig, _block("ask"), user.namespace))
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
    impatient = _block("ask").replace("+ 120", "+ 1")
    assert impatient != _block("ask")
    for old in ("2026-01-01T00:00:00Z", "Thu Jan 1 00:00:00 UTC 2026"):
        status = f'{{"status": {{"lastHandledReconcileAt": "{old}"}}}}'
        user.kubectl("patch", "abr", NAME, "--subresource=status", "--type=merge", "--patch", status)
        ended = _run(installed, installed.kubeconfig, impatient, user.namespace)
        assert ended.returncode == 1, ended.stdout
        assert "no answer" in ended.stderr


@pytest.mark.parametrize(
    ("scenario", "ready_when", "good"),
    [
        ("completes", "Completed", True),
        ("fails", "Completed", False),
        ("gets-lost", "Completed", False),
        ("vanishes", "Completed", False),
        ("hooks-fail", "Completed", True),
        ("hooks-fail", "CompletedAndHooksSucceeded", False),
        ("completes", "CompletedAndHooksSucceeded", True),
        ("completes", "Observed", True),
        ("fails", "Observed", False),
    ],
)
def test_each_gate_opens_for_what_ready_when_asks_for(
    installed: ControlPlane,
    user: User,
    astra: Simulator,
    start_operator: StartOperator,
    scenario: str,
    ready_when: str,
    good: bool,
) -> None:
    """The job, the hook and the steps all end with 0 for a good backup, and with something else for any other."""
    user.secret_for(astra)
    user.ref(NAME, astra.add_backup(scenario, seconds=1), readyWhen=ready_when)
    start_operator("--settled-interval", "1s")
    user.wait(NAME, "Finished")
    if scenario in {"gets-lost", "vanishes"}:
        user.wait_reason(NAME, {"gets-lost": "BackupRemoved", "vanishes": "BackupNotFound"}[scenario])
    ends = {gate: _run(installed, installed.kubeconfig, _gate(gate), user.namespace, BACKUP_REF=NAME) for gate in GATES}
    assert {gate: ended.returncode == 0 for gate, ended in ends.items()} == dict.fromkeys(GATES, good), ends


def test_the_gates_stay_shut_when_the_observation_is_too_old(
    installed: ControlPlane, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """A backup that had completed, of which nothing has been learnt for longer than --stale-after."""
    user.secret_for(astra)
    user.ref(NAME, astra.add_backup("completes", seconds=0))
    start_operator("--settled-interval", "1s", "--stale-after", "3s")
    user.wait(NAME, "Ready")
    with astra.fault("*", status=503):
        user.wait_reason(NAME, "ObservationStale")
        for gate in GATES:
            ended = _run(installed, installed.kubeconfig, _gate(gate), user.namespace, BACKUP_REF=NAME)
            assert ended.returncode != 0, gate
            assert gate != "ci" or "Ready=Unknown ObservationStale: " in ended.stderr


def _presync(user: User) -> dict[str, Any]:
    """Do what Argo CD does in the phase: its hooks alone, wave by wave, each in place of the last sync's; the Job."""
    hooks = [
        each
        for each in yaml.safe_load_all(_block("presync"))
        if each["metadata"].get("annotations", {}).get(HOOK) == "PreSync"
    ]
    for hook in sorted(hooks, key=_wave):
        assert hook["metadata"]["annotations"][f"{HOOK}-delete-policy"] == "BeforeHookCreation"
        name = f"{hook['kind'].lower()}/{hook['metadata']['name']}"
        user.kubectl("delete", name, "--ignore-not-found", "--cascade=background", "--wait")
        user.kubectl("create", "-f", "-", stdin=yaml.safe_dump(hook))
    job: dict[str, Any]
    [job] = [each for each in hooks if each["kind"] == "Job"]
    # A wave begins when the one before it is there, and within a wave nothing waits for anything.
    assert all(_wave(each) < _wave(job) for each in hooks if each["kind"] != "Job")
    return job


def _wave(hook: dict[str, Any]) -> int:
    return int(hook["metadata"]["annotations"].get(WAVE, "0"))


@pytest.mark.parametrize(("scenario", "code"), [("completes", 0), ("fails", 1)])
def test_presync_hook(
    installed: ControlPlane, user: User, astra: Simulator, start_operator: StartOperator, scenario: str, code: int
) -> None:
    """Its phase's objects suffice at each sync, a restricted namespace takes the pod, its account may do the work."""
    user.kubectl("label", "namespace", user.namespace, "pod-security.kubernetes.io/enforce=restricted")
    user.secret_for(astra)
    user.ref(NAME, astra.add_backup(scenario, seconds=1))
    start_operator()
    for _ in ("the first sync", "the next one"):
        job = _presync(user)
    template = job["spec"]["template"]
    user.kubectl("get", "serviceaccount", template["spec"]["serviceAccountName"])
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "hook"}, "spec": template["spec"]}
    assert "created" in user.kubectl("create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(pod))
    kubeconfig = installed.kubeconfig_for(user.namespace, template["spec"]["serviceAccountName"])
    ended = _run(installed, kubeconfig, _gate("presync"), user.namespace)
    assert ended.returncode == code, ended.stderr


@pytest.mark.parametrize("where", ["pod", "container"])
def test_the_presync_pod_is_refused_without_its_security_context(user: User, where: str) -> None:
    """The test above can fail."""
    user.kubectl("label", "namespace", user.namespace, "pod-security.kubernetes.io/enforce=restricted")
    [job] = [each for each in yaml.safe_load_all(_block("presync")) if each["kind"] == "Job"]
    spec = job["spec"]["template"]["spec"]
    del (spec if where == "pod" else spec["containers"][0])["securityContext"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "hook"}, "spec": spec}
    with pytest.raises(KubectlError, match="restricted"):
        user.kubectl("create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(pod))


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
