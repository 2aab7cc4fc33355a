"""What `pip show` says of the package."""

import tomllib
from pathlib import Path


def test_the_authors() -> None:
    """There is an author, without an address."""
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    assert project["authors"] == [{"name": "The astra-mirror authors"}]
