"""`make bench`: every measurement, as a table, as JSON and as a plot."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path
from typing import Final

from bench import report, stock, world
from bench.measure import Layout, Result, first_pass, idle_memory, longest_hold, steady_state
from dev.controlplane import ControlPlane

_ACTIVE: Final = 0.05
_ROOT: Final = Path(__file__).parents[1]


class Bench:
    """One run: a control plane, a simulator, and namespaces full of refs."""

    def __init__(self, cluster: world.Cluster, remote: world.Remote, window: float) -> None:
        self._cluster = cluster
        self._remote = remote
        self._window = window
        self._idle: dict[str, float] = {}
        self._worlds = 0

    async def measure(self, name: str, layout: Layout, *, bare: bool = False, hang: bool = False) -> Result:
        """One operator on refs of its own."""
        _say(f"{name}: {layout.refs} refs, {layout.apps} apps, {layout.active:.0%} active")
        if name not in self._idle:
            self._idle[name] = await idle_memory(name, self._cluster, self._remote, "default")
        seconds = await self._bare(layout) if bare else None
        namespace = await self._refs(layout)
        with world.run(name, self._cluster.control_plane, self._remote, namespace) as operator:
            first = await first_pass(operator, self._cluster, self._remote, layout, self._idle[name])
            steady = await steady_state(operator, self._cluster, self._remote, self._window, stock.INTERVAL)
            hanging = None
            if hang:
                self._remote.do("hang", share=0.1)
                hanging = await steady_state(operator, self._cluster, self._remote, self._window, stock.INTERVAL)
                self._remote.do("hang", share=0.0)
        result = Result(name, layout, seconds, first, steady, hanging)
        _say(f"  {result.first}\n  {result.steady}" + (f"\n  hanging: {hanging}" if hanging else ""))
        return result

    async def _refs(self, layout: Layout) -> str:
        self._worlds += 1
        namespace = f"bench-{self._worlds}"
        specs = self._remote.do(
            "add",
            world=namespace,
            refs=layout.refs,
            apps=layout.apps,
            accounts=layout.accounts,
            active=layout.active,
        )
        await self._cluster.create_refs(namespace, specs, self._remote)
        return namespace

    async def _bare(self, layout: Layout) -> float:
        sample = await self._refs(Layout(1, 1, 1, 0.0))
        with world.run("mirror", self._cluster.control_plane, self._remote, sample):
            self._cluster.control_plane.kubectl(
                "wait", "--for=condition=Ready", "abr/ref-00000", f"--namespace={sample}", "--timeout=60s"
            )
        status = await self._cluster.status(sample, 0)
        return await self._cluster.patch_statuses(await self._refs(layout), layout.refs, status)


async def _run(sizes: list[int], window: float, sweeps: list[Layout], out: Path) -> None:
    hold = await longest_hold()
    with ControlPlane.start() as control_plane, world.Remote.start() as remote:
        control_plane.kubectl("apply", "-f", "crds/appbackupref.yaml")
        control_plane.kubectl("wait", "--for=condition=Established", "crd/appbackuprefs.astra-mirror.io")
        async with world.Cluster.open(control_plane) as cluster:
            bench = Bench(cluster, remote, window)
            results = []
            for refs in sizes:
                layout = Layout(refs, max(refs // 50, 1), max(refs // 2500, 1), _ACTIVE)
                results.append(await bench.measure("mirror", layout, bare=True, hang=True))
                results.append(await bench.measure("stock", layout))
            swept = [await bench.measure("mirror", layout) for layout in sweeps]
    if not report.write(results, swept, hold, out):
        sys.exit("bench: a budget is broken")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--refs", type=int, nargs="+", default=[1000, 3000, 10_000], help="numbers of refs")
    parser.add_argument("--window", type=float, default=60.0, help="seconds of steady state")
    parser.add_argument("--no-sweeps", action="store_true", help="leave out the costs of active refs and of apps")
    parser.add_argument("--out", type=Path, default=_ROOT / "docs", help="folder for bench.json and bench.svg")
    options = parser.parse_args()
    # As Ctrl-C does: what was started is ended on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    refs = 3000
    sweeps = [Layout(refs, 60, 2, active) for active in (0.0, 0.25, 1.0)]
    sweeps += [Layout(refs, apps, 2, _ACTIVE) for apps in (6, 600, 3000)]
    asyncio.run(_run(options.refs, options.window, [] if options.no_sweeps else sweeps, options.out))


if __name__ == "__main__":
    main()
