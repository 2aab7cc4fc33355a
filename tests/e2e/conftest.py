"""What only the tests with monitors have."""

import pytest

from dev.simulator import Simulator
from tests.e2e.monitors import Monitors
from tests.e2e.user import User


@pytest.fixture
def monitors(user: User, astra: Simulator) -> Monitors:
    """Monitors, and the Secret that they use."""
    user.secret_for(astra)
    return Monitors(user, astra)
