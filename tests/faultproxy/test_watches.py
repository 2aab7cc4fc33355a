"""What the fault proxy does to watches that are open, and to none that is opened later."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse

import pytest

from dev.faultproxy import FaultProxy
from tests.faultproxy.upstream import REFS, Upstream

_ERROR = {"type": "ERROR", "object": {"kind": "Status", "code": 500}}


@contextmanager
def _watch(proxy: FaultProxy, *, timeout: float = 10) -> Iterator[HTTPResponse]:
    connection = HTTPConnection(proxy.url.removeprefix("http://"), timeout=timeout)
    connection.request("GET", f"{REFS.format('a')}?watch=true")
    response = connection.getresponse()
    try:
        yield response
    finally:
        response.close()
        connection.close()


def _event(kind: str, name: str = "x") -> bytes:
    return json.dumps({"type": kind, "object": {"metadata": {"name": name}}}).encode() + b"\n"


def test_an_error_event_in_an_open_watch(proxy: FaultProxy, upstream: Upstream) -> None:
    """What was there comes first, then the event, then the end; the next watch has none."""
    upstream.send(_event("ADDED"))
    with _watch(proxy) as watch:
        assert json.loads(watch.readline())["type"] == "ADDED"
        with proxy.fault(kind="error-event", event=_ERROR, count=1):
            assert json.loads(watch.readline()) == _ERROR
            assert watch.readline() == b""
            with _watch(proxy) as second:
                assert json.loads(second.readline())["type"] == "ADDED"


def test_a_watch_that_swallows_events(proxy: FaultProxy, upstream: Upstream) -> None:
    """Those of some types do not arrive, in a watch that was open before; what comes later does."""
    with _watch(proxy) as watch:
        with proxy.fault(kind="swallow", types=frozenset({"ADDED"})):
            upstream.send(_event("ADDED"), _event("MODIFIED"), _event("BOOKMARK"))
            assert [json.loads(watch.readline())["type"] for _ in range(2)] == ["MODIFIED", "BOOKMARK"]
        upstream.send(_event("ADDED", "later"))
        assert json.loads(watch.readline())["object"]["metadata"]["name"] == "later"


@pytest.mark.parametrize("kind", ["silent", "dead"])
def test_a_watch_that_goes_dark(proxy: FaultProxy, upstream: Upstream, kind: str) -> None:
    """Nothing arrives and nothing ends; a watch that is opened later is a good one."""
    with _watch(proxy, timeout=0.5) as watch, proxy.fault(kind=kind, open_only=True):
        upstream.send(_event("ADDED"))
        with pytest.raises(TimeoutError):
            watch.readline()
        with _watch(proxy) as second:
            assert json.loads(second.readline())["type"] == "ADDED"
