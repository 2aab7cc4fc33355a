"""What the pages say of monitors: the recipes are run as they stand, and what people must know is there."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from astra_mirror.api.app_backup_monitor import AppBackupMonitorSpec
from astra_mirror.core.spec import read_spec
from dev.controlplane import ControlPlane
from dev.simulator import Simulator
from tests.docs.recipes import marked_block, run_script
from tests.e2e.user import User
from tests.operator_process import StartOperator

README, REFERENCE, RECIPES = (Path(each).read_text() for each in ("README.md", "docs/reference.md", "docs/recipes.md"))


def _manifests() -> list[dict[str, Any]]:
    found = re.findall(r"```yaml\n(.*?)```", README + RECIPES, re.DOTALL)
    documents = [each for block in found for each in yaml.safe_load_all(block)]
    return [each for each in documents if "kind" in each and each["kind"] == "AppBackupMonitor"]


def test_each_monitor_on_a_page_is_one_that_is_read() -> None:
    """With IDs of its reader."""
    manifests = _manifests()
    assert len(manifests) == 3
    for each in manifests:
        assert isinstance(read_spec(AppBackupMonitorSpec, each["spec"]), AppBackupMonitorSpec)


def test_a_monitor_is_the_second_thing_that_a_reader_meets() -> None:
    """Before anything is built or installed."""
    assert README.index("**AppBackupRef**") < README.index("**AppBackupMonitor**") < README.index("## See it")


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (REFERENCE, "counts from when it was taken, not from its end: `maxAge` has to include its duration"),
        (RECIPES, "counts from when the backup was taken, not from its end: `maxAge` has to include"),
        (REFERENCE, "A server that always pages its lists makes monitors useless"),
        (REFERENCE, "`wait` fails it while last night's backup is missing: give monitors a Kustomization of their own"),
        (REFERENCE, "Labels by which Argo CD tracks its objects do not belong in `mirror.labels`"),
        (REFERENCE, "Refs that Velero restores with an old owner are collected and made again"),
        (
            RECIPES,
            "Argo CD tracks its objects (by default `app.kubernetes.io/instance`) do not belong in `mirror.labels`",
        ),
        (RECIPES, "Monitors have a Kustomization of their own"),
    ],
)
def test_what_people_must_know(page: str, words: str) -> None:
    """Each of the things that surprise."""
    assert words in " ".join(page.split())


def _monitor(user: User, astra: Simulator, block: str) -> None:
    manifest = yaml.safe_load(marked_block(block))
    manifest["spec"] |= {"accountID": astra.account, "appID": astra.app}
    user.apply(manifest)


@pytest.mark.parametrize(("minutes", "code"), [(10, 0), (70, 1)])
def test_a_gate(
    installed: ControlPlane,
    user: User,
    astra: Simulator,
    start_operator: StartOperator,
    minutes: int,
    code: int,
) -> None:
    """The script ends well only if there is a backup younger than an hour, and says which there is otherwise."""
    user.secret_for(astra)
    taken = datetime.now(UTC) - timedelta(minutes=minutes)
    backup = astra.add_backup("completes", seconds=0)
    backup.set(backupCreationTimestamp=taken.strftime("%Y-%m-%dT%H:%M:%SZ"))
    _monitor(user, astra, "recent")
    start_operator()
    ended = run_script(installed, installed.kubeconfig, marked_block("gate"), user.namespace, BACKUP_MONITOR="shop")
    assert ended.returncode == code, ended.stderr
    assert ("Objective recent is missed" in ended.stderr) is (code == 1)


def test_the_gate_when_the_list_cannot_be_read(
    installed: ControlPlane, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """What was known before is not enough."""
    user.secret_for(astra)
    backup = astra.add_backup("completes", seconds=0)
    backup.set(backupCreationTimestamp=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    _monitor(user, astra, "recent")
    start_operator()
    user.kubectl("wait", "--for=condition=ObjectivesMet", "abm/shop", "--timeout=60s")
    with astra.fault("*", status=503):
        ended = run_script(installed, installed.kubeconfig, marked_block("gate"), user.namespace, BACKUP_MONITOR="shop")
    assert ended.returncode == 1
    assert "ServerError" in ended.stderr
