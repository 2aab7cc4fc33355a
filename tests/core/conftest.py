"""The two connections with which the tests of the circuit breakers begin."""

import pytest

from tests.core.breakers import OK, Connection


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
