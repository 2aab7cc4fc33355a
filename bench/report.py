"""The numbers as tables, as JSON and as a plot, next to the budgets that they are held to."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from matplotlib import rc_context
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from bench import page
from bench.budgets import Measured, budgets

ACTIVE: Final = 0.05
"""The share of running backups where nothing else is said."""
REFS: Final = 3000
APPS: Final = 60
"""On how many refs, and of how many apps, the cost of active refs and of apps is measured."""
Number = Callable[[dict[str, Any]], float]
_COLORS: Final = {"mirror": "#1f6feb", "stock": "#d1741f"}
_LABELS: Final = {"mirror": "astra-mirror", "stock": "stock Kopf timer"}


def write(measured: Measured, out: Path) -> bool:
    """Print the tables, write bench.json and bench.svg into `out`; whether every budget is kept."""
    held = list(budgets(measured))
    document = asdict(measured) | {"budgets": [asdict(each) | {"holds": each.holds} for each in held]}
    console = Console(width=200)
    console.print(_table("5% of the backups running, polled every 15 s", document["results"]))
    if measured.sweeps:
        console.print(_table("The cost of active refs, of apps, and of a token that may not list", document["sweeps"]))
    for title, rows in page.small_tables(document):
        console.print(_small_table(title, rows))
    (out / "bench.json").write_text(json.dumps(document, indent=1) + "\n")
    if (page_file := out / "performance.md").exists():
        page.write(document, page_file)
    plot(document, out / "bench.svg")
    return all(each.holds for each in held)


def _table(title: str, results: Sequence[dict[str, Any]]) -> Table:
    table = Table(title=title)
    for column in page.HEAD:
        table.add_column(column, justify="right")
    for each in results:
        table.add_row(*page.row(each))
    return table


def _small_table(title: str, rows: Sequence[tuple[str, ...]]) -> Table:
    table = Table(*rows[0], title=title)
    for each in rows[1:]:
        table.add_row(*each)
    return table


def plot(document: dict[str, Any], path: Path) -> None:
    """Draw what one bench.json says: the upper row against the number of refs, the lower one for the operator alone."""
    figure = Figure(figsize=(11, 6.4), layout="constrained")
    by_refs, by_share = figure.subplots(2, 3)
    for panel, (title, of) in zip(by_refs, _BY_REFS.items(), strict=True):
        _frame(panel, title, "AppBackupRefs")
        panel.set_yscale("log")
        for name, color in _COLORS.items():
            _line(panel, [each for each in document["results"] if each["operator"] == name], _refs, of, color, name)
    bare = [each for each in document["results"] if each["bare"]]
    by_refs[2].plot(
        list(map(_refs, bare)),
        [each["bare"] for each in bare],
        color="#888888",
        linestyle="--",
        label="bare loop of PATCHes",
    )
    by_refs[2].legend(fontsize=8)
    alike = [
        each
        for each in (*document["sweeps"], *document["results"])
        if each["operator"] == "mirror" and each["layout"]["lists"] and _refs(each) == REFS
    ]
    usual = [each for each in alike if each["layout"]["active"] == ACTIVE]
    active = [each for each in alike if each["layout"]["apps"] == APPS]
    for panel, (title, axis, measured, what, of) in zip(
        by_share,
        (
            ("steady state: CPU, % of a core", f"active, % of {REFS:,} refs", active, _active, _cpu),
            ("steady state: CPU, % of a core", f"apps of {REFS:,} refs", usual, _apps, _cpu),
            ("steady state: requests a minute", f"apps of {REFS:,} refs", usual, _apps, _requests),
        ),
        strict=True,
    ):
        _frame(panel, title, axis)
        panel.set_xscale("log" if what is _apps else "linear")
        _line(panel, measured, what, of, _COLORS["mirror"], "mirror")
        panel.set_ylim(bottom=0)
    # Without the date, and with names that are not drawn by lot, the file changes only when the numbers do.
    with rc_context({"svg.hashsalt": "bench"}):
        figure.savefig(path, metadata={"Date": None, "Creator": None})


def _frame(panel: Any, title: str, axis: str) -> None:  # noqa: ANN401 - matplotlib's types are not public
    panel.set_title(title, fontsize=10)
    panel.set_xlabel(axis)
    panel.grid(alpha=0.3)


def _line(
    panel: Any,  # noqa: ANN401
    measured: list[dict[str, Any]],
    x: Number,
    y: Number,
    color: str,
    name: str,
) -> None:
    measured = sorted(measured, key=x)
    panel.plot(list(map(x, measured)), list(map(y, measured)), color=color, marker="o", label=_LABELS[name])


def _refs(each: dict[str, Any]) -> float:
    return float(each["layout"]["refs"])


def _apps(each: dict[str, Any]) -> float:
    return float(each["layout"]["apps"])


def _active(each: dict[str, Any]) -> float:
    return 100 * float(each["layout"]["active"])


def _cpu(each: dict[str, Any]) -> float:
    return 100 * float(each["steady"]["cpu"])


def _requests(each: dict[str, Any]) -> float:
    return 60 * float(each["steady"]["requests"]) / float(each["steady"]["seconds"])


def _memory(each: dict[str, Any]) -> float:
    return float(each["first"]["growth"])


def _pass(each: dict[str, Any]) -> float:
    return float(each["first"]["seconds"])


_BY_REFS: Final[dict[str, Number]] = {
    "steady state: CPU, % of a core": _cpu,
    "memory growth, MiB": _memory,
    "first full pass, s": _pass,
}
