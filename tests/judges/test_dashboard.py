"""The dashboard and the alerts, with a real Prometheus that scrapes the operator and kube-state-metrics."""

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from astra_mirror.core.outcome import SyncReason
from dev.dashboard import FILE, dashboard_json
from dev.simulator import Simulator
from tests.e2e.monitors import DAILY, Monitors, ago, until
from tests.e2e.user import User
from tests.judges.scraping import MONITORING, Prometheus, Sample, prometheus
from tests.operator_process import Operator, StartOperator

_DASHBOARD: dict[str, Any] = json.loads(FILE.read_text())
_QUERIES = [
    pytest.param(target["expr"], id=f"{panel['title']}-{target['refId']}")
    for panel in _DASHBOARD["panels"]
    for target in panel.get("targets", ())
]
_RULES: dict[str, Any] = yaml.safe_load((MONITORING / "prometheusrule.yaml").read_text())["spec"]
_OUTAGE = 'ALERTS{alertname="AstraUnreachable",alertstate="firing"}'


def test_the_file_is_what_the_script_writes() -> None:
    """To change the dashboard, change dev/dashboard, and run make dashboard."""
    assert FILE.read_text() == dashboard_json()


def test_it_shows_what_the_page_says() -> None:
    """Each panel is on the page, and the page names no other."""
    page = Path("docs/recipes.md").read_text().split("\n### The dashboard\n")[1].split("\n#")[0]
    panels = [panel for panel in _DASHBOARD["panels"] if panel["type"] != "row"]
    assert re.findall(r"^\| (.+?) \|", page, re.MULTILINE)[1:] == [panel["title"] for panel in panels]
    for panel in panels:
        assert panel["description"]
        assert panel["targets"], panel["title"]


def test_it_names_no_data_source_of_ours() -> None:
    """Each query uses the one that is chosen above it."""
    sources = re.findall(r'"uid": "(?!astra-mirror")(.*?)"', FILE.read_text())
    assert set(sources) == {"${datasource}"}


class World:
    """A namespace that is mirrored, and the Prometheus that sees it."""

    def __init__(self, user: User, astra: Simulator, operator: Operator, seen: Prometheus) -> None:
        self.user, self.astra, self.operator, self.seen = user, astra, operator, seen

    def alerts(self) -> set[tuple[str, str]]:
        """What fires for the namespace, and about which object."""
        firing = self.seen.query(f'ALERTS{{alertstate="firing",namespace="{self.user.namespace}"}}')
        return {(each["alertname"], each.get("appbackupref") or each["appbackupmonitor"]) for each, _ in firing}


@contextmanager
def _world(
    user: User, astra: Simulator, start_operator: StartOperator, metrics: str, scratch: Path, rules: dict[str, Any]
) -> Iterator[World]:
    """One app with a good backup, a failed and a running one, and a monitor with one of two objectives met."""
    monitors = Monitors(user, astra)
    user.secret_for(astra)
    good = astra.add_backup("completes", seconds=0)
    good.set(backupCreationTimestamp=ago(hours=2))
    user.ref("good", good)
    user.ref("bad", astra.add_backup("fails", seconds=0))
    user.ref("running", astra.add_backup("stuck", seconds=1))
    monitors.apply(objectives=[DAILY, {"name": "hourly", "maxAge": "1h"}])
    operator = start_operator("--leader-elect", "--namespace", user.namespace, "--settled-interval", "1s")
    user.wait("good", "Succeeded")
    user.wait("bad", "Finished")
    monitors.wait("ObjectiveMissed")
    address = operator.wait_for_log(r"Serving HTTP on ([\d.:]+)")[1]
    with prometheus(scratch, address, metrics, rules) as seen:
        yield World(user, astra, operator, seen)


def _finite(samples: list[Sample]) -> bool:
    """Whether there is data. A quantile of nothing is not a number."""
    return any(math.isfinite(value) for _, value in samples)


def test_each_panel_has_data(
    user: User, astra: Simulator, start_operator: StartOperator, metrics: str, tmp_path: Path
) -> None:
    """Each query returns numbers, and the variable has values; what can be compared says what the status says."""
    with _world(user, astra, start_operator, metrics, tmp_path, {"groups": []}) as world:
        found = {each.id: world.seen.until(_filled(str(each.values[0]), user.namespace), _finite) for each in _QUERIES}
        assert found["Leader-A"][0][1] == 1
        assert {labels["state"] for labels, _ in found["Refs by state-A"]} == {"completed", "failed", "running"}
        assert [value for labels, value in found["Breakers and connections-C"] if labels["state"] == "answering"] == [1]
        assert sorted((labels["met"], value) for labels, value in found["Objectives-A"]) == [
            ("False", 1),
            ("True", 1),
            ("Unknown", 0),
        ]
        status = Monitors(user, astra).status()
        [(labels, taken)] = found["Newest good backup of each app-A"]
        assert (labels["app"], taken) == (astra.app, _milliseconds(status["newestCompleted"]["time"]))
        [(labels, deadline)] = found["Deadlines-A"]
        assert (labels["objective"], deadline) == ("daily", _milliseconds(status["deadline"]))
        [(labels, _)] = found["Objectives that are not met-A"]
        assert (labels["objective"], labels["met"]) == ("hourly", "False")
        [variable] = [each for each in _DASHBOARD["templating"]["list"] if each["name"] == "namespace"]
        metric, label = re.findall(r"label_values\((\w+), (\w+)\)", variable["query"])[0]
        assert user.namespace in {labels[label] for labels, _ in world.seen.query(metric)}


def _filled(expr: str, namespace: str) -> str:
    """The query with what Grafana puts into it."""
    expr = expr.replace("$__rate_interval", "15s").replace("$namespace", namespace)
    assert "$" not in expr
    return expr


def _milliseconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp() * 1000


def _at_once() -> dict[str, Any]:
    """The alerts without their waiting times; those that an outage mutes a second time, as if it muted nothing."""
    waits = {"for", "keep_firing_for"}
    rules = [{key: value for key, value in rule.items() if key not in waits} for rule in _RULES["groups"][0]["rules"]]
    muted = [rule for rule in rules if "ALERTS" in rule["expr"] and rule["alert"] != "AstraUnreachable"]
    copies = [
        {**rule, "alert": f"Unmuted{rule['alert']}", "expr": rule["expr"].replace("AstraUnreachable", "Nothing")}
        for rule in muted
    ]
    return {"groups": [{"name": "astra-mirror", "rules": [*rules, *copies]}]}


def test_one_outage_is_one_alert(
    user: User, astra: Simulator, start_operator: StartOperator, metrics: str, tmp_path: Path
) -> None:
    """A ref and a monitor that cannot be read then are silent; a failed backup and a missed objective are not."""
    always = {("AppBackupFailed", "bad"), ("AppBackupObjectiveMissed", "shop")}
    muted = {("UnmutedAppBackupNeverObserved", "new"), ("UnmutedAppBackupMonitorStale", "shop")}
    with _world(user, astra, start_operator, metrics, tmp_path, _at_once()) as world:
        world.seen.until('astra_mirror_reachability{state="answering"} == 1')
        until(lambda: world.alerts() == always)
        with astra.fault(status=503):
            world.seen.until(_OUTAGE)
            user.ref("new", astra.add_backup("completes", seconds=0))
            until(lambda: world.alerts() == always | muted)
            assert len(world.seen.query(_OUTAGE)) == 1
        world.seen.until(_OUTAGE, lambda found: not found)
        until(lambda: world.alerts() == always)


def test_every_alert_has_a_runbook() -> None:
    """It is relative, so that an administrator sets what stands before it."""
    for rule in _RULES["groups"][0]["rules"]:
        assert rule["annotations"]["runbook_url"] == f"docs/operations.md#{rule['alert']}"


def test_only_reasons_of_an_outage_are_muted() -> None:
    """Unreachable and ServerError, as the table of reasons has it; and never a failed backup or an objective."""
    reasons = {each for each in SyncReason if each.facts.means_outage}
    muted = {rule["alert"]: rule["expr"] for rule in _RULES["groups"][0]["rules"] if "ALERTS" in rule["expr"]}
    del muted["AstraUnreachable"]
    assert set(muted) == {"AppBackupMirrorStale", "AppBackupNeverObserved", "AppBackupMonitorStale"}
    for expr in muted.values():
        [named] = re.findall(r'type="Synced",status="False",reason=~"([\w|]+)"\} == 1\s+and on \(\)', expr)
        assert set(named.split("|")) == reasons
