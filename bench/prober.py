"""How long the operator's event loop is held, from outside: `python -m bench.prober ADDRESS`, until stdin ends.

It asks /healthz again and again. An answer is late when the loop is held, and also when this process has no core; the
kernel counts the latter (/proc/self/schedstat), so it is taken off. Prints the longest holds in milliseconds, as JSON.
"""

import contextlib
import http.client
import json
import sys
import threading
import time
from pathlib import Path
from typing import Final

_PAUSE_SECONDS: Final = 0.003
_SHOWN: Final = 20


def main() -> None:
    """Ask until stdin ends."""
    address = sys.argv[1]
    ended = threading.Event()
    threading.Thread(target=_until_the_end_of_stdin, args=(ended,), daemon=True).start()
    holds: list[float] = []
    connection = http.client.HTTPConnection(address, timeout=60)
    while not ended.wait(_PAUSE_SECONDS):
        with contextlib.suppress(OSError, http.client.HTTPException):
            holds.append(_hold(connection))
            continue
        connection.close()
    print(json.dumps({"asked": len(holds), "longest": sorted(holds, reverse=True)[:_SHOWN]}))


def _until_the_end_of_stdin(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


def _hold(connection: http.client.HTTPConnection) -> float:
    waited, begun = _waited(), time.monotonic()
    connection.request("GET", "/healthz")
    connection.getresponse().read()
    return 1000 * max(time.monotonic() - begun - (_waited() - waited), 0.0)


def _waited() -> float:
    """The seconds for which this thread was ready to run and had no core."""
    return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9


if __name__ == "__main__":
    main()
