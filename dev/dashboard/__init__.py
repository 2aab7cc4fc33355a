"""The Grafana dashboard, written with Grafana's own library, which knows what a panel may have.

Each query is in this file once. Prometheus has to scrape the operator, and kube-state-metrics with the configuration in
manifests/monitoring.
"""

import json
from pathlib import Path
from typing import Final, NamedTuple

from grafana_foundation_sdk.builders.common import StackingConfig
from grafana_foundation_sdk.builders.dashboard import Dashboard, DatasourceVariable, QueryVariable, Row
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.table import Panel as Table
from grafana_foundation_sdk.builders.timeseries import Panel as TimeSeries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import StackingMode
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DataTransformerConfig,
    VariableOption,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

FILE: Final = Path(__file__).parents[2] / "manifests" / "monitoring" / "dashboard.json"
_SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
_SELECTED: Final = '{namespace=~"$namespace"}'
_MILLISECONDS: Final = 1000
"""Grafana shows times that are in milliseconds since 1970, and Prometheus has seconds."""


class Query(NamedTuple):
    """A query in PromQL, and what its series are called."""

    expr: str
    legend: str


def dashboard_json() -> str:
    """The dashboard, as Grafana reads it from a file."""
    return f"{json.dumps(_dashboard().build(), cls=JSONEncoder, indent=2)}\n"


def _dashboard() -> Dashboard:
    dashboard = (
        Dashboard("astra-mirror")
        .uid("astra-mirror")
        .description("The backups that Astra Control has, and the operator that mirrors them.")
        .tags(["astra-mirror", "backup"])
        .timezone("browser")
        .time("now-6h", "now")
        .refresh("1m")
        .with_variable(DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_namespaces())
    )
    return _health(_traffic(_objectives(_backups(dashboard))))


def _namespaces() -> QueryVariable:
    return (
        QueryVariable("namespace")
        .label("Namespace")
        .description("The namespaces whose monitors are shown.")
        .datasource(_SOURCE)
        .query("label_values(kube_appbackupmonitor_info, namespace)")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(VariableOption(selected=True, text="All", value="$__all"))
    )


def _backups(dashboard: Dashboard) -> Dashboard:
    app = "namespace, account, app"
    return (
        dashboard.with_row(Row("Backups"))
        .with_panel(
            _stacked(
                "Refs by state",
                "The AppBackupRefs of all namespaces by the state of their backup; none: not observed yet.",
                Query("sum by (state) (astra_mirror_refs)", "{{state}}"),
            ).span(8)
        )
        .with_panel(
            _table(
                "Newest good backup of each app",
                "When the newest backup that is complete was taken. Apps without a good backup are not listed.",
                f"max by ({app}) (kube_appbackupmonitor_newest_completed_time{_SELECTED}"
                " * on (namespace, appbackupmonitor) group_left (account, app)"
                f" max by (namespace, appbackupmonitor, account, app) (kube_appbackupmonitor_info)) * {_MILLISECONDS}",
                value="Taken",
            ).span(16)
        )
    )


def _objectives(dashboard: Dashboard) -> Dashboard:
    each = "namespace, appbackupmonitor, objective"
    unmet = 'kube_appbackupmonitor_objective{namespace=~"$namespace",met!="True"}'
    return (
        dashboard.with_row(Row("Objectives"))
        .with_panel(
            _stacked(
                "Objectives",
                "How many objectives of monitors are met, are not, or cannot be judged.",
                Query(f"sum by (met) (kube_appbackupmonitor_objective{_SELECTED})", "met: {{met}}"),
            ).span(8)
        )
        .with_panel(
            _table(
                "Deadlines",
                "When each objective that is met will be missed unless another backup completes.",
                f"max by ({each}) (kube_appbackupmonitor_objective_deadline{_SELECTED}) * {_MILLISECONDS}",
                value="Deadline",
            ).span(8)
        )
        .with_panel(
            _table(
                "Objectives that are not met",
                "False: no good backup is recent enough. Unknown: that cannot be judged.",
                f"max by ({each}, met) ({unmet} == 1)",
            ).span(8)
        )
    )


def _traffic(dashboard: Dashboard) -> Dashboard:
    polls, requests = _rate("astra_mirror_observations_total"), _rate("astra_mirror_remote_requests_total")
    return (
        dashboard.with_row(Row("Operator"))
        .with_panel(
            _lines(
                "Polls by result",
                "Polls that have ended, each second, by the reason that the condition Synced has then.",
                Query(f"sum by (kind, result) ({polls})", "{{kind}} {{result}}"),
                unit="cps",
            ).span(8)
        )
        .with_panel(
            _lines(
                "Requests to Astra Control",
                "Each second, by HTTP status code; none: no response.",
                Query(f"sum by (endpoint, code) ({requests})", "{{endpoint}} {{code}}"),
                unit="reqps",
            ).span(8)
        )
        .with_panel(
            _lines(
                "Duration of requests",
                "The time within which 95% of the requests to Astra Control end.",
                Query(_quantile(0.95, "astra_mirror_remote_request_seconds", "endpoint"), "{{endpoint}}"),
                unit="s",
            ).span(8)
        )
    )


def _health(dashboard: Dashboard) -> Dashboard:
    lateness = "astra_mirror_poll_lateness_seconds"
    return (
        dashboard.with_panel(
            _lines(
                "Lateness of polls",
                "How long after their due time 50% and 99% of the polls have started.",
                Query(_quantile(0.5, lateness, "kind"), "{{kind}} 50%"),
                Query(_quantile(0.99, lateness, "kind"), "{{kind}} 99%"),
                unit="s",
            ).span(8)
        )
        .with_panel(
            _lines(
                "Breakers and connections",
                "Open circuit breakers; connections by their breaker's state; on how many Astra Control answers.",
                Query("sum(astra_mirror_breakers_open)", "open breakers"),
                Query("sum by (state) (astra_mirror_connections)", "connections: {{state}}"),
                Query("sum by (state) (astra_mirror_reachability)", "Astra Control: {{state}}"),
            ).span(8)
        )
        .with_panel(
            _lines(
                "Leader",
                "1 for each process that polls: one, or one for each shard.",
                Query("max by (instance) (astra_mirror_leader)", "{{instance}}"),
            )
            .max(1)
            .span(8)
        )
    )


def _rate(counter: str) -> str:
    return f"rate({counter}[$__rate_interval])"


def _quantile(share: float, histogram: str, label: str) -> str:
    return f"histogram_quantile({share}, sum by (le, {label}) ({_rate(f'{histogram}_bucket')}))"


def _query(number: int, query: Query) -> Dataquery:
    return Dataquery().datasource(_SOURCE).ref_id(chr(ord("A") + number)).expr(query.expr).legend_format(query.legend)


def _lines(title: str, description: str, *queries: Query, unit: str = "short") -> TimeSeries:
    panel = TimeSeries().title(title).description(description).datasource(_SOURCE).height(8).unit(unit).min(0)
    for number, query in enumerate(queries):
        panel = panel.with_target(_query(number, query).range())
    return panel


def _stacked(title: str, description: str, query: Query) -> TimeSeries:
    return _lines(title, description, query).stacking(StackingConfig().mode(StackingMode.NORMAL)).fill_opacity(30)


def _table(title: str, description: str, expr: str, *, value: str | None = None) -> Table:
    """A row for each series. A `value` is the name of the column with a time, shown as how long ago or how soon."""
    hidden = {"Time": True, "Value": value is None}
    organized = {"excludeByName": hidden, "renameByName": {"Value": value or "Value", **_COLUMNS}}
    query = _query(0, Query(expr, "")).instant().format(PromQueryFormat.TABLE)
    panel = Table().title(title).description(description).datasource(_SOURCE).height(8).no_value("none")
    panel = panel.unit("dateTimeFromNow").with_target(query)
    return panel.with_transformation(DataTransformerConfig(id_val="organize", options=organized))


_COLUMNS: Final = {
    "namespace": "Namespace",
    "appbackupmonitor": "Monitor",
    "objective": "Objective",
    "account": "Account",
    "app": "App",
    "met": "Met",
}
