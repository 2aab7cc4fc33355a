"""docs/architecture.md is true where a program can tell: what it names exists, and what it lists is complete."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from astra_mirror.engine.state.tracked import Tracked

PAGE: Final = Path("docs/architecture.md").read_text()
PACKAGE: Final = Path("operator/astra_mirror")
_PACKAGES: Final = "core|astra|cluster|engine|support|api|observability|kubectl"
_UNNAMED: Final = {"__init__.py", "__main__.py"}
_FOREIGN: Final = {"ca.crt", "kopf.run_tasks", "Callable", "Protocol"}
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def test_every_module_has_its_place() -> None:
    """In the table of the packages: each module outside of them is named, and so is each package."""
    named = {each for row in _rows_of_packages() for each in row}
    modules = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if path.name not in _UNNAMED}
    assert {each for each in modules if not _row_names(each, named)} == set()
    assert {each for each in named if not (PACKAGE / each).exists()} == set()


def test_a_module_imports_only_its_own_row_and_those_above() -> None:
    """As the page says of the table of the packages."""
    rows = _rows_of_packages()
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        if path.name in _UNNAMED:
            continue
        [own] = [number for number, row in enumerate(rows) if _row_names(name, row)]
        for imported in _imported(path):
            [other] = [number for number, row in enumerate(rows) if _row_names(imported, row)]
            assert other <= own, (name, imported)


def test_what_is_named_exists() -> None:
    """A module, or a package that ends in a slash; outside of the package a file or a folder."""
    for name in re.findall(rf"`((?:\w+/)*\w+\.py|(?:{_PACKAGES})/(?:\w+/)*)`", PAGE):
        assert (PACKAGE / name).exists(), name
    # What will exist one day stands in indented lines.
    lines = [line for line in PAGE.splitlines() if not line.startswith("    ")]
    for name in re.findall(r"\b(?:tests|dev|docs|crds|manifests)/[\w./-]*\w", "\n".join(lines)):
        assert Path(name).exists(), name


def test_functions_that_are_named_exist() -> None:
    """`Class.method`, `module.function`, `module.CONSTANT`, `Class.field` and `Class`."""
    defined = {each for path in PACKAGE.rglob("*.py") for each in _defined(ast.parse(path.read_text()), path.stem)}
    named = set(re.findall(r"`(\w+\.\w+|[A-Z]\w+)`", PAGE))
    assert {each for each in named if not each.endswith(".py")} - defined == _FOREIGN


def test_a_class_is_where_the_page_says() -> None:
    """In the module of its name, among the effects, in a module that is named beside it, or among the exceptions."""
    modules = {path.relative_to(PACKAGE).as_posix(): path.read_text() for path in PACKAGE.rglob("*.py")}
    blocks = re.split(r"\n\n|\n(?=\|)", PAGE)
    [exceptions] = [each for each in blocks if "The exceptions: " in each]
    for name in set(re.findall(r"`([A-Z][a-z]\w+)(?:\.\w+)?`", PAGE)):
        found = {module for module, text in modules.items() if re.search(rf"^class {name}\b", text, re.MULTILINE)}
        if any(Path(each).stem == _snake(name) or each == "engine/effects.py" for each in found):
            continue
        if f"`{name}`" in exceptions and any(f"`{each}`" in exceptions for each in found):
            continue
        for block in blocks:
            is_named = f"`{name}`" in block or f"`{name}." in block
            assert not (found and is_named) or any(f"`{each}`" in block for each in found), name


def test_suspend_is_read_where_the_page_says() -> None:
    """Whether an object is polled is one decision; what a suspended one shows is the other."""
    readers = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for each in ast.walk(ast.parse(path.read_text()))
        if isinstance(each, ast.Attribute) and each.attr == "suspend"
    }
    assert readers == {
        "core/monitor/status.py",
        "core/status.py",
        "engine/kinds/app_backup_monitor.py",
        "engine/kinds/app_backup_ref.py",
        "engine/state/desire.py",
    }


def test_what_starts_a_poll_is_complete() -> None:
    """Each function that makes an object due, or makes a request, is named there."""
    makers = {
        name
        for path in (PACKAGE / "engine").rglob("*.py")
        for name, function in _functions(ast.parse(path.read_text()), path.stem)
        if _called(function)
        & {"CheckAt", "StartFirstPoll", "poll_first", "request_for", "SingleRequest", "ListRequest"}
    }
    named = set(re.findall(r"`(\w+\.\w+)`", PAGE.split("\n### What starts a poll?\n")[1].split("\n### ")[0]))
    # One performs `StartFirstPoll`, and two are parts of those that are named.
    assert makers - named == {"Performer._perform_for_object", "Objects.request_for", "Planner._list"}


def test_the_groups_of_an_objects_state_are_named() -> None:
    """All of them, and each is a NamedTuple."""
    [groups] = re.findall(r"groups \(`engine/state/`\): (.*?)\.\sEach", PAGE, re.DOTALL)
    assert set(re.findall(r"`(\w+)`", groups)) == set(Tracked._fields)
    assert all(issubclass(each, tuple) and hasattr(each, "_fields") for each in Tracked.__annotations__.values())


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _rows_of_packages() -> list[list[str]]:
    """What the first cell of each row names: modules, and packages that end in a slash."""
    section = PAGE.split("\n## Packages\n")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return [re.findall(r"`([\w./]+)`", cell) for cell in cells]


def _row_names(module: str, row: list[str] | set[str]) -> bool:
    return any(module == each or (each.endswith("/") and module.startswith(each)) for each in row)


def _imported(path: Path) -> Iterator[str]:
    """The modules of this package that a module imports, as paths."""
    for each in ast.walk(ast.parse(path.read_text())):
        if isinstance(each, ast.ImportFrom) and str(each.module).startswith("astra_mirror."):
            parts = str(each.module).split(".")[1:]
            module = PACKAGE.joinpath(*parts)
            names = [module / f"{name.name}.py" for name in each.names] if module.is_dir() else []
            found = names or [module.with_suffix(".py")]
            yield from (one.relative_to(PACKAGE).as_posix() for one in found)


def _functions(tree: ast.Module, module: str) -> Iterator[tuple[str, _Function]]:
    for each in tree.body:
        if isinstance(each, _Function):
            yield f"{module}.{each.name}", each
        elif isinstance(each, ast.ClassDef):
            yield from ((f"{each.name}.{inner.name}", inner) for inner in each.body if isinstance(inner, _Function))


def _called(function: _Function) -> set[str]:
    names = set()
    for each in ast.walk(function):
        match each:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                names.add(name)
    return names


def _defined(tree: ast.Module, module: str) -> Iterator[str]:
    yield from (name for name, _ in _functions(tree, module))
    yield from (f"{module}.{name}" for name in _assigned(tree.body))
    for each in tree.body:
        if isinstance(each, ast.ClassDef):
            yield each.name
            yield from (f"{each.name}.{name}" for name in _assigned(each.body))


def _assigned(body: list[ast.stmt]) -> Iterator[str]:
    for each in body:
        match each:
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name
