"""The numbers as a table, as JSON and as a plot, next to the budgets that they are held to."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from bench import page
from bench.measure import Result
from bench.world import TICK

_COLORS: Final = {"mirror": "#1f6feb", "stock": "#d1741f"}
_LABELS: Final = {"mirror": "astra-mirror", "stock": "stock Kopf timer"}


@dataclass(frozen=True)
class Budget:
    """One promise: what was measured, and the most (or least) that it may be."""

    name: str
    value: float
    limit: float
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether it is kept."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def budgets(results: list[Result], hold: float) -> Iterator[Budget]:
    """The promises of the project, for the largest number of refs that was measured."""
    mirror = max((each for each in results if each.operator == "mirror"), key=lambda each: each.layout.refs)
    refs, apps = mirror.layout.refs, mirror.layout.apps
    of = f" with {refs:,} refs"
    if mirror.bare:
        yield Budget(f"first full pass, times the bare loop of PATCHes{of}", mirror.first.seconds / mirror.bare, 1.5)
    yield Budget(f"memory growth, MiB{of}", mirror.first.growth, 150)
    yield Budget(f"steady CPU, % of a core{of}", 100 * mirror.steady.cpu, 3)
    yield Budget(f"steady writes{of}", mirror.steady.writes, 0)
    rounds = mirror.steady.seconds / 15 + 1
    yield Budget(f"steady requests an app and interval{of}", mirror.steady.requests / rounds / apps, 1)
    for name, steady in (("", mirror.steady), (", a tenth of the answers hanging", mirror.hanging)):
        if steady is not None and steady.on_time is not None:
            yield Budget(f"polls that start within 1 s{of}{name}, %", 100 * steady.on_time, 99.9, at_least=True)
    yield Budget("longest hold of the event loop while a list of 64 MiB is read, ms", hold, 50)
    stock = [each for each in results if each.operator == "stock" and each.layout == mirror.layout]
    for each in stock:
        # What takes no time that can be measured takes less than one tick of the clock.
        cpu = max(mirror.steady.cpu, TICK / mirror.steady.seconds)
        yield Budget(f"CPU a ref, times less than stock{of}", each.steady.cpu / cpu, 20, at_least=True)


def write(results: list[Result], swept: list[Result], hold: float, out: Path) -> bool:
    """Print the tables, write bench.json and bench.svg into `out`; whether every budget is kept."""
    console = Console(width=170)
    console.print(_table("5% of the backups running, polled every 15 s", results))
    if swept:
        console.print(_table("The cost of active refs and of apps", swept))
    held = list(budgets(results, hold))
    verdicts = Table("budget", "measured", "limit", "")
    for each in held:
        sign = "≥" if each.at_least else "≤"
        verdicts.add_row(each.name, f"{each.value:.2f}", f"{sign} {each.limit:g}", "holds" if each.holds else "BROKEN")
    console.print(verdicts)
    document = {
        "results": [asdict(each) for each in results],
        "sweeps": [asdict(each) for each in swept],
        "budgets": [asdict(each) | {"holds": each.holds} for each in held],
    }
    (out / "bench.json").write_text(json.dumps(document, indent=1) + "\n")
    if (page_file := out / "performance.md").exists():
        page.write(document, page_file)
    _plot(results, out / "bench.svg")
    return all(each.holds for each in held)


def _table(title: str, results: list[Result]) -> Table:
    table = Table(title=title)
    for column in (
        "operator", "refs", "apps", "active", "pass s", "bare s", "pass CPU s", "writes", "requests", "grown MiB",
        "CPU %", "writes/min", "requests/min", "within 1 s", "p99 late s",
    ):  # fmt: skip
        table.add_column(column, justify="right")
    for each in results:
        first, steady = each.first, each.steady
        per_minute = 60 / steady.seconds
        table.add_row(
            each.operator,
            f"{each.layout.refs:,}",
            f"{each.layout.apps:,}",
            f"{each.layout.active:.0%}",
            f"{first.seconds:.1f}",
            f"{each.bare:.1f}" if each.bare else "",
            f"{first.cpu:.1f}",
            f"{first.writes:,}",
            f"{first.requests:,}",
            f"{first.growth:.0f}",
            f"{100 * steady.cpu:.2f}",
            f"{steady.writes * per_minute:.0f}",
            f"{steady.requests * per_minute:.0f}",
            "" if steady.on_time is None else f"{steady.on_time:.1%}",
            "" if steady.late is None else f"{steady.late:.2f}",
        )
    return table


def _plot(results: list[Result], path: Path) -> None:
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    panels = figure.subplots(1, 3)
    for panel, title in zip(
        panels, ("steady state: CPU, % of a core", "memory growth, MiB", "first full pass, s"), strict=True
    ):
        panel.set_title(title, fontsize=10)
        panel.set_xlabel("AppBackupRefs")
        panel.set_yscale("log")
        panel.grid(alpha=0.3)
    for name, color in _COLORS.items():
        measured = [each for each in results if each.operator == name]
        refs = [each.layout.refs for each in measured]
        style = {"color": color, "marker": "o", "label": _LABELS[name]}
        panels[0].plot(refs, [100 * each.steady.cpu for each in measured], **style)
        panels[1].plot(refs, [each.first.growth for each in measured], **style)
        panels[2].plot(refs, [each.first.seconds for each in measured], **style)
    bare = [each for each in results if each.bare is not None]
    panels[2].plot(
        [each.layout.refs for each in bare],
        [each.bare for each in bare],
        color="#888888",
        linestyle="--",
        label="bare loop of PATCHes",
    )
    panels[2].legend(fontsize=8)
    # Without the date the file changes only when the numbers do.
    figure.savefig(path, metadata={"Date": None, "Creator": None})
