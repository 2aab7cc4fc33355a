"""The recipes that let something go on only when the backup is good, run as they stand on the page."""

import re
from typing import Any, Final

import pytest
import yaml

from dev.controlplane import ControlPlane, KubectlError
from dev.simulator import Simulator
from tests.docs.recipes import NAME, PAGE, marked_block, run_script
from tests.e2e.user import User
from tests.operator_process import StartOperator

HOOK: Final = "argocd.argoproj.io/hook"
WAVE: Final = "argocd.argoproj.io/sync-wave"
GATES: Final = ("ci", "presync", "tekton", "workflows")


def _gate(name: str) -> str:
    """The script of a recipe that lets something go on when the backup is good, out of the object that runs it."""
    if name == "ci":
        return marked_block("ci")
    if name == "presync":
        [job] = [each for each in yaml.safe_load_all(marked_block("presync")) if each["kind"] == "Job"]
        return _shell(job["spec"]["template"]["spec"]["containers"][0]["command"])
    container = _container(name)
    return str(container["script"]) if name == "tekton" else _shell(container["command"])


def _container(name: str) -> dict[str, Any]:
    """The container of the Task or of the template."""
    title = {"tekton": "Tekton", "workflows": "Argo Workflows"}[name]
    found = re.search(r"```yaml\n(.*?)```", PAGE.split(f"\n## {title}\n")[1], re.DOTALL)
    assert found is not None
    content: Any = yaml.safe_load(found[1])
    return dict(content["spec"]["steps"][0] if name == "tekton" else content[0]["container"])


def _shell(command: list[str]) -> str:
    assert command[:2] == ["sh", "-euc"]
    return command[2]


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
    ended = run_script(
        installed, installed.kubeconfig, marked_block("ci"), user.namespace, BACKUP_REF="mine", BACKUP_TIMEOUT="60s"
    )
    assert ended.returncode == code, ended.stderr
    assert words in ended.stderr


def test_ci_job_without_a_credential(
    installed: ControlPlane, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """It waits for somebody to mend that, and says so when its time is over."""
    user.ref("mine", astra.add_backup("completes", seconds=0))
    start_operator()
    user.wait_reason("mine", "SecretNotFound", condition="Synced")
    ended = run_script(
        installed, installed.kubeconfig, marked_block("ci"), user.namespace, BACKUP_REF="mine", BACKUP_TIMEOUT="1s"
    )
    assert ended.returncode == 1, ended.stderr
    assert "Synced=False SecretNotFound: " in ended.stderr


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
    ends = {
        gate: run_script(installed, installed.kubeconfig, _gate(gate), user.namespace, BACKUP_REF=NAME)
        for gate in GATES
    }
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
            ended = run_script(installed, installed.kubeconfig, _gate(gate), user.namespace, BACKUP_REF=NAME)
            assert ended.returncode != 0, gate
            assert gate != "ci" or "Ready=Unknown ObservationStale: " in ended.stderr


def _presync(user: User) -> dict[str, Any]:
    """Do what Argo CD does in the phase: its hooks alone, wave by wave, each in place of the last sync's; the Job."""
    hooks = [
        each
        for each in yaml.safe_load_all(marked_block("presync"))
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
    ended = run_script(installed, kubeconfig, _gate("presync"), user.namespace)
    assert ended.returncode == code, ended.stderr


@pytest.mark.parametrize("where", ["pod", "container"])
def test_the_presync_pod_is_refused_without_its_security_context(user: User, where: str) -> None:
    """The test above can fail."""
    user.kubectl("label", "namespace", user.namespace, "pod-security.kubernetes.io/enforce=restricted")
    [job] = [each for each in yaml.safe_load_all(marked_block("presync")) if each["kind"] == "Job"]
    spec = job["spec"]["template"]["spec"]
    del (spec if where == "pod" else spec["containers"][0])["securityContext"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "hook"}, "spec": spec}
    with pytest.raises(KubectlError, match="restricted"):
        user.kubectl("create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(pod))


@pytest.mark.parametrize("name", ["tekton", "workflows"])
def test_the_other_gates_where_restricted_is_enforced(user: User, name: str) -> None:
    """Their container is admitted as it is, and not without its security context."""
    user.kubectl("label", "namespace", user.namespace, "pod-security.kubernetes.io/enforce=restricted")
    container = {key: value for key, value in _container(name).items() if key != "script"} | {"name": "wait"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "gate"}, "spec": {"containers": [container]}}
    create = ["create", "--dry-run=server", "-f", "-"]
    assert "created" in user.kubectl(*create, stdin=yaml.safe_dump(pod))
    del container["securityContext"]
    with pytest.raises(KubectlError, match="restricted"):
        user.kubectl(*create, stdin=yaml.safe_dump(pod))
