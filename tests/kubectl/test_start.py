"""The plugin starts at once, as a program of its own, and says what it lacks."""

import json
import subprocess
import sys
import tomllib
import venv
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import Final

import pytest

PROJECT: Final = tomllib.loads(Path("pyproject.toml").read_text())["project"]
HEAVY: Final = ("kopf", "kubernetes", "pydantic", "prometheus_client", "astra_mirror.engine", "astra_mirror.astra")
_MODULES: Final = """
import json, sys
from importlib import import_module
for name in {names}:
    import_module(name)
print(json.dumps(sorted(sys.modules)))
"""


def _imported(*names: str) -> set[str]:
    code = _MODULES.format(names=names)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(ended.stdout))


def test_nothing_heavy_is_imported() -> None:
    """Of any command but `why`, which looks for the shard of an object."""
    commands = Path("operator/astra_mirror/kubectl/commands").glob("*.py")
    names = [f"astra_mirror.kubectl.commands.{each.stem}" for each in commands if each.stem != "__init__"]
    assert "astra_mirror.kubectl.commands.waiting" in names
    names.remove("astra_mirror.kubectl.commands.explaining")
    found = _imported("astra_mirror.kubectl.command_line", "astra_mirror.kubectl.completion", *names)
    assert {"rich", "aiohttp"} <= found
    assert found.isdisjoint(HEAVY)
    assert {"kopf", "kubernetes", "astra_mirror.engine", "astra_mirror.astra"}.isdisjoint(
        _imported("astra_mirror.kubectl.commands.explaining")
    )


def test_help_needs_no_http_client() -> None:
    """Nor does a wrong command line, or an error in it."""
    assert _imported("astra_mirror.kubectl.main", "astra_mirror.kubectl.command_line").isdisjoint(
        {*HEAVY, "aiohttp", "rich"}
    )


def test_the_operator_does_not_import_the_plugin() -> None:
    """Nor what the plugin alone needs."""
    found = _imported("astra_mirror.cli")
    assert not any(each.startswith(("astra_mirror.kubectl", "rich.")) for each in found)


def test_how_long_the_start_takes() -> None:
    """CPU time, against that of the operator's own `--help`, which imports what the plugin must not."""

    def seconds(*command: str) -> float:
        before = getrusage(RUSAGE_CHILDREN)
        subprocess.run([str(Path(sys.executable).parent / command[0]), *command[1:]], capture_output=True, check=True)
        after = getrusage(RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    plugin = min(seconds("kubectl-abr", "wait", "--help") for _ in range(2))
    operator = min(seconds("astra-mirror", "run", "--help") for _ in range(2))
    assert plugin < operator / 3


@pytest.fixture(scope="module")
def without_extra(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of an installation of the built wheel, without any other package."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    venv.create(folder / "venv", symlinks=True)
    python = str(folder / "venv" / "bin" / "python")
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    return folder / "venv" / "bin"


def test_without_the_extra(without_extra: Path) -> None:
    """64 for whatever was typed, and which extra it is; completion offers nothing."""
    for arguments in ((), ("--help",), ("list",)):
        ended = subprocess.run([without_extra / "kubectl-abr", *arguments], capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stdout) == (64, "")
        assert "the extra `kubectl` of astra-mirror is not installed" in ended.stderr
        assert "pipx install '.[kubectl]'" in ended.stderr
    ended = subprocess.run([without_extra / "kubectl_complete-abr", ""], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_the_extra_is_rich_alone() -> None:
    """The operator does not need it."""
    [requirement] = PROJECT["optional-dependencies"]["kubectl"]
    assert requirement.startswith("rich>=")
    assert not any(each.startswith("rich") for each in PROJECT["dependencies"])
    assert "\nrich==" not in Path("requirements.lock").read_text()
