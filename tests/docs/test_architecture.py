"""docs/architecture.md names every module outside the packages, and none that is not there."""

import re
from pathlib import Path
from typing import Final

PAGE: Final = Path("docs/architecture.md").read_text()
PACKAGE: Final = Path("operator/astra_mirror")
_NO_ROOM: Final = {"__init__.py", "__main__.py"}


def test_every_module_has_its_place() -> None:
    """In the table of the rooms."""
    rooms = PAGE.split("\n## The rooms\n")[1].split("\n## ")[0]
    assert {each.name for each in PACKAGE.glob("*.py")} - _NO_ROOM == set(re.findall(r"`(\w+\.py)`", rooms))


def test_what_is_named_exists() -> None:
    """A module, or a package that ends in a slash; `core/` is also named by the modules after its colon."""
    for name in re.findall(r"`((?:\w+/)*\w+\.py|(?:core|astra|cluster)/)`", PAGE):
        assert (PACKAGE / name).exists(), name
    [bounds] = re.findall(r"its module in `core/`: ([^;]*);", PAGE)
    for name in re.findall(r"`(\w+)`", bounds):
        assert (PACKAGE / "core" / f"{name}.py").exists(), name
