"""A server, and the proxy before it."""

from collections.abc import Iterator

import pytest

from dev.faultproxy import FaultProxy
from tests.faultproxy.upstream import Upstream


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A server behind the proxy."""
    upstream = Upstream()
    yield upstream
    upstream.stop()


@pytest.fixture
def proxy(upstream: Upstream) -> Iterator[FaultProxy]:
    """The proxy before it."""
    with FaultProxy(f"http://127.0.0.1:{upstream.port}") as proxy:
        yield proxy
