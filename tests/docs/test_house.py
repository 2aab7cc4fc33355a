"""The package's files and functions stay small enough to be read at once."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_PACKAGE: Final = Path("operator/astra_mirror")
_MAX_FILE_LINES: Final = 250
_MAX_FUNCTION_LINES: Final = 40
_MAX_DEPTH: Final = 4
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_BLOCKS: Final = (
    ast.If,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.With,
    ast.AsyncWith,
    ast.Try,
    ast.TryStar,
    ast.Match,
)


def test_files_are_short() -> None:
    """At most 250 lines."""
    lines = {path: len(text.splitlines()) for path, text in _sources()}
    assert {path: number for path, number in lines.items() if number > _MAX_FILE_LINES} == {}


def test_functions_are_short() -> None:
    """At most 40 lines, from `def` to the end, with the docstring and without decorators."""
    assert [name for name, each in _functions() if _lines(each) > _MAX_FUNCTION_LINES] == []


def test_functions_are_shallow() -> None:
    """At most four blocks within one another; an `elif` is as deep as its `if`."""
    assert [name for name, each in _functions() if _depth(each) > _MAX_DEPTH] == []


def test_each_group_of_an_objects_state_has_one_writer() -> None:
    """What makes a value of a group, from nothing or from another value, is in the group's own module."""
    groups = _groups()
    assert len(groups) == 6
    strangers = []
    for path, text in _sources():
        if path in groups.values():
            continue
        for call in (each for each in ast.walk(ast.parse(text)) if isinstance(each, ast.Call)):
            if _called(call) in {"_replace", "_make", "setattr"} and path.startswith("engine/"):
                strangers.append(f"{path}:{call.lineno}: {_called(call)}")
            if groups.get(_called(call), path) != path:
                strangers.append(f"{path}:{call.lineno}: {_called(call)}")
    assert strangers == []


def test_no_field_is_in_two_groups() -> None:
    """So that its name says whose it is."""
    fields = [
        each.target.id
        for path in _groups().values()
        for group in ast.walk(ast.parse((_PACKAGE / path).read_text()))
        if isinstance(group, ast.ClassDef) and group.name in _groups()
        for each in group.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    ]
    assert len(fields) == len(set(fields))


def test_nobody_is_called_back() -> None:
    """What decides and what waits return values: Callable and Protocol are for what is outside, for time and chance."""
    found = {
        path
        for path, text in _sources()
        if path.startswith(("core/", "engine/"))
        for each in ast.walk(ast.parse(text))
        if isinstance(each, ast.alias) and each.name in {"Callable", "Protocol"}
    }
    assert found == {"engine/ports.py", "engine/monitors/ports.py"}


def test_depth_and_lines_are_measured() -> None:
    """Blocks count and functions within do not; neither do decorators."""
    source = (
        "@decorated\n"
        "def outer():\n"
        "    if a:\n"
        "        pass\n"
        "    elif b:\n"
        "        with c:\n"
        "            def inner():\n"
        "                for d in e:\n"
        "                    pass\n"
        "    else:\n"
        "        try:\n"
        "            pass\n"
        "        except f:\n"
        "            match g:\n"
        "                case 1:\n"
        "                    while h:\n"
        "                        pass\n"
    )
    outer, inner = (each for each in ast.walk(ast.parse(source)) if isinstance(each, _Function))
    assert (_depth(outer), _lines(outer)) == (4, 16)
    assert (_depth(inner), _lines(inner)) == (1, 3)


def _sources() -> Iterator[tuple[str, str]]:
    for path in sorted(_PACKAGE.rglob("*.py")):
        yield path.relative_to(_PACKAGE).as_posix(), path.read_text()


def _groups() -> dict[str, str]:
    """The class of each group of an object's state, and its module."""
    found = {}
    for path, text in _sources():
        if path.startswith("engine/state/") and not path.endswith(("__init__.py", "/tracked.py")):
            [name] = [
                each.name
                for each in ast.parse(text).body
                if isinstance(each, ast.ClassDef) and each.name.lower() == Path(path).stem
            ]
            found[name] = path
    return found


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _functions() -> Iterator[tuple[str, _Function]]:
    for path, text in _sources():
        for each in ast.walk(ast.parse(text)):
            if isinstance(each, _Function):
                yield f"{path}: {each.name}", each


def _lines(function: _Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def _depth(node: ast.AST) -> int:
    """How many blocks are within one another below `node`, those of inner functions and classes excluded."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _Function | ast.ClassDef):
            continue
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
        deepest = max(deepest, _depth(child) + (isinstance(child, _BLOCKS) and not is_elif))
    return deepest
