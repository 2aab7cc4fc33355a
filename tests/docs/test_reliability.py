"""docs/reliability.md is true: each party and fault has its cell, and each test that a cell names is there and runs."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest

PAGE: Final = Path("docs/reliability.md").read_text()
PARTIES: Final = ("API server", "etcd", "Astra Control", "Network", "Credentials", "The operator", "Another operator")
_NOT_RUN: Final = re.compile(r"mark\.(skip|skipif|xfail)$")
FAULTS: Final = ["killed", "restarted", "frozen", "slow", "errors", "garbage"]


def _rows(party: str) -> list[list[str]]:
    """The cells of the table below a party's heading."""
    section = PAGE.split(f"\n## {party}\n")[1].split("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]


def _marks(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    return {ast.unparse(each.func if isinstance(each, ast.Call) else each) for each in function.decorator_list}


@cache
def _tests(path: str) -> dict[str, set[str]]:
    """The tests of a file, each with its decorators; those of a class as well."""
    tree = ast.parse(Path(path).read_text())
    functions = [each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {each.name: _marks(each) for each in functions if each.name.startswith("test_")}


@pytest.mark.parametrize("party", PARTIES)
def test_every_cell_has_its_test_and_its_bound(party: str) -> None:
    """And one of its tests at least is not among those that take minutes."""
    head, _, *rows = _rows(party)
    assert head == ["fault", "what holds", "bound", "test"]
    assert [row[0] for row in rows] == FAULTS
    for fault, holds, bound, tests in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", tests)
        assert named, (party, fault)
        assert holds.endswith("."), (party, fault)
        assert bound, (party, fault)
        assert tests == ", ".join(f"`{path}::{name}`" for path, name in named), (party, fault)
        for path, name in named:
            assert name in _tests(path), f"{party}, {fault}: {path} has no {name}"
            assert not any(_NOT_RUN.search(mark) for mark in _tests(path)[name]), f"{fault}: {name} may not run"
        assert any("pytest.mark.minutes" not in _tests(path)[name] for path, name in named), (party, fault)


def test_there_is_no_other_table() -> None:
    """A party that is added here has to be added above."""
    assert re.findall(r"^## (.+)$", PAGE, re.MULTILINE)[: len(PARTIES)] == list(PARTIES)
    assert PAGE.count("|---|---|---|---|") == len(PARTIES)
