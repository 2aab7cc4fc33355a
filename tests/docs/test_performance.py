"""docs/performance.md has the numbers that the benchmark printed."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench import page

DOCS = Path("docs")


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    """What the last whole run wrote."""
    found: dict[str, Any] = json.loads((DOCS / "bench.json").read_text())
    return found


def test_page_has_the_numbers_of_the_last_run(measured: dict[str, Any]) -> None:
    """The tables are made from bench.json and by nobody's hand."""
    assert page.block(DOCS / "performance.md") == page.tables(measured)


def test_readme_says_what_was_measured(measured: dict[str, Any]) -> None:
    """Under two hundredths of a core."""
    (largest,) = (
        each for each in measured["results"] if (each["operator"], each["layout"]["refs"]) == ("mirror", 10_000)
    )
    assert "less than two hundredths of a core" in Path("README.md").read_text()
    assert 0.01 <= largest["steady"]["cpu"] < 0.02


def test_verdicts_are_those_of_the_numbers(measured: dict[str, Any]) -> None:
    """A verdict follows from its number; three budgets are also kept within 10% of the floor without our code."""
    for each in measured["budgets"]:
        kept = each["value"] >= each["limit"] if each["at_least"] else each["value"] <= each["limit"]
        kept = kept or (each["floor"] is not None and each["value"] <= 1.1 * each["floor"])
        assert kept is each["holds"], each["name"]


def test_every_budget_holds(measured: dict[str, Any]) -> None:
    """All that design and issue name, with 10,000 refs; those of a token that may not list, with 3,000."""
    assert [each["name"] for each in measured["budgets"] if not each["holds"]] == []
    assert len(measured["budgets"]) == 17
    refs = {each["layout"]["refs"] for each in measured["results"]}
    assert max(refs) == 10_000


def test_both_operators_were_measured_with_each_number_of_refs(measured: dict[str, Any]) -> None:
    """With 1,000, 3,000 and 10,000."""
    found = {(each["operator"], each["layout"]["refs"]) for each in measured["results"]}
    assert found == {(name, refs) for name in ("mirror", "stock") for refs in (1000, 3000, 10_000)}


def test_sweeps_are_over_active_refs_and_apps(measured: dict[str, Any]) -> None:
    """What each of them costs, and what a token costs that may not list."""
    layouts = [each["layout"] for each in measured["sweeps"]]
    assert {each["active"] for each in layouts if each["lists"]} == {0.0, 0.05, 0.25, 1.0}
    assert {each["apps"] for each in layouts if each["lists"]} == {6, 60, 600, 3000}
    assert [each["lists"] for each in layouts].count(False) == 1


def test_plot_is_there() -> None:
    """An SVG."""
    assert "<svg" in (DOCS / "bench.svg").read_text()
