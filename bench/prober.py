"""How long the operator's event loop is held, from outside: `python -m bench.prober ADDRESS PID`, until stdin ends.

It asks /healthz again and again. An answer is late when the loop is held, and also when other processes have the cores;
the kernel counts the latter for each thread (/proc/*/schedstat), so it is taken off. What is left is time in which the
loop could have answered and did something else. Prints the longest holds in milliseconds, as JSON.

`python -m bench.prober serve` is the control: a process with nothing to do, asked in the same way at the same time.
What it shows is the machine's part and not the operator's.
"""

import asyncio
import contextlib
import http.client
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Final

from aiohttp import web

_PAUSE_SECONDS: Final = 0.003
_SHOWN: Final = 20


def main() -> None:
    """Ask, or serve, until stdin ends."""
    if sys.argv[1] == "serve":
        asyncio.run(_serve())
        return
    address, pid = sys.argv[1], int(sys.argv[2])
    ended = threading.Event()
    threading.Thread(target=_until_the_end_of_stdin, args=(ended,), daemon=True).start()
    holds: list[float] = []
    connection = http.client.HTTPConnection(address, timeout=60)
    while not ended.wait(_PAUSE_SECONDS):
        with contextlib.suppress(OSError, http.client.HTTPException):
            holds.append(_hold(connection, pid))
            continue
        connection.close()
    print(json.dumps({"asked": len(holds), "longest": sorted(holds, reverse=True)[:_SHOWN]}))


async def _serve() -> None:
    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    print(f"{host}:{port}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


def _until_the_end_of_stdin(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


def _hold(connection: http.client.HTTPConnection, pid: int) -> float:
    operator, prober = _waited(pid), _waited(os.getpid())
    begun = time.monotonic()
    connection.request("GET", "/healthz")
    connection.getresponse().read()
    took = time.monotonic() - begun
    return 1000 * max(took - _since(operator, pid) - _since(prober, os.getpid()), 0.0)


def _since(before: dict[int, float], pid: int) -> float:
    """How long a process's first thread, and the one of its others that waited most, had no core since then.

    The first thread waits for another one as well: for one that was about to take the interpreter's lock.
    """
    waited = {thread: seconds - before.get(thread, 0.0) for thread, seconds in _waited(pid).items()}
    return waited.pop(pid, 0.0) + max(waited.values(), default=0.0)


def _waited(pid: int) -> dict[int, float]:
    """The seconds for which each thread of a process was ready to run and had no core."""
    waited = {}
    for path in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            waited[int(path.name)] = int((path / "schedstat").read_text().split()[1]) / 1e9
    return waited


if __name__ == "__main__":
    main()
