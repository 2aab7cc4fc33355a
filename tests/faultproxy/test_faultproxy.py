"""The fault proxy does to requests and watches what it was told, and nothing to all the others."""

import errno
import itertools
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPResponse, RemoteDisconnected
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from dev.faultproxy import FaultProxy, Request, TCPProxy, Tunnel

_REFS = "/apis/astra-mirror.io/v1/namespaces/{}/appbackuprefs"
_ERROR = {"type": "ERROR", "object": {"kind": "Status", "code": 500}}


class _API(BaseHTTPRequestHandler):
    """Answers everything with the request; a watch sends what `events` says and stays open."""

    protocol_version = "HTTP/1.1"
    asked: list[str]
    events: list[bytes]
    more: threading.Condition

    def do_GET(self) -> None:
        """Any request."""
        self.asked.append(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        if "watch=" in self.path:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self._watch()
            return
        answer = json.dumps([self.command, self.path, body.decode(), self.headers.get("X-Mine")]).encode()
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_PATCH = do_GET  # noqa: N815 - http.server's own name for it

    def _watch(self) -> None:
        for number in itertools.count():
            with self.more:
                while len(self.events) <= number:
                    self.more.wait()
            event = self.events[number]
            if event == b"end":
                self.wfile.write(b"0\r\n\r\n")
                return
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))

    def log_message(self, *_: Any) -> None:
        """Nothing."""


class _Upstream:
    def __init__(self) -> None:
        handler = type("Handler", (_API,), {"asked": [], "events": [], "more": threading.Condition()})
        self._handler: Any = handler
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def asked(self) -> list[str]:
        """The paths of the requests that have arrived."""
        return list(self._handler.asked)

    def send(self, *events: bytes) -> None:
        """Say this to each watch."""
        with self._handler.more:
            self._handler.events.extend(events)
            self._handler.more.notify_all()

    def stop(self) -> None:
        """End it."""
        self.send(b"end")
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def upstream() -> Iterator[_Upstream]:
    """A server behind the proxy."""
    upstream = _Upstream()
    yield upstream
    upstream.stop()


@pytest.fixture
def proxy(upstream: _Upstream) -> Iterator[FaultProxy]:
    """The proxy before it."""
    with FaultProxy(f"http://127.0.0.1:{upstream.port}") as proxy:
        yield proxy


def _call(proxy: FaultProxy, path: str, method: str = "GET", body: str = "") -> tuple[int, str]:
    request = urllib.request.Request(proxy.url + path, body.encode() or None, {"X-Mine": "7"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@contextmanager
def _watch(proxy: FaultProxy, *, timeout: float = 10) -> Iterator[HTTPResponse]:
    connection = HTTPConnection(proxy.url.removeprefix("http://"), timeout=timeout)
    connection.request("GET", f"{_REFS.format('a')}?watch=true")
    response = connection.getresponse()
    try:
        yield response
    finally:
        response.close()
        connection.close()


def _can_be_used(connection: socket.socket) -> bool:
    try:
        connection.sendall(b"x")
        return bool(connection.recv(1))
    except ConnectionError:
        return False


def _read_to_the_end(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def _event(kind: str, name: str = "x") -> bytes:
    return json.dumps({"type": kind, "object": {"metadata": {"name": name}}}).encode() + b"\n"


@pytest.mark.parametrize(
    ("method", "path", "query", "verb", "namespace"),
    [
        ("GET", "/api/v1/secrets", "watch=True", "watch", None),
        ("GET", "/api/v1/secrets", "watch=false", "list", None),
        ("GET", "/api/v1/namespaces/a", "", "get", None),
        ("GET", "/api/v1/namespaces/a/secrets", "fieldSelector=metadata.name%3Dx", "list", "a"),
        ("GET", "/api/v1/namespaces/a/secrets/x", "", "get", "a"),
        ("PATCH", _REFS.format("a") + "/x/status", "", "patch", "a"),
        ("POST", _REFS.format("a"), "", "create", "a"),
        ("PUT", _REFS.format("a") + "/x", "", "update", "a"),
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
            _call(proxy, _REFS.format("a"), "PATCH", patch)
        [entry] = proxy.requests.wait_for(1, verb="patch")
    assert entry.uid == uid


def test_a_status_of_choice(proxy: FaultProxy) -> None:
    """A Status document, or bytes; for one verb and namespace, so many times."""
    with proxy.fault(kind="status", verb="patch", namespace="a", status=403):
        status, body = _call(proxy, _REFS.format("a"), "PATCH", "x")
        assert (status, json.loads(body)["reason"]) == (403, "Forbidden")
        assert _call(proxy, _REFS.format("b"), "PATCH", "x")[0] == 200
        assert _call(proxy, _REFS.format("a"))[0] == 200
    with proxy.fault(kind="status", status=404, body=b"404 page not found\n", count=1):
        assert _call(proxy, "/x") == (404, "404 page not found\n")
        assert _call(proxy, "/x")[0] == 200


def test_requests_that_hang_until_the_fault_is_cleared(proxy: FaultProxy) -> None:
    """There is no answer, then no connection; and others are answered meanwhile."""
    ended = threading.Event()

    def ask() -> None:
        with pytest.raises((RemoteDisconnected, ConnectionError, urllib.error.URLError)):
            _call(proxy, _REFS.format("a"), "PATCH", "x")
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
def test_answers_that_are_cut(proxy: FaultProxy, upstream: _Upstream, kind: str) -> None:
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


def test_an_error_event_in_an_open_watch(proxy: FaultProxy, upstream: _Upstream) -> None:
    """What was there comes first, then the event, then the end; the next watch has none."""
    upstream.send(_event("ADDED"))
    with _watch(proxy) as watch:
        assert json.loads(watch.readline())["type"] == "ADDED"
        with proxy.fault(kind="error-event", event=_ERROR, count=1):
            assert json.loads(watch.readline()) == _ERROR
            assert watch.readline() == b""
            with _watch(proxy) as second:
                assert json.loads(second.readline())["type"] == "ADDED"


def test_a_watch_that_swallows_events(proxy: FaultProxy, upstream: _Upstream) -> None:
    """Those of some types do not arrive, in a watch that was open before; what comes later does."""
    with _watch(proxy) as watch:
        with proxy.fault(kind="swallow", types=frozenset({"ADDED"})):
            upstream.send(_event("ADDED"), _event("MODIFIED"), _event("BOOKMARK"))
            assert [json.loads(watch.readline())["type"] for _ in range(2)] == ["MODIFIED", "BOOKMARK"]
        upstream.send(_event("ADDED", "later"))
        assert json.loads(watch.readline())["object"]["metadata"]["name"] == "later"


@pytest.mark.parametrize("kind", ["silent", "dead"])
def test_a_watch_that_goes_dark(proxy: FaultProxy, upstream: _Upstream, kind: str) -> None:
    """Nothing arrives and nothing ends; a watch that is opened later is a good one."""
    with _watch(proxy, timeout=0.5) as watch, proxy.fault(kind=kind, open_only=True):
        upstream.send(_event("ADDED"))
        with pytest.raises(TimeoutError):
            watch.readline()
        with _watch(proxy) as second:
            assert json.loads(second.readline())["type"] == "ADDED"


def test_a_dead_connection_acknowledges_nothing(proxy: FaultProxy) -> None:
    """TCP itself finds out, when it is told to look: a silent one would be kept for ever."""
    connection = socket.create_connection(("127.0.0.1", int(proxy.url.rpartition(":")[2])), timeout=20)
    with connection, proxy.fault(kind="dead"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 2000)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
        connection.sendall(b"GET /api/v1/secrets?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(OSError, match=r"timed out") as caught:
            _read_to_the_end(connection)
        # The kernel's own time-out, not the test's.
        assert caught.value.errno == errno.ETIMEDOUT


def test_latency(proxy: FaultProxy) -> None:
    """The request is late and right; the log says how long it was under way."""
    with proxy.fault(latency=0.3, count=1):
        assert _call(proxy, "/x")[0] == 200
    [entry] = proxy.requests.wait_for(1)
    assert entry.ended is not None
    assert entry.ended - entry.at >= 0.3


def test_bytes_that_are_frozen_and_cut(upstream: _Upstream) -> None:
    """The layer below: nothing comes while it is frozen, all of it afterwards, and nothing after a cut."""
    with (
        TCPProxy(upstream.port) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as connection,
    ):
        connection.sendall(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        proxy.freeze()
        begun = time.monotonic()
        threading.Timer(0.3, proxy.thaw).start()
        connection.sendall(b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n")
        while b"/b" not in connection.recv(4096):
            pass
        assert time.monotonic() - begun >= 0.3
        proxy.cut()
        with suppress(ConnectionError):
            _read_to_the_end(connection)
        assert not _can_be_used(connection)


def test_a_tunnel(upstream: _Upstream) -> None:
    """CONNECT, and what was asked for; the name leads here whatever it is."""
    with Tunnel() as tunnel, socket.create_connection(("127.0.0.1", tunnel.port), timeout=10) as connection:
        connection.sendall(b"CONNECT nowhere.example:%d HTTP/1.1\r\n\r\n" % upstream.port)
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        assert tunnel.asked == [f"nowhere.example:{upstream.port}"]
