"""The tables of docs/performance.md, made from bench.json, so that the page has the numbers that were printed."""

import re
from pathlib import Path
from typing import Any, Final

_BLOCK: Final = re.compile(r"(?<=<!-- bench -->\n).*?(?=<!-- end -->)", re.DOTALL)
HEAD: Final = (
    "operator", "refs", "apps", "active", "pass, s", "bare loop, s", "ratios", "pass CPU, s", "writes", "requests",
    "memory, MiB", "peak", "CPU, %", "writes/min", "requests/min", "polls", "within 1 s", "restart, s",
)  # fmt: skip


def tables(document: dict[str, Any]) -> str:
    """The Markdown of one bench.json."""
    parts = [_table([HEAD, *map(row, document["results"])])]
    if document["sweeps"]:
        parts.append(_table([HEAD, *map(row, document["sweeps"])]))
    budgets = [(each["name"], f"{each['value']:.2f}", _limit(each), _verdict(each)) for each in document["budgets"]]
    parts.append(_table([("budget", "measured", "limit", ""), *budgets]))
    return "\n\n".join(parts) + "\n"


def write(document: dict[str, Any], page: Path) -> None:
    """Put the tables into the page."""
    page.write_text(_BLOCK.sub(lambda _: tables(document), page.read_text()))


def block(page: Path) -> str:
    """The tables that the page has."""
    found = _BLOCK.search(page.read_text())
    return found[0] if found else ""


def _table(rows: list[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


def row(result: dict[str, Any]) -> tuple[str, ...]:
    """The cells of one result, as `HEAD` names them."""
    layout, first, steady = result["layout"], result["first"], result["steady"]
    per_minute = 60 / steady["seconds"]
    return (
        result["operator"],
        f"{layout['refs']:,}",
        f"{layout['apps']:,}",
        f"{layout['active']:.0%}" + ("" if layout["lists"] else ", no lists"),
        f"{first['seconds']:.1f}" if not first["missing"] else f"{first['missing']:,} missing",
        f"{result['bare']:.1f}" if result["bare"] else "",
        " ".join(f"{each:.2f}" for each in result["ratios"]),
        f"{first['cpu']:.1f}",
        f"{first['writes']:,}",
        f"{first['requests']:,}",
        f"{first['growth']:.0f}",
        f"{first['peak']:.0f}",
        f"{100 * steady['cpu']:.2f}",
        f"{steady['writes'] * per_minute:.0f}",
        f"{steady['requests'] * per_minute:.0f}",
        f"{steady['polls']:,}",
        "" if steady["on_time"] is None else f"{steady['on_time']:.1%}",
        f"{result['restart']['seconds']:.1f}" if result["restart"] else "",
    )


def _limit(budget: dict[str, Any]) -> str:
    return f"{'at least' if budget['at_least'] else 'at most'} {budget['limit']:g}"


def _verdict(budget: dict[str, Any]) -> str:
    return "holds" if budget["holds"] else "**broken**"
