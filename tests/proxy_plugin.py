"""The proxy of the tests: proxy.py, with a plugin that prints requests, refuses some, and alone knows some names."""

import os
import signal
import sys
from typing import Final

from proxy import Proxy
from proxy.http.exception import HttpRequestRejected
from proxy.http.parser import HttpParser
from proxy.http.proxy import HttpProxyBasePlugin

KNOWN: Final = ".example"
"""The names that no resolver of this machine knows, and for this proxy have the address in the variable EXAMPLE."""
MARK: Final = "mark.example"
"""A request to this host is only printed: all that came before it has been printed then."""
_REFUSED: Final = {
    MARK.encode(): HttpRequestRejected(status_code=204, reason=b"No Content"),
    b"refused.example": HttpRequestRejected(status_code=403, reason=b"Forbidden"),
    b"broken.example": HttpRequestRejected(status_code=502, reason=b"Bad Gateway"),
}


class Recorder(HttpProxyBasePlugin):
    """Prints the first line of each request that reaches it, and which headers with credentials it has."""

    def resolve_dns(self, host: str, port: int) -> tuple[str | None, tuple[str, int] | None]:
        """The address of a name; none for one that the system's resolver has to look up."""
        del port
        return (os.environ["EXAMPLE"] if host.endswith(KNOWN) else None), None

    def before_upstream_connection(self, request: HttpParser) -> HttpParser | None:
        """Called once for each connection, after the user name and the password have been accepted."""
        if request.host in _REFUSED:
            _print(f"refused {request.host.decode()}{(request.path or b'').decode()}")
            raise _REFUSED[request.host]
        return request

    def handle_client_request(self, request: HttpParser) -> HttpParser | None:
        """Called for each request that is forwarded, a CONNECT included."""
        host, port = (request.host or b"").decode(), request.port
        path = (request.path or b"").decode()
        secret = [name for name in ("authorization", "proxy-authorization") if request.has_header(name.encode())]
        _print(f"request {(request.method or b'').decode()} {host}:{port}{path} {','.join(secret)}")
        return request


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Run it with the options on the command line, and print its port."""
    with Proxy([*sys.argv[1:], "--plugins", "tests.proxy_plugin.Recorder"]) as proxy:
        _print(f"Listening on {proxy.flags.port}")
        signal.pause()


if __name__ == "__main__":
    main()
