"""The measurements of one operator as a process: its first pass, a restart, and what it costs when nothing changes."""

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from bench.process import Name, Process, run
from bench.world import Cluster, Remote

_LOOK_SECONDS: Final = 0.1
_PASS_SECONDS: Final = 900.0
REST_SECONDS: Final = 20.0


@dataclass(frozen=True)
class Layout:
    """How many refs there are, over how many apps and accounts, and the share whose backups are running.

    `lists` is false where the token may read single backups and no list. Of the `monitors`, there is one for each of
    the refs' apps, and the others have apps of their own.
    """

    refs: int
    apps: int
    accounts: int
    active: float
    lists: bool = True
    monitors: int = 0


@dataclass(frozen=True)
class Pass:
    """The first full pass: until each ref has a status. `startup` are the seconds in which Python starts, before it.

    `missing` are the refs without a state when there was no more waiting for them; `memory`, `growth` (against an idle
    process) and `peak` are MiB.
    """

    startup: float
    seconds: float
    cpu: float
    writes: int
    requests: int
    memory: float
    growth: float
    peak: float
    missing: int = 0


@dataclass(frozen=True)
class Restart:
    """A start with statuses that hold already: the seconds until as many polls have ended as there are refs."""

    seconds: float
    cpu: float
    writes: int
    requests: int


@dataclass(frozen=True)
class Steady:
    """What it costs when nothing changes.

    `cpu` is the share of a core; of `polls` requests that began a poll, `on_time` is the share that started within a
    second, and 99% had started after `late` seconds.
    """

    seconds: float
    cpu: float
    writes: int
    requests: int
    polls: int
    on_time: float | None
    late: float | None


@dataclass(frozen=True)
class Watched:
    """The first pass against bare loops that send what the operator sends, as its field manager, and hold a watch.

    `bare` are the seconds of the first two loops, in the mean; `ratios` is the first pass, several times, against the
    loops before and after it; `floor` is the same of Kopf's watch with a raw client's PATCHes, made once.
    """

    bare: float
    ratios: tuple[float, ...]
    floor: float


@dataclass(frozen=True)
class Result:
    """One operator on one layout.

    Attributes:
        operator: which.
        layout: on what.
        first: the first pass.
        steady: what it costs when nothing changes; `hanging`, when a tenth of the answers do not come as well.
        restart: a start with statuses that hold.
        bare: the seconds of the bare loop of as many PATCHes, if it was run.
        ratios: the first pass, several times, against the bare loops before and after it.
        watched: the same with loops that hold a watch, if they were run.
    """

    operator: str
    layout: Layout
    first: Pass
    steady: Steady
    hanging: Steady | None = None
    restart: Restart | None = None
    bare: float | None = None
    ratios: tuple[float, ...] = ()
    watched: Watched | None = None


def ratios(passes: Sequence[float], loops: Sequence[float]) -> tuple[float, ...]:
    """Each pass against the mean of the loops before and after it: there is one loop more than there are passes."""
    return tuple(2 * each / sum(around) for each, around in zip(passes, pairwise(loops), strict=True))


async def idle_memory(name: Name, cluster: Cluster, remote: Remote, namespace: str) -> float:
    """The MiB of an operator that has nothing to do."""
    with run(name, cluster.control_plane, remote, namespace) as operator:
        await asyncio.sleep(REST_SECONDS / 4)
        return operator.usage().memory


async def first_pass(
    operator: Process, cluster: Cluster, remote: Remote, layout: Layout, namespace: str, idle: float
) -> Pass:
    """Wait until each ref has a status, and then until the operator rests."""
    begun, before = time.monotonic(), await cluster.writes()
    remote.do("requests")
    seconds, missing = await until_written(operator, cluster, layout, namespace)
    startup, cpu = time.monotonic() - begun - seconds, operator.usage().cpu
    await asyncio.sleep(REST_SECONDS)
    usage = operator.usage()
    writes = (await cluster.writes())[0] - before[0]
    requests = remote.do("requests")
    return Pass(startup, seconds, cpu, writes, requests, usage.memory, usage.memory - idle, usage.peak, missing)


async def until_written(operator: Process, cluster: Cluster, layout: Layout, namespace: str) -> tuple[float, int]:
    """Wait until each ref has a state and each monitor is observed.

    Returns:
        The seconds from the first line of log, and how many objects are not there yet at the end.
    """
    revision, before = await cluster.revision(), (await cluster.writes())[1]
    while operator.is_starting:  # noqa: ASYNC110 - its log is a file
        await asyncio.sleep(_LOOK_SECONDS)
    started = time.monotonic()
    # A look at the API server's metrics costs as much as many PATCHes, and a list of all refs as much as thousands:
    # only when there can have been enough of them.
    patches = layout.refs
    while (now := time.monotonic()) - started < _PASS_SECONDS:
        if (latest := await cluster.revision()) - revision >= patches:
            revision, patches = latest, layout.refs - (await cluster.writes())[1] + before
            if patches <= 0 and not (patches := await cluster.not_observed(namespace)):
                return now - started, 0
        await asyncio.sleep(_LOOK_SECONDS)
    return now - started, await cluster.not_observed(namespace)


async def restart(operator: Process, cluster: Cluster, remote: Remote, layout: Layout) -> Restart:
    """Wait until as many polls have ended as there are refs."""
    writes = (await cluster.writes())[0]
    remote.do("requests")
    while operator.is_starting:  # noqa: ASYNC110 - its log is a file
        await asyncio.sleep(_LOOK_SECONDS)
    started = time.monotonic()
    deadline = started + _PASS_SECONDS
    while await _observations(operator) < layout.refs and time.monotonic() < deadline:  # noqa: ASYNC110 - a process
        await asyncio.sleep(_LOOK_SECONDS)
    seconds, cpu = time.monotonic() - started, operator.usage().cpu
    await asyncio.sleep(REST_SECONDS / 4)
    return Restart(seconds, cpu, (await cluster.writes())[0] - writes, remote.do("requests"))


async def steady_state(operator: Process, cluster: Cluster, remote: Remote, window: float, interval: float) -> Steady:
    """Look at it for `window` seconds."""
    remote.do("requests")
    writes, usage, started = (await cluster.writes())[0], operator.usage(), time.monotonic()
    before = await _lateness(operator)
    await asyncio.sleep(window)
    seconds = time.monotonic() - started
    cpu = (operator.usage().cpu - usage.cpu) / seconds
    after = await _lateness(operator)
    if before is not None and after is not None:
        polls = round(after["+Inf"] - before["+Inf"])
        on_time = (after["1.0"] - before["1.0"]) / polls if polls else None
        late = next((float(le) for le in after if (after[le] - before[le]) >= 0.99 * polls), None) if polls else None
    else:
        gaps = remote.do("lateness", interval=interval)
        polls = len(gaps)
        on_time = sum(gap <= 1 for gap in gaps) / len(gaps) if gaps else None
        late = gaps[int(0.99 * len(gaps))] if gaps else None
    return Steady(seconds, cpu, (await cluster.writes())[0] - writes, remote.do("requests"), polls, on_time, late)


async def _lateness(operator: Process) -> dict[str, float] | None:
    """The histogram of astra_mirror_poll_lateness_seconds, cumulative; None for an operator without it."""
    text = await operator.metrics()
    buckets = re.findall(r'astra_mirror_poll_lateness_seconds_bucket\{(?:kind="ref",)?le="([^"]+)"\} (\S+)', text)
    return {le: float(value) for le, value in buckets} or None


async def _observations(operator: Process) -> float:
    found = re.search(
        r'astra_mirror_observations_total\{(?:kind="ref",)?result="Observed"\} (\S+)', await operator.metrics()
    )
    return float(found[1]) if found else 0.0
