"""`make bench`: every measurement, as a table, as JSON and as a plot."""

import argparse
import asyncio
import json
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench import monitors, report, stock, world
from bench.budgets import Measured
from bench.largest import longest_hold
from bench.measure import (
    Layout,
    Result,
    Watched,
    first_pass,
    idle_memory,
    ratios,
    restart,
    steady_state,
    until_written,
)
from bench.memory import Memory, idle
from bench.polls import Polls, polls
from bench.process import LOCKED, Name, run
from dev.controlplane import ControlPlane

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_ROOT: Final = Path(__file__).parents[1]
_PASSES: Final = 5
_BESIDE: Final = Layout(10_000, 200, 4, report.ACTIVE, monitors=1000)


class Bench:
    """One control plane with namespaces full of refs, and what is measured on it."""

    def __init__(self, cluster: world.Cluster, remote: world.Remote, window: float) -> None:
        self._cluster = cluster
        self._remote = remote
        self._window = window
        self._worlds = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, remote: world.Remote, window: float) -> "AsyncIterator[Bench]":
        """A new control plane: how much its API server holds has a part in what a PATCH costs it."""
        with ControlPlane.start() as control_plane:
            control_plane.kubectl("apply", "-f", "crds/appbackupref.yaml", "-f", "crds/appbackupmonitor.yaml")
            control_plane.kubectl("wait", "--for=condition=Established", "crd", "--all")
            async with world.Cluster.open(control_plane) as cluster:
                yield cls(cluster, remote, window)

    async def measure(self, name: Name, layout: Layout, *, hang: bool = False) -> Result:
        """One operator on refs of its own."""
        _say(f"{name}: {layout.refs} refs, {layout.apps} apps, {layout.active:.0%} active")
        idle = await idle_memory(name, self._cluster, self._remote, "default")
        namespace = await self._refs(layout)
        self._remote.do("faults", lists=layout.lists, hang=0.0)
        with run(name, self._cluster.control_plane, self._remote, namespace) as operator:
            first = await first_pass(operator, self._cluster, self._remote, layout, namespace, idle)
            steady = await steady_state(operator, self._cluster, self._remote, self._window, stock.INTERVAL)
            result = Result(name, layout, first, steady)
        if name == "mirror":
            # The polls that hang come last: what they leave in the statuses does not hold for the next process.
            with run(name, self._cluster.control_plane, self._remote, namespace) as operator:
                result = replace(result, restart=await restart(operator, self._cluster, self._remote, layout))
                if hang:
                    self._remote.do("faults", lists=layout.lists, hang=0.1)
                    hanging = await steady_state(operator, self._cluster, self._remote, self._window, stock.INTERVAL)
                    result = replace(result, hanging=hanging)
            self._remote.do("faults", lists=layout.lists, hang=0.0)
        _say(f"  {result}")
        return result

    async def measure_with_bare_loop(self, layout: Layout, *, watched: bool) -> Result:
        """The operator, with its first pass made several times, a bare loop before and after each.

        The more the API server holds, the more a PATCH costs it, and the machine's speed drifts: each pass is compared
        with the mean of the two loops around it; if `watched`, also with two that hold a watch.
        """
        await self._cluster.until_watched()
        status = await self._status()
        bare, holding, passes = [await self._bare_loop(layout, status)], [], []
        if watched:
            holding.append(await self._watching_loop(layout, status))
        result = await self.measure("mirror", layout, hang=True)
        for number in range(_PASSES):
            passes.append(result.first.seconds if not number else await self._first_pass_alone("mirror", layout))
            bare.append(await self._bare_loop(layout, status))
            if watched:
                holding.append(await self._watching_loop(layout, status))
        _say(f"  passes: {passes}, bare loops: {bare}, watching: {holding}, ratios: {ratios(passes, bare)}")
        result = replace(result, bare=(bare[0] + bare[1]) / 2, ratios=ratios(passes, bare))
        if not watched:
            return result
        # The floor comes between two such loops as well.
        floor = await self._first_pass_alone("floor.patches", layout, f"--status={json.dumps(status)}")
        around = [holding[-1], await self._watching_loop(layout, status)]
        _say(f"  watching ratios: {ratios(passes, holding)}, floor: {floor} between {around}")
        held = Watched((holding[0] + holding[1]) / 2, ratios(passes, holding), ratios([floor], around)[0])
        return replace(result, watched=held)

    async def polls(self) -> Polls:
        """What one poll costs where no list can be shared."""
        _say("polls without lists: both operators, and aiohttp alone")
        found = await polls(self._cluster, self._remote, self._window)
        _say(f"  {found}")
        return found

    async def made(self) -> monitors.Made:
        """What it costs when monitors make refs."""
        _say("monitors that make refs")
        idle = await idle_memory("mirror", self._cluster, self._remote, "default")
        namespace = await self._refs(Layout(0, 1, 1, 0.0))
        found = await monitors.made(self._cluster, self._remote, namespace, self._window, idle)
        _say(f"  {found}")
        return found

    async def idle(self) -> tuple[Memory, ...]:
        """What an idle operator takes, without refs and with a thousand."""
        _say("idle processes: no refs, and 1,000")
        layouts = (Layout(0, 1, 1, 0.0), Layout(1000, 20, 1, report.ACTIVE))
        found = await idle(self._cluster, self._remote, {each.refs: await self._refs(each) for each in layouts})
        _say(f"  {found}")
        return found

    async def _first_pass_alone(self, name: Name, layout: Layout, *options: str) -> float:
        namespace = await self._refs(layout)
        with run(name, self._cluster.control_plane, self._remote, namespace, *options) as process:
            return (await until_written(process, self._cluster, layout, namespace))[0]

    async def _refs(self, layout: Layout) -> str:
        self._worlds += 1
        namespace = f"bench-{self._worlds}"
        specs = self._remote.do(
            "add",
            world=f"{self._cluster.control_plane.url} {namespace}",
            refs=layout.refs,
            apps=layout.apps,
            accounts=layout.accounts,
            active=layout.active,
        )
        await self._cluster.create_refs(namespace, specs, self._remote)
        if layout.monitors:
            await monitors.add_beside(self._cluster, self._remote, namespace, layout.monitors, specs)
        return namespace

    async def _status(self) -> dict[str, Any]:
        """What the operator writes into a status, for the loops to write as well."""
        namespace = await self._refs(Layout(1, 1, 1, 0.0))
        with run("mirror", self._cluster.control_plane, self._remote, namespace):
            self._cluster.control_plane.kubectl(
                "wait", "--for=condition=Ready", "abr/ref-00000", f"--namespace={namespace}", "--timeout=60s"
            )
        return await self._cluster.status(namespace, 0)

    async def _bare_loop(self, layout: Layout, status: dict[str, Any]) -> float:
        return await self._cluster.patch_statuses(await self._refs(layout), layout.refs, status)

    async def _watching_loop(self, layout: Layout, status: dict[str, Any]) -> float:
        return await self._cluster.patch_statuses_and_watch(await self._refs(layout), status)


async def _run(sizes: list[int], window: float, sweeps: list[Layout], out: Path) -> None:
    results, swept = [], []
    with world.Remote.start() as remote:
        hold = await longest_hold(remote)
        for refs in sizes:
            layout = Layout(refs, max(refs // 50, 1), max(refs // 2500, 1), report.ACTIVE)
            async with Bench.open(remote, window) as bench:
                results.append(await bench.measure_with_bare_loop(layout, watched=refs == max(sizes)))
                results.append(await bench.measure("stock", layout))
        for layout in sweeps:
            async with Bench.open(remote, window) as bench:
                swept.append(await bench.measure("mirror", layout, hang=not layout.lists))
        measured = Measured(tuple(results), tuple(swept), hold)
        if sweeps:
            async with Bench.open(remote, window) as bench:
                measured = replace(measured, polls=await bench.polls(), memory=await bench.idle())
            async with Bench.open(remote, window) as bench:
                measured = replace(measured, monitors=await bench.measure("mirror", _BESIDE))
            async with Bench.open(remote, window) as bench:
                measured = replace(measured, made=await bench.made())
    if not report.write(measured, out):
        sys.exit("bench: a budget is broken")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--refs", type=int, nargs="+", default=[1000, 3000, 10_000], help="numbers of refs")
    parser.add_argument("--window", type=float, default=45.0, help="seconds of steady state")
    left_out = "the costs of active refs and of apps, single polls, idle processes, and monitors"
    parser.add_argument("--no-sweeps", action="store_true", help=f"leave out {left_out}")
    parser.add_argument("--out", type=Path, help="folder for bench.json and bench.svg: docs, or build/bench for a part")
    options = parser.parse_args()
    if not LOCKED.exists():
        sys.exit(f"bench: {LOCKED} is missing: make {LOCKED.relative_to(_ROOT)}/.ready")
    is_whole = options.refs == parser.get_default("refs") and not options.no_sweeps
    out: Path = options.out or (_ROOT / "docs" if is_whole else _ROOT / "build" / "bench")
    out.mkdir(parents=True, exist_ok=True)
    # As Ctrl-C does: what was started is ended on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sweeps = [Layout(report.REFS, report.APPS, 1, active) for active in (0.0, 0.25, 1.0)]
    sweeps += [Layout(report.REFS, apps, 1, report.ACTIVE) for apps in (6, 600, 3000)]
    sweeps += [Layout(report.REFS, report.APPS, 1, 0.15, lists=False)]
    asyncio.run(_run(options.refs, options.window, [] if options.no_sweeps else sweeps, out))


if __name__ == "__main__":
    main()
