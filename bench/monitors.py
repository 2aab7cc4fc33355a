"""What monitors cost: a thousand of them beside the refs, and a hundred that make a hundred refs each."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final

from bench.measure import REST_SECONDS, Steady, steady_state
from bench.process import run
from bench.stock import INTERVAL
from bench.world import Cluster, Remote

INTERVAL_SECONDS: Final = 300.0
"""The default of --monitor-interval."""
_BACKUPS: Final = 30
"""Of each app that has a monitor and no refs."""
_OBJECTIVES: Final = [{"name": "yearly", "maxAge": "8760h"}]
_MAKERS: Final = 100
_NEWEST: Final = 100
_SPARE: Final = 20
"""How many more backups an app has than its monitor makes refs."""
_MAKE_SECONDS: Final = 1200.0


@dataclass(frozen=True)
class Made:
    """Monitors that make refs: until each says RefsCurrent and each ref has a state.

    `seconds` are from the operator's first line of log; `growth` is MiB against an idle process; `missing` are the
    monitors and refs that were not there when there was no more waiting for them.
    """

    monitors: int
    refs: int
    seconds: float
    cpu: float
    writes: int
    requests: int
    growth: float
    missing: int
    steady: Steady


async def add_beside(
    cluster: Cluster, remote: Remote, namespace: str, monitors: int, refs: list[dict[str, str]]
) -> None:
    """Make so many monitors beside refs with these specs: one for each app of theirs, then with apps of their own."""
    shared = {each["appID"]: {"accountID": each["accountID"], "appID": each["appID"]} for each in refs}
    own = _catalog(cluster, remote, namespace, monitors - len(shared), _BACKUPS)
    await cluster.create_monitors(namespace, [{**app, "objectives": _OBJECTIVES} for app in (*shared.values(), *own)])


async def made(cluster: Cluster, remote: Remote, namespace: str, window: float, idle: float) -> Made:
    """Let monitors make refs in a namespace that has a Secret and no ref; then look for `window` seconds."""
    apps = _catalog(cluster, remote, namespace, _MAKERS, _NEWEST + _SPARE)
    await cluster.create_monitors(namespace, [{**app, "mirror": {"newest": _NEWEST}} for app in apps])
    before = (await cluster.writes())[0]
    remote.do("requests")
    with run("mirror", cluster.control_plane, remote, namespace) as operator:
        while operator.is_starting:  # noqa: ASYNC110 - its log is a file
            await asyncio.sleep(0.1)
        started = time.monotonic()
        while missing := await cluster.refs_not_made(namespace, _MAKERS, _MAKERS * _NEWEST):
            if time.monotonic() > started + _MAKE_SECONDS:
                break
            # Each look costs the API server a list of all refs.
            await asyncio.sleep(2)
        seconds, usage = time.monotonic() - started, operator.usage()
        await asyncio.sleep(REST_SECONDS)
        writes, requests = (await cluster.writes())[0] - before, remote.do("requests")
        growth = operator.usage().memory - idle
        steady = await steady_state(operator, cluster, remote, window, INTERVAL)
    refs = _MAKERS * _NEWEST
    return Made(_MAKERS, refs, seconds, usage.cpu, writes, requests, growth, missing, steady)


def _catalog(cluster: Cluster, remote: Remote, namespace: str, apps: int, backups: int) -> list[dict[str, Any]]:
    name = f"{cluster.control_plane.url} {namespace} monitors"
    found: list[dict[str, Any]] = remote.do("catalog", world=name, apps=apps, backups=backups)
    return found
