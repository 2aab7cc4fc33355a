"""What shares the event loop is tested in virtual time."""

from tests.virtual_time import virtual_loops

pytest_asyncio_loop_factories = virtual_loops
