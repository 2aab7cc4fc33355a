"""What the engine and the API server's side know of a kind comes from the kind's own module."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_PACKAGE: Final = Path("operator/astra_mirror")
_KIND: Final = "appbackupref"
_MODULES: Final = {"astra_mirror.api.app_backup_ref", "astra_mirror.engine.kinds.app_backup_ref"}
_RULES: Final = {f"astra_mirror.core.{each}" for each in ("conditions", "inherited", "status")}
"""What decides about the status of an AppBackupRef, and about nothing else."""
_PLACES: Final = {
    "api/app_backup_monitor.py": "a monitor makes refs",
    "api/app_backup_ref.py": "the models",
    "app.py": "the registration",
    "astra/wire.py": "the limits of what the status shows of a backup",
    "core/backup.py": "a backup as the status shows it",
    "core/conditions.py": "the rules for the status",
    "core/events.py": "the rules for its Events",
    "core/inherited.py": "the rules for the status",
    "core/monitor/events.py": "the Events of all kinds follow the same rules",
    "core/monitor/refs.py": "a monitor makes refs",
    "core/progress.py": "the rules for the status",
    "core/schedule.py": "the rules for its interval",
    "core/status.py": "the rules for the status",
    "cluster/ref_writes.py": "the refs of monitors",
    "engine/kinds/app_backup_ref.py": "the kind",
    "engine/monitors/findings.py": "a message names the resource",
    "kubectl/core/names.py": "the plugin is a program of its own, and may not import the models",
}
"""The modules that may name the AppBackupRef, and why. Of the engine and of cluster/ there is the kind's own alone."""


def test_a_kind_is_named_in_its_own_place() -> None:
    """Neither its models nor its names in the API stand anywhere else; docstrings do not count."""
    assert {path for path, tree in _trees() if _names_the_kind(tree)} == _PLACES.keys()


def test_the_rules_of_a_kind_are_asked_by_the_kind() -> None:
    """The engine asks the object's spec, which asks these."""
    askers = {path for path, tree in _trees() if _RULES & set(_imports(tree)) and not path.startswith("core/")}
    assert askers == {"engine/kinds/app_backup_ref.py"}


def test_what_counts_as_naming_a_kind() -> None:
    """An import, a name and a text do, a part of an f-string too; a docstring does not."""
    assert not _names_the_kind(ast.parse('"""AppBackupRefs."""\ndef f():\n    """Read AppBackupRefs."""\n'))
    for source in (
        "from astra_mirror.api.app_backup_ref import NAMES",
        "from astra_mirror.api import app_backup_ref",
        "import astra_mirror.engine.kinds.app_backup_ref",
        'path = "/apis/appbackuprefs"',
        'text = f"AppBackupRef {name}"',
        "spec: AppBackupRefSpec",
    ):
        assert _names_the_kind(ast.parse(source)), source


def _trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(_PACKAGE.rglob("*.py")):
        yield path.relative_to(_PACKAGE).as_posix(), ast.parse(path.read_text())


def _names_the_kind(tree: ast.Module) -> bool:
    return bool(_MODULES & set(_imports(tree))) or any(_KIND in text.lower() for text in _texts(tree))


def _imports(tree: ast.Module) -> Iterator[str]:
    """The modules that are imported; `from a import b` may import the module a.b."""
    for each in ast.walk(tree):
        if isinstance(each, ast.Import):
            yield from (name.name for name in each.names)
        elif isinstance(each, ast.ImportFrom):
            yield str(each.module)
            yield from (f"{each.module}.{name.name}" for name in each.names)


def _texts(tree: ast.Module) -> Iterator[str]:
    """The names and the texts in a module, without its docstrings."""
    docstrings = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}
    for each in ast.walk(tree):
        if isinstance(each, ast.Name):
            yield each.id
        elif isinstance(each, ast.Attribute):
            yield each.attr
        elif isinstance(each, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield each.name
        elif isinstance(each, ast.Constant) and isinstance(each.value, str) and id(each) not in docstrings:
            yield each.value
