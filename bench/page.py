"""The tables of docs/performance.md, made from bench.json, so that the page has the numbers that were printed."""

import re
from collections.abc import Iterator
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
    parts += [_table(rows) for _, rows in small_tables(document)]
    return "\n\n".join(parts) + "\n"


def small_tables(document: dict[str, Any]) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    """What is no cost of refs, with a title each: heads and rows; last the budgets."""
    for result in document["results"]:
        if watched := result["watched"]:
            yield "The first pass, against a bare loop of equal PATCHes that holds a watch", _watched(result, watched)
    if document["polls"]:
        yield "One poll, where no list can be shared", _polls(document["polls"])
    if document["memory"]:
        yield "An idle process", _memory(document["memory"])
    if document.get("monitors"):
        yield "Monitors", _monitors(document["monitors"], document["made"])
    yield "The budgets", [("budget", "measured", "limit", ""), *map(_budget, document["budgets"])]


def _watched(result: dict[str, Any], watched: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (f"first pass of {result['layout']['refs']:,} refs", "times a bare loop that holds a watch"),
        ("mirror", " ".join(f"{each:.2f}" for each in watched["ratios"])),
        ("a Kopf watch and a raw client's PATCHes", f"{watched['floor']:.2f}"),
    ]


def _polls(polls: dict[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("no lists, 20 ms latency", "polls a second", "CPU a poll, ms", "times stock")]
    for name, title in (("mirror", "mirror"), ("stock", "stock"), ("floor", "aiohttp alone")):
        rate, cost = polls[name]["rate"], polls[name]["cost"]
        rows.append((title, f"{rate:.1f}", f"{cost:.2f}", f"{cost / polls['stock']['cost']:.2f}"))
    return rows


def _memory(memory: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    rows = ((f"{each['refs']:,}", f"{each['mirror']:.1f}", f"{each['floor']:.1f}") for each in memory)
    return [("idle with so many refs", "mirror, MiB", "the libraries and a Kopf watch alone, MiB"), *rows]


def _monitors(beside: dict[str, Any], made: dict[str, Any]) -> list[tuple[str, ...]]:
    head = ("", "until done, s", "CPU, s", "writes", "requests", "memory, MiB", "CPU, %", "writes/min", "requests/min")
    layout = beside["layout"]
    return [
        head,
        _cost(f"{layout['monitors']:,} monitors beside {layout['refs']:,} refs", beside["first"], beside["steady"]),
        _cost(f"{made['monitors']:,} monitors that make {made['refs']:,} refs", made, made["steady"]),
    ]


def _cost(name: str, first: dict[str, Any], steady: dict[str, Any]) -> tuple[str, ...]:
    per_minute = 60 / steady["seconds"]
    return (
        name,
        f"{first['seconds']:.1f}" if not first["missing"] else f"{first['missing']:,} missing",
        f"{first['cpu']:.1f}",
        f"{first['writes']:,}",
        f"{first['requests']:,}",
        f"{first['growth']:.0f}",
        f"{100 * steady['cpu']:.2f}",
        f"{steady['writes'] * per_minute:.0f}",
        f"{steady['requests'] * per_minute:.0f}",
    )


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


def _budget(budget: dict[str, Any]) -> tuple[str, ...]:
    limit = f"{'at least' if budget['at_least'] else 'at most'} {budget['limit']:g}"
    return budget["name"], f"{budget['value']:.2f}", limit, _verdict(budget)


def _verdict(budget: dict[str, Any]) -> str:
    if not budget["holds"]:
        return "**broken**"
    is_within = budget["value"] >= budget["limit"] if budget["at_least"] else budget["value"] <= budget["limit"]
    return "holds" if is_within else f"within 10% of the floor, {budget['floor']:.2f}"
