"""What a hostile tenant costs another: `python -m bench.hostile`, or `make bench HOSTILE=1` after the rest.

Twice, with a Secret equal to the victim's and with one of its own, a namespace does its worst (bench.attack) while
another one has an ordinary life. Judged are the victim's: requests that start within a second (99.9%), repair within
5 s, deletion at once; and the operator's: no hold of its loop over 50 ms, the Lease kept, memory under the pod's limit.

The operator is given a core of its own; the control plane, Astra Control and the attack share the others. Where they
take its core for seconds at a time, what is measured is the machine.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.attack import Load
from bench.stage import Scene, Victim, memory_limit, under_attack


@dataclass(frozen=True)
class Figures:
    """What was measured. Seconds, MiB, and milliseconds for the holds.

    `load` is what was meant to be done (no `names` where there is no resolver that stays silent), `done` what was.
    `on_time` is the share of the victim's requests that started within a second of their time; `cpu` is the share of a
    core that the operator took; `holds` are the longest.
    """

    secret: str
    load: Load
    done: dict[str, int]
    requests: int
    on_time: float
    latest: float
    cpu: float
    holds: list[float]
    repairs: list[float]
    deletions: list[float]
    unsynced: int
    lease_kept: bool
    peak: float
    limit: float

    def broken(self) -> list[str]:
        """The promises that do not hold."""
        judged = {
            "requests within 1 s": self.on_time >= 0.999,
            "no hold over 50 ms": max(self.holds) <= 50,
            "Lease kept": self.lease_kept,
            "repair within 5 s": max(self.repairs) <= 5,
            "deletion at once": max(self.deletions) <= 2,
            "all Synced": self.unsynced == 0,
            "memory under the limit": self.peak < self.limit,
        }
        return [name for name, holds in judged.items() if not holds]


async def measure(*, equal: bool, load: Load, window: float) -> Figures:
    """One attack, for `window` seconds once it is under way."""
    with _other_cores() as own:
        async with under_attack(equal=equal, load=load) as scene:
            _pin(scene.pid, own)
            return await _judged(scene, equal=equal, window=window)


async def _judged(scene: Scene, *, equal: bool, window: float) -> Figures:
    with _probing(scene.address) as holds:
        scene.stage.remote.do("requests")
        cpu, begun = scene.operator.usage().cpu, time.monotonic()
        repairs, deletions = await _live(scene.victim, window)
        late = scene.victim.lateness()
        cpu = (scene.operator.usage().cpu - cpu) / (time.monotonic() - begun)
    return Figures(
        secret="equal" if equal else "different",
        load=scene.attack.load,
        done=scene.attack.done,
        requests=len(late),
        on_time=sum(each <= 1 for each in late) / max(len(late), 1),
        latest=late[-1] if late else float("inf"),
        cpu=cpu,
        holds=holds,
        repairs=repairs,
        deletions=deletions,
        unsynced=await scene.victim.unsynced(),
        lease_kept=await scene.lease_kept(),
        peak=scene.operator.usage().peak,
        limit=memory_limit(),
    )


async def _live(victim: Victim, window: float) -> tuple[list[float], list[float]]:
    """An ordinary life: now and then somebody edits a status or deletes a ref; how long each took."""
    repairs, deletions, number, end = [], [], 0, time.monotonic() + window
    while time.monotonic() < end:
        repairs.append(await victim.repair(2 * number + 1))
        # Of each app one ref stays.
        deletions.append(await victim.delete(2 * number))
        number = (number + 1) % 28
        await asyncio.sleep(min(window / 12, 10))
    return repairs, deletions


@contextmanager
def _probing(address: str) -> Iterator[list[float]]:
    """Ask /healthz in a process of its own; the longest holds are there at the end."""
    holds: list[float] = []
    with _process(address) as prober:
        try:
            yield holds
        finally:
            holds.extend(json.loads(prober.communicate("")[0])["longest"])


@contextmanager
def _process(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "bench.prober", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


@contextmanager
def _other_cores() -> Iterator[set[int]]:
    """Keep this process, and what it starts, away from one core; that core, or all where there is but one."""
    cores = os.sched_getaffinity(0)
    own = {max(cores)}
    os.sched_setaffinity(0, cores - own or cores)
    try:
        yield own
    finally:
        os.sched_setaffinity(0, cores)


def _pin(pid: int, cores: set[int]) -> None:
    for thread in Path(f"/proc/{pid}/task").iterdir():
        # One that looks a name up may have ended meanwhile.
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), cores)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(prog="python -m bench.hostile", description=__doc__)
    parser.add_argument(
        "--refs", type=int, default=2000, help="the hostile tenant's refs, an interval of a second each"
    )
    parser.add_argument("--window", type=float, default=90.0, help="seconds of attack")
    parser.add_argument("--secret", choices=["equal", "different"], help="only this one of the two")
    options = parser.parse_args()
    load = Load(refs=options.refs, names=16)
    broken: list[str] = []
    for secret in [options.secret] if options.secret else ["equal", "different"]:
        _say(f"a hostile tenant with a Secret {secret}: {load}")
        figures = asyncio.run(measure(equal=secret == "equal", load=load, window=options.window))
        print(json.dumps(asdict(figures), indent=1), flush=True)
        broken += [f"{secret}: {each}" for each in figures.broken()]
    if broken:
        sys.exit("bench.hostile: " + "; ".join(broken))


if __name__ == "__main__":
    main()
