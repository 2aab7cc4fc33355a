"""The measurements: one operator, one number of refs; and the bare loop that a full pass is compared with."""

import asyncio
import json
import re
import time
import uuid
from dataclasses import dataclass
from typing import Final

import aiohttp

from astra_mirror.astra.answers import read_list
from astra_mirror.astra.client import MAX_LIST
from astra_mirror.cli import tune_garbage_collector
from astra_mirror.core.connection import Connection
from astra_mirror.core.outcome import Known
from astra_mirror.core.urls import BaseURL
from bench import world

_LOOK_SECONDS: Final = 0.1
_PASS_SECONDS: Final = 900.0
_REST_SECONDS: Final = 20.0


@dataclass(frozen=True)
class Layout:
    """How many refs there are, over how many apps and accounts, and the share whose backups are running."""

    refs: int
    apps: int
    accounts: int
    active: float


@dataclass(frozen=True)
class Pass:
    """The first full pass: until each ref has a status. `startup` are the seconds in which Python starts, before it."""

    startup: float
    seconds: float
    cpu: float
    writes: int
    requests: int
    memory: float
    growth: float


@dataclass(frozen=True)
class Steady:
    """What it costs when nothing changes. `cpu` is the share of a core, `lateness` in seconds, None when unknown."""

    seconds: float
    cpu: float
    writes: int
    requests: int
    on_time: float | None
    late: float | None


@dataclass(frozen=True)
class Result:
    """One operator on one layout; `bare` is the seconds of the bare loop of as many PATCHes, if it was run."""

    operator: str
    layout: Layout
    bare: float | None
    first: Pass
    steady: Steady
    hanging: Steady | None = None


async def longest_hold() -> float:
    """For how many milliseconds at most the event loop is held while the largest list allowed is read."""
    tune_garbage_collector()
    item = {"id": "", "state": "completed", "name": "x" * 400, "stateUnready": [], "metadata": {"labels": []}}
    ids = [str(uuid.UUID(int=number)) for number in range(MAX_LIST // (len(json.dumps(item)) + 40))]
    body = json.dumps({"items": [item | {"id": each} for each in ids]}).encode()
    connection = Connection(BaseURL.parse("https://bench.netapp.io"), "token")
    task = asyncio.ensure_future(
        read_list(connection.redact_plain(body), Known(dict.fromkeys(ids[::10])), connection.redact)
    )
    longest, before = 0.0, time.monotonic()
    while not task.done():
        await asyncio.sleep(0)
        longest, before = max(longest, time.monotonic() - before), time.monotonic()
    await task
    return 1000 * longest


async def idle_memory(name: str, cluster: world.Cluster, remote: world.Remote, namespace: str) -> float:
    """The MiB of an operator that has nothing to do."""
    with world.run(name, cluster.control_plane, remote, namespace) as operator:
        await asyncio.sleep(_REST_SECONDS / 4)
        return operator.usage().memory


async def first_pass(
    operator: world.Operator, cluster: world.Cluster, remote: world.Remote, layout: Layout, idle: float
) -> Pass:
    """Wait until each ref has a status."""
    begun, before, revision = time.monotonic(), await cluster.writes(), await cluster.revision()
    remote.do("requests")
    while operator.is_starting:  # noqa: ASYNC110 - its log is a file
        await asyncio.sleep(_LOOK_SECONDS)
    started = time.monotonic()
    # A look at the API server's metrics costs as much as many PATCHes: only when there can have been enough of them.
    missing = layout.refs
    while missing > 0 and time.monotonic() - started < _PASS_SECONDS:
        if (latest := await cluster.revision()) - revision >= missing:
            revision, missing = latest, layout.refs - (await cluster.writes())[1] + before[1]
        else:
            await asyncio.sleep(_LOOK_SECONDS)
    seconds, cpu = time.monotonic() - started, operator.usage().cpu
    await asyncio.sleep(_REST_SECONDS)
    memory = operator.usage().memory
    writes = (await cluster.writes())[0] - before[0]
    return Pass(started - begun, seconds, cpu, writes, remote.do("requests"), memory, memory - idle)


async def steady_state(
    operator: world.Operator, cluster: world.Cluster, remote: world.Remote, window: float, interval: float
) -> Steady:
    """Look at it for `window` seconds."""
    remote.do("requests")
    writes, usage, started = (await cluster.writes())[0], operator.usage(), time.monotonic()
    before = await _lateness(operator)
    await asyncio.sleep(window)
    seconds = time.monotonic() - started
    cpu = (operator.usage().cpu - usage.cpu) / seconds
    after = await _lateness(operator)
    if before is not None and after is not None:
        polls = after["+Inf"] - before["+Inf"]
        on_time = (after["1.0"] - before["1.0"]) / polls if polls else None
        late = next((float(le) for le in after if (after[le] - before[le]) >= 0.99 * polls), None) if polls else None
    else:
        gaps = remote.do("lateness", interval=interval)
        on_time = sum(gap <= 1 for gap in gaps) / len(gaps) if gaps else None
        late = gaps[int(0.99 * len(gaps))] if gaps else None
    return Steady(seconds, cpu, (await cluster.writes())[0] - writes, remote.do("requests"), on_time, late)


async def _lateness(operator: world.Operator) -> dict[str, float] | None:
    """The histogram of astra_mirror_poll_lateness_seconds, cumulative; None for an operator without it."""
    address = operator.address
    if address is None:
        return None
    async with aiohttp.ClientSession() as session, session.get(f"http://{address}/metrics") as answer:
        text = await answer.text()
    buckets = re.findall(r'astra_mirror_poll_lateness_seconds_bucket\{le="([^"]+)"\} (\S+)', text)
    return {le: float(value) for le, value in buckets}
