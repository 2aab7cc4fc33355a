"""A user with a namespace."""

import pytest

from dev.controlplane import ControlPlane
from tests.e2e.user import User


@pytest.fixture
def user(installed: ControlPlane, namespace: str) -> User:
    """Somebody with kubectl and a namespace of their own, on a cluster where the operator's manifests are applied."""
    return User(installed, namespace)
