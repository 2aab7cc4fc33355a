"""The fault proxy does to requests what it was told, and nothing to all the others."""

import json
import threading
import urllib.error
import urllib.request
from http.client import RemoteDisconnected

import pytest

from dev.faultproxy import FaultProxy, Request
from tests.faultproxy.upstream import REFS, Upstream


def _call(proxy: FaultProxy, path: str, method: str = "GET", body: str = "") -> tuple[int, str]:
    request = urllib.request.Request(proxy.url + path, body.encode() or None, {"X-Mine": "7"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize(
    ("method", "path", "query", "verb", "namespace"),
    [
        ("GET", "/api/v1/secrets", "watch=True", "watch", None),
        ("GET", "/api/v1/secrets", "watch=false", "list", None),
        ("GET", "/api/v1/namespaces/a", "", "get", None),
        ("GET", "/api/v1/namespaces/a/secrets", "fieldSelector=metadata.name%3Dx", "list", "a"),
        ("GET", "/api/v1/namespaces/a/secrets/x", "", "get", "a"),
        ("PATCH", REFS.format("a") + "/x/status", "", "patch", "a"),
        ("POST", REFS.format("a"), "", "create", "a"),
        ("PUT", REFS.format("a") + "/x", "", "update", "a"),
        ("GET", "/healthz", "", "get", None),
    ],
)
def test_kubernetes_words(method: str, path: str, query: str, verb: str, namespace: str | None) -> None:
    """A request's verb and namespace, as the API server's log would call them."""
    request = Request(method, path, query)
    assert (request.verb, request.namespace) == (verb, namespace)


def test_what_has_no_fault_goes_through(proxy: FaultProxy) -> None:
    """Method, escaped path, query, body and headers; and it is in the log."""
    status, body = _call(proxy, "/api/v1/namespaces/a/pods/x%2Fy?a=b%20c", "PATCH", "content")
    assert status == 200
    assert json.loads(body) == ["PATCH", "/api/v1/namespaces/a/pods/x%2Fy?a=b%20c", "content", "7"]
    [entry] = proxy.requests.wait_for(1, verb="patch", namespace="a")
    assert entry.status == 200


@pytest.mark.parametrize(
    ("patch", "uid"),
    [('{"metadata": {"uid": "1"}, "status": {}}', "1"), ('{"status": {}}', ""), ("[]", ""), ("content", ""), ("", "")],
)
def test_the_object_that_a_patch_is_made_for(proxy: FaultProxy, patch: str, uid: str) -> None:
    """As its uid says, also where the patch is never answered."""
    with proxy.fault(kind="cut", verb="patch"):
        with pytest.raises((RemoteDisconnected, ConnectionError, urllib.error.URLError)):
            _call(proxy, REFS.format("a"), "PATCH", patch)
        [entry] = proxy.requests.wait_for(1, verb="patch")
    assert entry.uid == uid


def test_a_status_of_choice(proxy: FaultProxy) -> None:
    """A Status document, or bytes; for one verb and namespace, so many times."""
    with proxy.fault(kind="status", verb="patch", namespace="a", status=403):
        status, body = _call(proxy, REFS.format("a"), "PATCH", "x")
        assert (status, json.loads(body)["reason"]) == (403, "Forbidden")
        assert _call(proxy, REFS.format("b"), "PATCH", "x")[0] == 200
        assert _call(proxy, REFS.format("a"))[0] == 200
    with proxy.fault(kind="status", status=404, body=b"404 page not found\n", count=1):
        assert _call(proxy, "/x") == (404, "404 page not found\n")
        assert _call(proxy, "/x")[0] == 200


def test_requests_that_hang_until_the_fault_is_cleared(proxy: FaultProxy) -> None:
    """There is no answer, then no connection; and others are answered meanwhile."""
    ended = threading.Event()

    def ask() -> None:
        with pytest.raises((RemoteDisconnected, ConnectionError, urllib.error.URLError)):
            _call(proxy, REFS.format("a"), "PATCH", "x")
        ended.set()

    with proxy.fault(kind="hang", verb="patch"):
        thread = threading.Thread(target=ask)
        thread.start()
        proxy.requests.wait_for(1, verb="patch")
        assert _call(proxy, "/x")[0] == 200
        assert not ended.is_set()
    thread.join(10)
    assert ended.is_set()


@pytest.mark.parametrize("kind", ["cut", "cut-answer"])
def test_answers_that_are_cut(proxy: FaultProxy, upstream: Upstream, kind: str) -> None:
    """The connection closes without an answer; only `cut-answer` lets the server see the request."""
    with proxy.fault(kind=kind), pytest.raises((RemoteDisconnected, ConnectionError)):
        _call(proxy, "/x")
    assert upstream.asked == (["/x"] if kind == "cut-answer" else [])
    assert _call(proxy, "/x")[0] == 200


def test_nobody_behind_the_proxy() -> None:
    """The proxy is as away as the server."""
    with (
        FaultProxy("http://127.0.0.1:1") as proxy,
        pytest.raises((RemoteDisconnected, ConnectionError)),
    ):
        _call(proxy, "/x")


def test_latency(proxy: FaultProxy) -> None:
    """The request is late and right; the log says how long it was under way."""
    with proxy.fault(latency=0.3, count=1):
        assert _call(proxy, "/x")[0] == 200
    [entry] = proxy.requests.wait_for(1)
    assert entry.ended is not None
    assert entry.ended - entry.at >= 0.3
