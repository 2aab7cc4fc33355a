"""kube-state-metrics makes series of the refs, and promtool reads the alerts: both the real programs."""

import re
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from astra_mirror.core.outcome import SyncReason
from dev.judges import folder
from dev.simulator import Simulator
from tests.core.cases import ROWS
from tests.e2e.user import User
from tests.judges.monitors import KSTATUS as MONITORS
from tests.judges.scraping import MONITORING, get, kube_state_metrics
from tests.operator_process import StartOperator

Series = dict[tuple[tuple[str, str], ...], float]


def _series(address: str, name: str, *, until: Callable[[Series], object] = bool, **labels: str) -> Series:
    """The series of that name with these labels, once `until` says so; the program tells nobody when it has looked."""
    pause = threading.Event()
    found: Series = {}
    for _ in range(600):
        found = {}
        for line in re.findall(rf"^{name}{{(.*)}} (\S+)$", get(address), re.MULTILINE):
            pairs = tuple(re.findall(r'(\w+)="([^"]*)"', line[0]))
            if labels.items() <= dict(pairs).items():
                found[pairs] = float(line[1])
        if until(found):
            return found
        pause.wait(0.1)
    raise AssertionError(f"{name} with {labels}: {found}")


def test_series_of_a_ref(metrics: str) -> None:
    """Its IDs and state, each condition with its reason, and the progress."""
    [info] = _series(metrics, "kube_appbackupref_info", appbackupref="row-running")
    assert dict(info)["state"] == "running"
    assert {"account", "app", "backup", "namespace"} <= set(dict(info))
    conditions = _series(metrics, "kube_appbackupref_condition", appbackupref="row-failed")
    true = {
        (dict(each)["type"], dict(each)["status"], dict(each)["reason"]) for each, value in conditions.items() if value
    }
    assert ("Succeeded", "False", "BackupFailed") in true
    assert ("Stalled", "True", "BackupFailed") in true
    [percent] = _series(metrics, "kube_appbackupref_progress_percent", appbackupref="row-running").values()
    assert percent == 41
    [done] = _series(metrics, "kube_appbackupref_bytes_done", appbackupref="row-running").values()
    assert done == 1_288_490_188
    [suspended] = _series(metrics, "kube_appbackupref_suspended", appbackupref="row-suspended").values()
    assert suspended == 1


def test_an_api_server_that_streams_no_lists(account: Path, tmp_path: Path) -> None:
    """An older one: there a watch begins with a list, for which there is a right of its own."""
    with kube_state_metrics(account, tmp_path / "log", KUBE_FEATURE_WatchListClient="false") as address:
        _series(address, "kube_appbackupref_info", appbackupref="row-running")


def test_the_operators_lease_is_a_series(metrics: str, user: User, start_operator: StartOperator) -> None:
    """What the alert for an operator that is down is made of."""
    del user
    start_operator("--leader-elect").wait_for_log("Holding the Lease")
    renewed = _series(metrics, "kube_lease_renew_time", namespace="astra-mirror-system", lease="astra-mirror")
    assert min(renewed.values()) > 1_700_000_000


def test_each_alert_is_on_the_page() -> None:
    """The table in docs/recipes.md names them all, and no other."""
    rules = yaml.safe_load((MONITORING / "prometheusrule.yaml").read_text())["spec"]["groups"][0]["rules"]
    table = Path("docs/recipes.md").read_text().split("\n## Monitoring\n")[1]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == [rule["alert"] for rule in rules]


def test_series_of_a_monitor(metrics: str, monitor_rows: dict[str, Any], namespace: str) -> None:
    """Its IDs, conditions and objectives, the numbers of its backups, and the times in seconds since 1970."""
    del monitor_rows
    met: dict[str, Any] = {"namespace": namespace, "appbackupmonitor": "row-met"}
    [info] = _series(metrics, "kube_appbackupmonitor_info", **met)
    assert {"account", "app"} <= set(dict(info))
    objectives = _series(metrics, "kube_appbackupmonitor_objective", **met)
    assert {(dict(each)["objective"], dict(each)["met"]) for each, value in objectives.items() if value} == {
        ("daily", "True")
    }
    [taken] = _series(metrics, "kube_appbackupmonitor_newest_completed_time", **met).values()
    [deadline] = _series(metrics, "kube_appbackupmonitor_deadline", **met).values()
    assert deadline - taken == 26 * 3600
    daily = met | {"objective": "daily"}
    assert list(_series(metrics, "kube_appbackupmonitor_objective_deadline", **daily).values()) == [deadline]
    assert list(_series(metrics, "kube_appbackupmonitor_objective_newest_time", **daily).values()) == [taken]
    for name, number in {"total": 1, "selected": 1, "completed": 1, "in_progress": 0, "failed": 0}.items():
        assert list(_series(metrics, f"kube_appbackupmonitor_backups_{name}", **met).values()) == [number]
    asleep: dict[str, Any] = {"namespace": namespace, "appbackupmonitor": "row-suspended-met"}
    assert list(_series(metrics, "kube_appbackupmonitor_suspended", **asleep).values()) == [1]
    conditions = _series(metrics, "kube_appbackupmonitor_condition", namespace=namespace)
    assert {dict(each)["appbackupmonitor"] for each, value in conditions.items() if value} == {
        f"row-{name}" for name in MONITORS if name != "untouched"
    }


def test_every_series_in_the_alerts_exists(metrics: str, monitor_rows: dict[str, Any]) -> None:
    """An alert on a series that nobody makes would never fire."""
    del monitor_rows
    rules = yaml.safe_load((MONITORING / "prometheusrule.yaml").read_text())["spec"]["groups"][0]["rules"]
    used = {name for rule in rules for name in re.findall(r"\bkube_\w+", rule["expr"])}
    names = ("condition", "deadline", "objective_deadline", "objective_newest_time")
    of_monitors = {f"kube_appbackupmonitor_{each}" for each in names}
    assert used == {"kube_appbackupref_condition", "kube_lease_renew_time"} | of_monitors
    for name in used:
        assert _series(metrics, name)


def test_the_alerts_do_what_they_say(tmp_path: Path) -> None:
    """Promtool checks them and runs their unit tests."""
    spec = yaml.safe_load((MONITORING / "prometheusrule.yaml").read_text())["spec"]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(spec))
    shutil.copy("tests/judges/rules_test.yaml", tmp_path)
    for arguments in (["check", "rules", "rules.yaml"], ["test", "rules", "rules_test.yaml"]):
        ended = subprocess.run(
            [folder() / "promtool", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_alerts_unit_tests_can_fail(tmp_path: Path) -> None:
    """With another threshold they do."""
    spec = yaml.safe_load((MONITORING / "prometheusrule.yaml").read_text())["spec"]
    for rule in spec["groups"][0]["rules"]:
        rule["expr"] = rule["expr"].replace("> 60", "> 6000").replace("== 1", "== 2")
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(spec))
    shutil.copy("tests/judges/rules_test.yaml", tmp_path)
    command = [str(folder() / "promtool"), "test", "rules", "rules_test.yaml"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode != 0


# What each alert is for, as rows of the conditions table; a row that is in none of them is silent.
NEEDS_A_CREDENTIAL = {
    "never-Unauthorized",
    "never-Forbidden",
    "never-TLSVerificationFailed",
    "never-SecretNotFound",
    "never-SecretInvalid",
    "never-SecretForbidden",
    "never-URLNotAllowed",
}
NEEDS_ANOTHER_SPEC = {"never-InvalidRequest", "never-InvalidSpec"}
FIRES = {
    "AppBackupFailed": {"failed", "removed", "not-found", "not-found-observed-wanted", "failing-not-found"},
    "AppBackupHooksFailed": {"completed-hooks-failed-wanted"},
    "AppBackupMirrorStale": {"stale-needs-person", "stale-waits"},
    "AppBackupNeverObserved": {"nothing-yet", *(f"never-{each}" for each in SyncReason if each != "Observed")},
    "AppBackupCredentialRefused": {"failing-completed", "stale-needs-person", *NEEDS_A_CREDENTIAL},
    "AppBackupRefInvalid": NEEDS_ANOTHER_SPEC,
}


def test_what_needs_a_person_has_an_alert_that_says_so() -> None:
    """Each reason that the user has to end is in one of the two alerts, and no other reason is."""
    assert {
        f"never-{each}" for each in SyncReason if each.facts.requires_user_action
    } == NEEDS_A_CREDENTIAL | NEEDS_ANOTHER_SPEC


def test_each_row_of_the_conditions_table_fires_what_it_should(
    metrics: str, fresh_rows: dict[str, Any], namespace: str, tmp_path: Path
) -> None:
    """The series that kube-state-metrics makes of each row, standing for ten hours, judged by Prometheus itself."""
    names = {each["metadata"]["name"]: row for row, each in fresh_rows.items()}
    series = _series(
        metrics,
        "kube_appbackupref_condition",
        until=lambda found: len({dict(each)["appbackupref"] for each in found}) == len(ROWS),
        namespace=namespace,
    )
    firing = 'max by (alertname, appbackupref) (ALERTS{alertstate="firing", alertname=~"AppBackup.*"})'
    test = {
        "interval": "1m",
        "input_series": [
            {"series": f"kube_appbackupref_condition{_labels(*each)}", "values": f"{value:g}x600"}
            for each, value in series.items()
        ],
        "promql_expr_test": [
            {
                "expr": firing,
                "eval_time": "10h",
                "exp_samples": [
                    {"labels": _labels(("alertname", alert), ("appbackupref", name)), "value": 1}
                    for alert, fired in FIRES.items()
                    for name, row in names.items()
                    if row in fired
                ],
            }
        ],
    }
    spec = yaml.safe_load((MONITORING / "prometheusrule.yaml").read_text())["spec"]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(spec))
    (tmp_path / "rows.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": [test]}))
    command = [str(folder() / "promtool"), "test", "rules", "rows.yaml"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert {row for fired in FIRES.values() for row in fired} <= set(ROWS)


def _labels(*pairs: tuple[str, str]) -> str:
    return "{" + ", ".join(f'{name}="{value}"' for name, value in pairs) + "}"


def test_a_ref_that_fails_is_seen_by_kube_state_metrics(
    metrics: str, user: User, astra: Simulator, start_operator: StartOperator
) -> None:
    """The way from Astra's answer to the series that the alert reads."""
    user.secret_for(astra)
    user.ref("broken", astra.add_backup("fails", seconds=0))
    start_operator()
    user.wait("broken", "Finished")
    labels = {"namespace": user.namespace, "type": "Succeeded", "status": "False"}
    _series(metrics, "kube_appbackupref_condition", until=lambda found: 1.0 in found.values(), **labels)
