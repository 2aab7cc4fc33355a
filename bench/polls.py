"""What a poll costs where no list can be shared: the operator, the stock one and a bare loop at the same time.

Each polls as many backups of its own every 15 s, and the answers take 20 ms and do not change. They run at the same
time, because the speed of the machine drifts by more from minute to minute than they differ. The CPU is each process's,
from /proc; a poll is a GET of a single backup that the simulator has answered.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from bench.measure import REST_SECONDS, Layout, until_written
from bench.process import Process, run
from bench.stock import INTERVAL
from bench.world import Cluster, Remote

_LAYOUT: Final = Layout(refs=1000, apps=1000, accounts=1, active=1.0, lists=False)
_LATENCY: Final = 0.02


@dataclass(frozen=True)
class Polling:
    """One process: polls a second, and milliseconds of CPU for each."""

    rate: float
    cost: float


@dataclass(frozen=True)
class Polls:
    """The operator, the stock one, and aiohttp alone, with as many backups each."""

    refs: int
    mirror: Polling
    stock: Polling
    floor: Polling


async def polls(cluster: Cluster, remote: Remote, window: float) -> Polls:
    """Let all three poll, and look at them for `window` seconds."""
    worlds = {name: _add(cluster, remote, f"polls-{name}") for name in ("mirror", "stock", "floor")}
    for name in ("mirror", "stock"):
        await cluster.create_refs(f"polls-{name}", worlds[name], remote)
    accounts = {name: sorted({each["accountID"] for each in specs}) for name, specs in worlds.items()}
    remote.do("faults", lists=False, hang=0.0, latency=_LATENCY)
    plane = cluster.control_plane
    with run("mirror", plane, remote, "polls-mirror") as mirror:
        await until_written(mirror, cluster, _LAYOUT, "polls-mirror")
        with (
            run("stock", plane, remote, "polls-stock") as stock,
            _bare_loop(cluster, remote, worlds["floor"]) as floor,
        ):
            await until_written(stock, cluster, _LAYOUT, "polls-stock")
            await asyncio.sleep(REST_SECONDS)
            processes = {"mirror": mirror, "stock": stock, "floor": floor}
            found = await _look(processes, accounts, remote, window)
    remote.do("faults", lists=True, hang=0.0)
    return Polls(_LAYOUT.refs, **found)


def _add(cluster: Cluster, remote: Remote, name: str) -> list[dict[str, str]]:
    specs: list[dict[str, str]] = remote.do(
        "add",
        world=f"{cluster.control_plane.url} {name}",
        refs=_LAYOUT.refs,
        apps=_LAYOUT.apps,
        accounts=_LAYOUT.accounts,
        active=_LAYOUT.active,
    )
    return specs


@contextmanager
def _bare_loop(cluster: Cluster, remote: Remote, specs: list[dict[str, str]]) -> Iterator[Process]:
    urls = [
        f"{remote.url}/accounts/{each['accountID']}/k8s/v1/apps/{each['appID']}/appBackups/{each['backupID']}"
        for each in specs
    ]
    backups = cluster.control_plane.folder / "polls.json"
    backups.write_text(json.dumps({"urls": urls, "token": remote.token, "interval": INTERVAL}))
    with run("floor.polls", cluster.control_plane, remote, "polls-floor", f"--backups={backups}") as process:
        yield process


async def _look(
    processes: dict[str, Process], accounts: dict[str, list[str]], remote: Remote, window: float
) -> dict[str, Any]:
    started = asyncio.get_running_loop().time()
    remote.do("requests")
    before = {name: each.usage().cpu for name, each in processes.items()}
    await asyncio.sleep(window)
    used = {name: each.usage().cpu - before[name] for name, each in processes.items()}
    seconds = asyncio.get_running_loop().time() - started
    numbers = {name: remote.do("polls", accounts=accounts[name]) for name in processes}
    return {
        name: Polling(rate=number / seconds, cost=1000 * used[name] / max(number, 1))
        for name, number in numbers.items()
    }
