"""kstatus, Argo CD and Flux's CEL judge each row of the conditions table, and each moment of a backup's life."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.judges import judged
from dev.simulator import Simulator
from tests.e2e.user import User, condition
from tests.operator_process import StartOperator

Rows = dict[str, dict[str, Any]]

# What the contract's conditions mean to kstatus, row by row; the rows that never saw an observation are below.
KSTATUS = {
    "untouched": "InProgress",
    "nothing-yet": "InProgress",
    "pending": "InProgress",
    "discovering": "InProgress",
    "running": "InProgress",
    "completed": "Current",
    "completed-hooks-failed": "Current",
    "completed-hooks-failed-wanted": "Failed",
    "completed-no-hooks-wanted": "Current",
    "failed": "Failed",
    "removed": "Failed",
    "deleting": "Failed",
    "unknown": "InProgress",
    "unrecognized": "InProgress",
    "not-found": "Failed",
    "not-found-observed-wanted": "Failed",
    "observed-wanted": "Current",
    "suspended": "InProgress",
    "suspended-at-once": "InProgress",
    "failing-running": "InProgress",
    "failing-completed": "Current",
    "failing-not-found": "Failed",
    "stale-needs-person": "Failed",
    "stale-waits": "InProgress",
    "never-InvalidRequest": "Failed",
    "never-Unauthorized": "Failed",
    "never-Forbidden": "Failed",
    "never-SecretNotFound": "Failed",
    "never-SecretInvalid": "Failed",
    "never-SecretForbidden": "Failed",
    "never-URLNotAllowed": "Failed",
    "never-TLSVerificationFailed": "Failed",
    "never-InvalidSpec": "Failed",
    "never-SecretUnreadable": "InProgress",
    "never-ServerError": "InProgress",
    "never-RateLimited": "InProgress",
    "never-Unreachable": "InProgress",
    "never-ListIncomplete": "InProgress",
    "never-UnexpectedResponse": "InProgress",
}
ARGO = {"Current": "Healthy", "Failed": "Degraded", "InProgress": "Progressing"}
SUSPENDED = {"suspended", "suspended-at-once"}


def _message(item: dict[str, Any], kind: str) -> str:
    return str(condition(item["status"], kind)["message"])


@pytest.fixture(scope="session")
def health_check(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Lua script out of the ConfigMap that is shipped."""
    data = yaml.safe_load(Path("manifests/gitops/argocd/argocd-cm.yaml").read_text())["data"]
    path = tmp_path_factory.mktemp("argocd") / "health.lua"
    path.write_text(data["resource.customizations.health.astra-mirror.io_AppBackupRef"])
    return path


@pytest.fixture(scope="session")
def expressions() -> dict[str, str]:
    """The health expressions out of the Flux Kustomization that is shipped."""
    documents = yaml.safe_load_all(Path("manifests/gitops/flux-kustomization.yaml").read_text())
    [found] = next(documents)["spec"]["healthCheckExprs"]
    return {name: found[name] for name in ("inProgress", "failed", "current")}


def test_every_row_is_here(rows: Rows) -> None:
    """A row that is added to the table has to be added to these tests."""
    assert set(rows) == set(KSTATUS)


def test_kstatus_judges_each_row(rows: Rows) -> None:
    """Flux and the kustomize-based appliers see what the contract means."""
    verdicts = dict(zip(rows, judged(list(rows.values()), "kstatus"), strict=True))
    assert {name: each.status for name, each in verdicts.items()} == KSTATUS
    for name, each in verdicts.items():
        if each.status == "Failed":
            assert each.message == _message(rows[name], "Stalled")


def test_argo_cd_judges_each_row(rows: Rows, health_check: Path) -> None:
    """With the message that a person needs."""
    verdicts = dict(zip(rows, judged(list(rows.values()), "lua", str(health_check)), strict=True))
    expected = {name: "Suspended" if name in SUSPENDED else ARGO[each] for name, each in KSTATUS.items()}
    assert {name: each.status for name, each in verdicts.items()} == expected
    for name, each in verdicts.items():
        if name != "untouched":
            assert each.message == _message(rows[name], "Ready")


def test_flux_expressions_agree_with_kstatus(rows: Rows, expressions: dict[str, str]) -> None:
    """One of the three is true for each row, and it is the one that kstatus says."""
    # What is suspended is none of the three unless it is ready: Flux goes on waiting, as kstatus does.
    seen = [name for name in rows if name not in SUSPENDED]
    objects = [rows[name] for name in seen]
    true = {key: [each.status == "true" for each in judged(objects, "cel", text)] for key, text in expressions.items()}
    names = {"inProgress": "InProgress", "failed": "Failed", "current": "Current"}
    for number, row in enumerate(seen):
        assert [names[key] for key in true if true[key][number]] == [KSTATUS[row]], row


def test_a_new_generation_is_in_progress(rows: Rows, health_check: Path, expressions: dict[str, str]) -> None:
    """Until the operator has looked at it, whatever the conditions say of the old one."""
    edited = [{**each, "metadata": {**each["metadata"], "generation": 2}} for each in rows.values()]
    assert {each.status for each in judged(edited, "kstatus")} == {"InProgress"}
    awake = [each for each in edited if not each["spec"].get("suspend")]
    assert {each.status for each in judged(awake, "lua", str(health_check))} == {"Progressing"}
    assert {each.status for each in judged(edited, "cel", expressions["inProgress"])} == {"true"}


def test_flux_objects_are_what_flux_reads() -> None:
    """Two Kustomizations, of which one depends on the other, and one of monitors on which nothing depends."""
    backups, migration, monitors = yaml.safe_load_all(Path("manifests/gitops/flux-kustomization.yaml").read_text())
    assert backups["spec"]["wait"] is True
    assert migration["spec"]["dependsOn"] == [{"name": backups["metadata"]["name"]}]
    assert monitors["spec"]["wait"] is True


def test_a_life_as_the_judges_see_it(
    user: User, astra: Simulator, start_operator: StartOperator, health_check: Path
) -> None:
    """From the creation to the deletion, with every version in between that the API server ever had."""
    user.secret_for(astra)
    backup = astra.add_backup("stuck", seconds=0.001)
    with user.history("ref") as history:
        user.ref("ref", backup)
        start_operator("--settled-interval", "1s")
        user.wait_reason("ref", "BackupInProgress")
        backup.set(state="completed", percentDone=100)
        user.wait("ref", "Ready")
        backup.set(state="removed", stateUnready=["The bucket was detached"])
        user.wait_reason("ref", "BackupRemoved")
        user.kubectl("patch", "abr", "ref", "--type=merge", "--patch", '{"metadata": {"finalizers": ["a.test/wait"]}}')
        user.kubectl("delete", "abr", "ref", "--wait=false")
        user.kubectl("wait", "--for=jsonpath={.metadata.deletionTimestamp}", "abr/ref", "--timeout=60s")
        user.kubectl("patch", "abr", "ref", "--type=merge", "--patch", '{"metadata": {"finalizers": null}}')
        versions = history.until_deleted()
    seen = [each.status for each in judged(versions, "kstatus")]
    stages = [each for number, each in enumerate(seen) if number == 0 or seen[number - 1] != each]
    assert stages == ["InProgress", "Current", "Failed", "Terminating"]
    living = [each for each in versions if "deletionTimestamp" not in each["metadata"]]
    argo = [each.status for each in judged(living, "lua", str(health_check))]
    stages = [each for number, each in enumerate(argo) if number == 0 or argo[number - 1] != each]
    assert stages == ["Progressing", "Healthy", "Degraded"]
