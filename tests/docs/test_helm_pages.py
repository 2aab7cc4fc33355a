"""What README.md and docs/recipes.md say of Helm, typed in as it stands."""

import json
from pathlib import Path
from typing import Final

import yaml

from dev.controlplane import ControlPlane
from dev.helm import helm
from dev.simulator import Simulator
from tests.docs.newcomer import Newcomer, deployed
from tests.docs.recipes import marked_block as recipe
from tests.docs.test_readme import OPTION, README, SYSTEM, block
from tests.e2e.user import User
from tests.helm.chart import CHART
from tests.operator_process import run_operator

_WHERE: Final = f"--namespace {SYSTEM}"
_FILE: Final = "cat > my-cluster/values.yaml <<'END'\n"
_VALUES: Final = block("helm").partition(_FILE)[2].partition("END\n")[0]


def _observed(cluster: ControlPlane, astra: Simulator) -> str:
    """Run the operator as the Deployment has it until its ref is ready; the ref."""
    container = deployed(cluster, "deployment")
    assert container["image"] == "registry.example/astra-mirror:0.1.0"
    assert container["args"] == ["run", "--leader-elect", OPTION]
    rights = cluster.kubeconfig_for(SYSTEM, "astra-mirror")
    operator = run_operator(rights, *container["args"][1:], "--allowed-url", astra.url)
    try:
        User(cluster, "shop").wait("mine", "Ready")
    finally:
        operator.stop()
    return cluster.kubectl("get", "abr", "mine", "--namespace=shop", "-o", "yaml")


def test_the_steps_with_helm(cluster: ControlPlane, newcomer: Newcomer, astra: Simulator) -> None:
    """Installed by kustomize, taken over, upgraded, rolled back, uninstalled, installed by Helm: the ref lives on."""
    newcomer.types(block("install"))
    user = User(cluster, "shop")
    user.secret_for(astra)
    user.ref("mine", astra.add_backup("completes", seconds=0))
    before = _observed(cluster, astra)
    newcomer.types(f"{_FILE}{_VALUES}END\n{recipe('take-over')}")
    assert _observed(cluster, astra) == before

    _, _, arguments = block("helm").partition("helm install ")
    newcomer.types(f"helm upgrade {arguments.strip()} --set options.log-level=debug --set 'secretNames={{more}}'")
    assert deployed(cluster, "deployment")["args"] == ["run", "--leader-elect", OPTION, "--log-level=debug"]
    newcomer.types(f"helm rollback astra-mirror {_WHERE}")
    assert _observed(cluster, astra) == before
    history = json.loads(newcomer.types(f"helm history astra-mirror {_WHERE} --output=json"))
    assert [each["status"] for each in history] == ["superseded", "superseded", "deployed"]
    newcomer.types(f"helm uninstall astra-mirror {_WHERE}")
    assert cluster.kubectl("get", "abr", "mine", "--namespace=shop", "-o", "yaml") == before

    newcomer.types(f"kubectl delete namespace {SYSTEM}")
    newcomer.types(block("helm"))
    assert _observed(cluster, astra) == before
    for command in ("rollback", "uninstall"):
        assert f"helm {command} astra-mirror {_WHERE}" in " ".join(README.split())


def test_the_commented_values_are_what_is_shown(tmp_path: Path) -> None:
    """`helm show values` is the file, comments and all; each value on the page is one of its names."""
    shown = helm("show", "values", CHART, home=tmp_path)
    assert shown.strip() == Path(f"{CHART}/values.yaml").read_text().strip()
    assert set(yaml.safe_load(_VALUES)) <= set(yaml.safe_load(shown))
