"""docs/kubectl.md is true: its tables are those of the code, and its blocks are typed in."""

import re
from pathlib import Path
from typing import Final

import click
import pytest
import yaml

from astra_mirror.kubectl.command_line import group
from astra_mirror.kubectl.core.exit_codes import ExitCode
from dev.controlplane import ControlPlane
from tests.e2e.user import User
from tests.kubectl.core.objects import COMPLETED, SYNCED
from tests.kubectl.plugin import Plugin
from tests.kubectl.statuses import write_monitor, write_ref

PAGE: Final = Path("docs/kubectl.md").read_text()


def _rows(head: str) -> list[list[str]]:
    table = PAGE.split(f"\n| {head} |", 1)[1].split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_commands() -> None:
    """Each is there."""
    assert {row[0].strip("`").split()[0] for row in _rows("command") if len(row) == 2} == set(group.commands)


def test_options() -> None:
    """Each is there, with the commands that have it."""
    found: dict[str, set[str]] = {}
    for name, command in group.commands.items():
        for each in command.params:
            if isinstance(each, click.Option):
                found.setdefault(each.opts[-1], set()).add(name)
    for names, commands, _ in _rows("option"):
        of = set(group.commands) if commands == "all" else set(re.findall(r"`(\w+)`", commands))
        for option in (each for each in re.findall(r"`(-[\w-]+)`", names) if each.startswith("--")):
            assert found.pop(option) == of, option
    assert found == {}


def test_exit_codes() -> None:
    """Each is there."""
    assert {int(row[0]) for row in _rows("code")} == {each.value for each in ExitCode}


@pytest.fixture
def plugin(installed: ControlPlane, namespace: str, tmp_path: Path) -> Plugin:
    """The plugin of somebody who has chosen the test's namespace."""
    return Plugin(installed, installed.kubeconfig, namespace, tmp_path)


def test_the_blocks_work_as_pasted(plugin: Plugin, user: User, tmp_path: Path) -> None:
    """All of them."""
    write_ref(user, "nightly-shop", COMPLETED | SYNCED)
    write_monitor(user, "shop")
    blocks = dict(re.findall(r"<!-- tested: (\w+) -->\n```sh\n(.*?)```", PAGE, re.DOTALL))
    assert len(blocks) == PAGE.count("```") / 2
    ended = {name: plugin.shell(f"set -eu; cd {tmp_path}\n{text}") for name, text in blocks.items()}
    assert {name: each.returncode for name, each in ended.items()} == {"job": 0, "why": 0, "import": 0}, ended
    assert "succeeded: nightly-shop" in ended["job"].stdout
    assert "Next step: " in ended["why"].stdout
    assert list(yaml.safe_load_all((tmp_path / "refs.yaml").read_text())) == []
