"""What tests begin with: connections for those of the circuit breakers, a budget for those of memory."""

import pytest

from tests.core.breakers import OK, Connection
from tests.core.memory import Memory


@pytest.fixture
def new() -> Connection:
    """A connection of which nothing is proven."""
    return Connection()


@pytest.fixture
def good() -> Connection:
    """A connection on which the accounts A, B and C are good, C last."""
    connection = Connection()
    for account in "ABC":
        connection.ask(OK, account)
    return connection


@pytest.fixture
def memory() -> Memory:
    """A budget without bodies."""
    return Memory()
