"""A cluster on which nothing is installed that the pages do not install, and somebody who reads them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.controlplane import ControlPlane
from tests.docs.newcomer import Newcomer, settle


@pytest.fixture
def cluster() -> Iterator[ControlPlane]:
    """A cluster of the newcomer's own: here nothing is installed that the page does not install."""
    with ControlPlane.start(audit=True) as control_plane:
        yield control_plane


@pytest.fixture
def newcomer(cluster: ControlPlane, tmp_path: Path) -> Newcomer:
    """With a clone of the project as it is now, and kubectl and helm beside what a system has."""
    cluster.kubectl("create", "namespace", "shop")
    return settle(cluster, tmp_path, "shop")
