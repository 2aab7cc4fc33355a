"""HTTP clients for the simulator. What has a socket runs in real time; tests that are marked so run in virtual time."""

from collections.abc import AsyncIterator

import pytest

from astra_mirror.astra.transport import ClientPool
from astra_mirror.core.urls import AllowedURL
from dev.simulator import Simulator
from tests.virtual_time import loops_as_marked

pytest_asyncio_loop_factories = loops_as_marked


@pytest.fixture
async def clients(astra: Simulator) -> AsyncIterator[ClientPool]:
    """HTTP clients that may call the simulator."""
    clients = ClientPool([AllowedURL.parse(astra.url)])
    yield clients
    await clients.close()
