"""What has a socket runs in real time; the tests that are marked so run in virtual time."""

from tests.virtual_time import loops_as_marked

pytest_asyncio_loop_factories = loops_as_marked
