"""What a hostile tenant costs another: `python -m bench.hostile`, or `make bench HOSTILE=1` after the rest.

Twice, with a Secret equal to the victim's and with one of its own, a namespace does its worst (bench.attack) while
another one has an ordinary life. Judged are the victim's: requests that start within a second (99.9%), repair within
5 s, deletion at once; and the operator's: no hold of its loop over 50 ms, the Lease kept, memory under the pod's limit.
"""

import argparse
import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

from bench import world
from bench.attack import NAMESPACE, Attack, Load, role
from dev.controlplane import ControlPlane
from dev.faultproxy import FaultProxy
from tests.cases.inputs.held_lists import HeldLists

_ROOT: Final = Path(__file__).parents[1]
_VICTIM: Final = "victim"
_VICTIM_REFS: Final = 60
_REFS: Final = f"/apis/astra-mirror.io/v1/namespaces/{_VICTIM}/appbackuprefs"
_INTERVAL: Final = 1.0
_JITTER: Final = 1.1
_START_SECONDS: Final = 120.0


@dataclass(frozen=True)
class Figures:
    """What was measured. Seconds, MiB, and milliseconds for the holds.

    `on_time` is the share of the victim's requests that started within a second of their time; `holds` are the longest.
    """

    secret: str
    done: dict[str, int]
    requests: int
    on_time: float
    latest: float
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


def memory_limit() -> float:
    """The pod's memory limit in manifests/default, in MiB."""
    deployment = yaml.safe_load((_ROOT / "manifests" / "default" / "deployment.yaml").read_text())
    text = deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"]
    return float(text.removesuffix("Mi"))


@contextmanager
def silent_resolver(folder: Path) -> Iterator[Path | None]:
    """A resolver that never answers, and the resolv.conf that names it; None where port 53 is not to be had."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver:
        try:
            resolver.bind(("127.0.0.99", 53))
        except OSError:
            yield None
            return
        path = folder / "resolv.conf"
        path.write_text("nameserver 127.0.0.99\n")
        yield path


def _command(resolver: Path | None) -> list[str]:
    """The operator, in a mount namespace of its own with that resolv.conf where there is one."""
    operator = [os.environ.get("OPERATOR") or str(Path(sys.executable).parent / "astra-mirror"), "run"]
    if resolver is None:
        return operator
    script = f'mount --bind {resolver} /etc/resolv.conf && exec "$@"'
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", *operator]


class Stage:
    """A control plane with the shipped manifests, a fault proxy, Astra Control, and the operator as a process."""

    def __init__(self, cluster: world.Cluster, remote: world.Remote, proxy: FaultProxy, held: HeldLists) -> None:
        self.cluster = cluster
        self.remote = remote
        self.proxy = proxy
        self.held = held

    @classmethod
    @asynccontextmanager
    async def open(cls) -> "AsyncIterator[Stage]":
        """Set it up."""
        with ExitStack() as stack:
            plane = stack.enter_context(ControlPlane.start())
            plane.kubectl("apply", "-k", str(_ROOT / "manifests" / "default"))
            plane.kubectl("wait", "--for=condition=Established", "crd/appbackuprefs.astra-mirror.io")
            certificate, key = plane.certificate_for("127.0.0.1")
            proxy = stack.enter_context(
                FaultProxy.start(plane.url, authority=plane.authority_pem, certificate=certificate, key=key)
            )
            remote = stack.enter_context(world.Remote.start())
            held = stack.enter_context(HeldLists())
            async with world.Cluster.open(plane) as cluster:
                yield cls(cluster, remote, proxy, held)

    @contextmanager
    def operator(self, resolver: Path | None) -> Iterator[tuple[world.Operator, str, int]]:
        """Run it under the shipped role; the process, the address of /healthz, its process id."""
        plane = self.cluster.control_plane
        kubeconfig = plane.kubeconfig_for("astra-mirror-system", "astra-mirror", server=self.proxy.url)
        allowed = [f"--allowed-url={url}" for url in (self.remote.url, self.held.url, "https://*.slow.netapp.io")]
        options = ["--http-address=127.0.0.1:0", "--leader-elect", *allowed]
        log = plane.folder / "operator.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*_command(resolver), *options],
                env=os.environ | {"KUBECONFIG": str(kubeconfig)},
                stdout=out,
                stderr=out,
            )
            try:
                operator = world.Operator(process, log)
                yield operator, _address(process, log), process.pid
            finally:
                process.terminate()
                process.wait()


def _address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"Serving HTTP on ([\d.:]+)", log.read_text())
        if found is not None:
            return found[1]
        time.sleep(0.1)
    raise RuntimeError(f"the operator did not start:\n{log.read_text()}")


class Victim:
    """An ordinary tenant, and what it notices."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._specs: list[dict[str, str]] = []

    async def prepare(self) -> None:
        """Its namespace, Secret and refs: each of thirty apps in an account of its own, so that each is asked for."""
        options = {"refs": _VICTIM_REFS, "apps": 30, "accounts": 30, "active": 1.0}
        self._specs = self._stage.remote.do("add", world=_VICTIM, **options)
        specs = [{**each, "interval": f"{_INTERVAL:g}s"} for each in self._specs]
        await self._stage.cluster.create_refs(_VICTIM, specs, self._stage.remote)

    async def unsynced(self) -> int:
        """How many of its refs are not Synced."""
        found = (await self._stage.cluster.call("GET", _REFS))["items"]
        return sum(
            not any(each["type"] == "Synced" and each["status"] == "True" for each in _conditions(item))
            for item in found
        )

    async def until_synced(self) -> None:
        """Wait until all are."""
        deadline = time.monotonic() + _START_SECONDS
        while await self.unsynced():
            if time.monotonic() > deadline:
                raise RuntimeError("the victim's refs were never observed")
            await asyncio.sleep(0.2)

    async def repair(self, number: int) -> float:
        """The seconds for which a lie in a status stands."""
        path = f"{_REFS}/ref-{number:05}"
        await self._stage.cluster.call("PATCH", f"{path}/status", {"status": {"state": "completed"}})
        begun = time.monotonic()
        while (await self._stage.cluster.call("GET", path))["status"].get("state") == "completed":
            if time.monotonic() - begun > 60:
                break
            await asyncio.sleep(0.05)
        return time.monotonic() - begun

    async def delete(self, number: int) -> float:
        """The seconds until a ref is gone."""
        begun = time.monotonic()
        await self._stage.cluster.call("DELETE", f"{_REFS}/ref-{number:05}")
        names = [each["metadata"]["name"] for each in (await self._stage.cluster.call("GET", _REFS))["items"]]
        if f"ref-{number:05}" in names:
            raise RuntimeError("a deleted ref is still there")
        return time.monotonic() - begun

    def lateness(self) -> list[float]:
        """By how many seconds more than the interval with its jitter its requests were apart, sorted."""
        accounts = [each["accountID"] for each in self._specs]
        late: list[float] = self._stage.remote.do("lateness", interval=_INTERVAL * _JITTER, accounts=accounts)
        return late


def _conditions(item: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = item.get("status", {}).get("conditions", [])
    return found


async def _lease(cluster: world.Cluster) -> tuple[str, int]:
    path = "/apis/coordination.k8s.io/v1/namespaces/astra-mirror-system/leases/astra-mirror"
    spec = (await cluster.call("GET", path))["spec"]
    return spec["holderIdentity"], spec.get("leaseTransitions", 0)


async def measure(*, equal: bool, load: Load, window: float) -> Figures:
    """One attack, for `window` seconds once it is under way."""
    async with Stage.open() as stage:
        with silent_resolver(stage.cluster.control_plane.folder) as resolver:
            load = load if resolver else replace(load, names=0)
            if not resolver:
                _say("  port 53 is not to be had here: slow names are left out")
            stage.cluster.control_plane.kubectl("apply", "-f", "-", stdin=role(load.names))
            victim = Victim(stage)
            await victim.prepare()
            with stage.operator(resolver) as (operator, address, pid):
                await victim.until_synced()
                lease = await _lease(stage.cluster)
                token = stage.remote.token if equal else stage.remote.do("token")
                attack = Attack(
                    stage.cluster, stage.proxy, {"url": stage.remote.url, "token": token}, equal, stage.held.url, load
                )
                known = {"refs": load.refs, "apps": load.apps, "accounts": load.accounts, "active": 1.0}
                await attack.prepare(stage.remote.do("add", world=NAMESPACE, **known))
                under_way = asyncio.ensure_future(attack.run())
                try:
                    with _probing(address, pid) as holds:
                        stage.remote.do("requests")
                        repairs, deletions = await _live(victim, window)
                        late = victim.lateness()
                finally:
                    under_way.cancel()
                return Figures(
                    "equal" if equal else "different",
                    attack.done,
                    len(late),
                    sum(each <= 1 for each in late) / max(len(late), 1),
                    late[-1] if late else float("inf"),
                    holds,
                    repairs,
                    deletions,
                    await victim.unsynced(),
                    await _lease(stage.cluster) == lease,
                    operator.usage().peak,
                    memory_limit(),
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
def _probing(address: str, pid: int) -> Iterator[list[float]]:
    """Ask /healthz in a process of its own; the longest holds are there at the end."""
    holds: list[float] = []
    command = [sys.executable, "-m", "bench.prober", address, str(pid)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield holds
        finally:
            answer, _ = process.communicate("")
            holds.extend(json.loads(answer)["longest"])


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
