"""The recipes for kubectl are run as they stand on the page, and each section of the page says whether it is."""

import difflib
import re
import shutil
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from astra_mirror.settings import Settings
from dev.controlplane import ControlPlane
from dev.controlplane.toolchain import kubectl_binary
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


def test_another_name_for_the_secret(installed: ControlPlane, tmp_path: Path) -> None:
    """The patch adds the name to the role's Secrets, and nothing else."""
    shutil.copytree("manifests", tmp_path / "manifests")
    shutil.copytree("crds", tmp_path / "crds")
    overlay = tmp_path / "mine" / "kustomization.yaml"
    overlay.parent.mkdir()
    overlay.write_text(f"resources: [../manifests/default]\npatches:\n{marked_block('secret-name')}")
    before = installed.kubectl("kustomize", str(tmp_path / "manifests/default"))
    after = installed.kubectl("kustomize", str(overlay.parent))
    added = [
        each.strip() for each in difflib.ndiff(before.splitlines(), after.splitlines()) if each[:2] in {"+ ", "- "}
    ]
    assert added == ["+   - astra-control-config"]
    names = [rule.get("resourceNames", []) for each in yaml.safe_load_all(after) for rule in each.get("rules", ())]
    assert ["astra-control", "astra-control-config"] in names


def test_runbooks(tmp_path: Path) -> None:
    """The lines put an address before the runbook of each alert, and change no expression."""
    [before] = _rules(_kustomized(tmp_path / "plain", "resources: [../manifests/monitoring]"))
    overlay = f"resources: [../manifests/monitoring]\n{marked_block('runbooks')}"
    [after] = _rules(_kustomized(tmp_path / "mine", overlay))
    assert after
    for old, new in zip(before, after, strict=True):
        relative = old["annotations"]["runbook_url"]
        assert relative == f"docs/operations.md#{old['alert']}"
        assert new["annotations"]["runbook_url"] == f"https://git.example/astra-mirror/blob/main/{relative}"
        assert new["expr"] == old["expr"]


def _rules(objects: dict[str, Any]) -> list[list[dict[str, Any]]]:
    return [each["rules"] for each in objects["PrometheusRule astra-mirror-system/astra-mirror"]["spec"]["groups"]]


def test_the_dashboard_is_a_config_map(tmp_path: Path) -> None:
    """With the file as it is, and the label that the page names."""
    found = _kustomized(tmp_path, "resources: [../manifests/monitoring]")
    config = found["ConfigMap astra-mirror-system/astra-mirror-dashboard"]
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert config["data"] == {"astra-mirror.json": Path("manifests/monitoring/dashboard.json").read_text()}


def _kustomized(folder: Path, overlay: str, **files: str) -> dict[str, Any]:
    """What kustomize makes of an overlay next to the manifests: the objects, by kind, namespace and name.

    kubectl builds it without an API server.
    """
    for shipped in ("manifests", "crds"):
        shutil.copytree(shipped, folder / shipped, dirs_exist_ok=True)
    mine = folder / "my-cluster"
    mine.mkdir(exist_ok=True)
    for name, content in {"kustomization": overlay, **files}.items():
        (mine / f"{name}.yaml").write_text(content)
    command = [str(kubectl_binary()), "kustomize", str(mine)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    found = {}
    for each in yaml.safe_load_all(ended.stdout):
        place = f"{each['metadata']['namespace']}/" if "namespace" in each["metadata"] else ""
        found[f"{each['kind']} {place}{each['metadata']['name']}"] = each
    return found


@pytest.mark.parametrize(
    ("base", "kind"), [("default", "Deployment"), ("ha", "Deployment"), ("sharded", "StatefulSet")]
)
def test_a_private_registry(tmp_path: Path, base: str, kind: str) -> None:
    """The pods of each folder name the Secret that the page creates, and nothing else is different."""
    overlay = f"resources: [../manifests/{base}]\n"
    before = _kustomized(tmp_path, overlay)
    after = _kustomized(tmp_path, f"{overlay}patches:\n{marked_block('pull-secret')}")
    pod = after[f"{kind} astra-mirror-system/astra-mirror"]["spec"]["template"]["spec"]
    assert pod.pop("imagePullSecrets") == [{"name": "registry"}]
    assert after == before
    assert "kubectl -n astra-mirror-system create secret docker-registry registry " in PAGE


@pytest.mark.parametrize(
    ("base", "kind"), [("default", "Deployment"), ("ha", "Deployment"), ("sharded", "StatefulSet")]
)
def test_only_some_namespaces(tmp_path: Path, base: str, kind: str) -> None:
    """The bindings in the namespace give what those for the cluster gave, and the operator has the option."""
    before = _kustomized(tmp_path, f"resources: [../manifests/{base}]\n")
    overlay = f"resources: [../manifests/{base}, namespaces.yaml]\npatches:\n{marked_block('namespaces-patches')}"
    after = _kustomized(tmp_path, overlay, namespaces=marked_block("namespaces"))
    for name in ("astra-mirror", "astra-mirror-refs"):
        everywhere = before.pop(f"ClusterRoleBinding {name}")
        there = after.pop(f"RoleBinding shop/{name}")
        assert (there["roleRef"], there["subjects"]) == (everywhere["roleRef"], everywhere["subjects"])
    arguments = after[f"{kind} astra-mirror-system/astra-mirror"]["spec"]["template"]["spec"]["containers"][0]["args"]
    assert Settings(namespace=arguments.pop().removeprefix("--namespace=")).namespace == ["shop"]
    assert after == before


def test_what_prometheus_scrapes(tmp_path: Path) -> None:
    """The ServiceMonitor selects the Service of the manifests, by its label, and names its port."""
    [monitor] = [each for each in _yaml_blocks() if "kind" in each and each["kind"] == "ServiceMonitor"]
    service = _kustomized(tmp_path, "resources: [../manifests/default]\n")["Service astra-mirror-system/astra-mirror"]
    assert monitor["metadata"]["namespace"] == service["metadata"]["namespace"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert {each["port"] for each in monitor["spec"]["endpoints"]} == {
        each["name"] for each in service["spec"]["ports"]
    }


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
    assert PAGE.count("```yaml\n") == 11
    assert all(_yaml_blocks())
