"""kstatus, Argo CD and Flux's CEL judge a monitor in each state that it may have."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.judges import judged
from tests.e2e.user import condition
from tests.judges.monitors import KSTATUS, monitors

Rows = dict[str, dict[str, Any]]
ARGO = {"Current": "Healthy", "Failed": "Degraded", "InProgress": "Progressing"}


@pytest.fixture(scope="module")
def rows() -> Rows:
    """The monitors."""
    return monitors()


@pytest.fixture(scope="module")
def health_check(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Lua script out of the ConfigMap that is shipped."""
    data = yaml.safe_load(Path("manifests/gitops/argocd/argocd-cm.yaml").read_text())["data"]
    path = tmp_path_factory.mktemp("argocd") / "health.lua"
    path.write_text(data["resource.customizations.health.astra-mirror.io_AppBackupMonitor"])
    return path


@pytest.fixture(scope="module")
def expressions() -> dict[str, str]:
    """The health expressions out of the Flux Kustomization that is shipped."""
    *_, document = yaml.safe_load_all(Path("manifests/gitops/flux-kustomization.yaml").read_text())
    [found] = document["spec"]["healthCheckExprs"]
    assert found["kind"] == "AppBackupMonitor"
    return {name: found[name] for name in ("inProgress", "failed", "current")}


def test_kstatus(rows: Rows) -> None:
    """With the message that a person needs."""
    verdicts = dict(zip(rows, judged(list(rows.values()), "kstatus"), strict=True))
    assert {name: each.status for name, each in verdicts.items()} == KSTATUS
    for name, each in verdicts.items():
        if each.status == "Failed":
            assert each.message == condition(rows[name]["status"], "Stalled")["message"]


def test_argo_cd(rows: Rows, health_check: Path) -> None:
    """A suspended one is Suspended, whatever is known of its objectives."""
    verdicts = dict(zip(rows, judged(list(rows.values()), "lua", str(health_check)), strict=True))
    expected = {name: "Suspended" if name.startswith("suspended") else ARGO[each] for name, each in KSTATUS.items()}
    assert {name: each.status for name, each in verdicts.items()} == expected


def test_flux(rows: Rows, expressions: dict[str, str]) -> None:
    """One of the three is true for each, and it is the one that kstatus says."""
    seen = [name for name in rows if name != "suspended-missed"]
    objects = [rows[name] for name in seen]
    true = {key: [each.status == "true" for each in judged(objects, "cel", text)] for key, text in expressions.items()}
    names = {"inProgress": "InProgress", "failed": "Failed", "current": "Current"}
    for number, row in enumerate(seen):
        assert [names[key] for key in true if true[key][number]] == [KSTATUS[row]], row


def test_a_new_generation_is_in_progress(rows: Rows, health_check: Path, expressions: dict[str, str]) -> None:
    """Until the operator has looked at it."""
    edited = [{**each, "metadata": {**each["metadata"], "generation": 2}} for each in rows.values()]
    assert {each.status for each in judged(edited, "kstatus")} == {"InProgress"}
    awake = [each for each in edited if not each["spec"].get("suspend")]
    assert {each.status for each in judged(awake, "lua", str(health_check))} == {"Progressing"}
    assert {each.status for each in judged(edited, "cel", expressions["inProgress"])} == {"true"}
