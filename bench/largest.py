"""The largest list that is allowed: for how long the event loop is held while it is fetched and read."""

import asyncio
import time
from typing import Any, Final

from astra_mirror.astra.bodies import MAX_LIST
from astra_mirror.astra.client import AstraClient
from astra_mirror.astra.transport import ClientPool
from astra_mirror.cli import tune_garbage_collector
from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Failed, Known, Observed
from astra_mirror.core.request_plan import Collection
from astra_mirror.core.urls import AllowedURL, BaseURL
from astra_mirror.support import allocator
from bench import world

_LIST_SECONDS: Final = 60.0


async def longest_hold(remote: world.Remote) -> float:
    """For how many milliseconds at most the event loop is held while the largest list allowed is fetched and read.

    One at a time, because it takes all the room that there is for lists; plain and compressed, for the first time and
    when nothing in it has changed.
    """
    tune_garbage_collector()
    allocator.return_large_blocks()
    connection = Connection(BaseURL.parse(remote.url), remote.token)
    clients = ClientPool([AllowedURL.parse(remote.url)])
    client = AstraClient(clients, _LIST_SECONDS)
    longest = 0.0
    for compressed in (False, True):
        account, ids = remote.do("large", size=MAX_LIST, compressed=compressed)
        known = Known(dict.fromkeys(ids))
        for _ in range(2):
            collection = Collection(account, None)
            read = asyncio.ensure_future(client.list_backups(connection, collection, known))
            longest = max(longest, await _hold_during(read))
            listed = await read
            if isinstance(listed, Failed) or len(listed.found) != len(ids):
                raise RuntimeError(f"the largest list was not read: {listed}")
            digests = {key: each.digest for key, each in listed.found.items() if isinstance(each, Observed)}
            known = Known(digests, listed.digest)
    await clients.close()
    remote.do("faults", lists=True, hang=0.0)
    return 1000 * longest


async def _hold_during(task: "asyncio.Future[Any]") -> float:
    longest, before = 0.0, time.monotonic()
    while not task.done():
        await asyncio.sleep(0)
        longest, before = max(longest, time.monotonic() - before), time.monotonic()
    return longest
