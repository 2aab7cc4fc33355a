"""A server behind the proxy: it answers everything with the request, and a watch with what a test sends."""

import itertools
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

REFS = "/apis/astra-mirror.io/v1/namespaces/{}/appbackuprefs"
"""The path of the refs of a namespace."""


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


class Upstream:
    """The server, in a thread of its own until it is stopped."""

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
