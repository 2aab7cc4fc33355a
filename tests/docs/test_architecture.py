"""docs/architecture.md names every module outside the packages, and none that is not there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PAGE: Final = Path("docs/architecture.md").read_text()
PACKAGE: Final = Path("operator/astra_mirror")
_PACKAGES: Final = "core|astra|cluster|engine|support|api|observability"
_UNNAMED: Final = {"__init__.py", "__main__.py"}


def test_every_module_has_its_place() -> None:
    """In the table of the packages."""
    packages = PAGE.split("\n## Packages\n")[1].split("\n## ")[0]
    assert {each.name for each in PACKAGE.glob("*.py")} - _UNNAMED == set(re.findall(r"`(\w+\.py)`", packages))


def test_what_is_named_exists() -> None:
    """A module, or a package that ends in a slash."""
    for name in re.findall(rf"`((?:\w+/)*\w+\.py|(?:{_PACKAGES})/(?:\w+/)*)`", PAGE):
        assert (PACKAGE / name).exists(), name


def test_functions_that_are_named_exist() -> None:
    """`Class.method`, `module.function` and `module.CONSTANT`, wherever the page says what does something."""
    defined = {each for path in PACKAGE.rglob("*.py") for each in _defined(ast.parse(path.read_text()), path.stem)}
    named = {each for each in re.findall(r"`(\w+\.\w+)`", PAGE) if not each.endswith(".py")}
    assert named - defined == {"ca.crt", "kopf.run_tasks"}


def test_suspend_is_read_where_the_page_says() -> None:
    """Whether an object is polled is one decision; what a suspended one shows is the other."""
    readers = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for each in ast.walk(ast.parse(path.read_text()))
        if isinstance(each, ast.Attribute) and each.attr == "suspend"
    }
    assert readers == {"core/status.py", "engine/kinds/app_backup_ref.py", "engine/state/desire.py"}


def _defined(tree: ast.Module, module: str) -> Iterator[str]:
    for each in tree.body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{module}.{each.name}"
        elif isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name):
            yield f"{module}.{each.targets[0].id}"
        elif isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
            yield f"{module}.{each.target.id}"
        elif isinstance(each, ast.ClassDef):
            for inner in each.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{each.name}.{inner.name}"
                elif isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name):
                    yield f"{each.name}.{inner.target.id}"
