"""Where a hostile tenant and its victim meet: a control plane, a fault proxy, Astra Control, the operator, and both."""

import asyncio
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

from bench import world
from bench.attack import NAMESPACE, Attack, Load, large_account, role
from bench.process import Process
from dev.controlplane import ControlPlane
from dev.faultproxy import FaultProxy
from dev.hostile.held_lists import HeldLists

_ROOT: Final = Path(__file__).parents[1]
_VICTIM: Final = "victim"
_VICTIM_REFS: Final = 60
_REFS: Final = f"/apis/astra-mirror.io/v1/namespaces/{_VICTIM}/appbackuprefs"
_INTERVAL: Final = 1.0
_JITTER: Final = 1.1
_START_SECONDS: Final = 120.0


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

    def __init__(
        self, cluster: world.Cluster, remote: world.Remote, proxy: FaultProxy, tls: FaultProxy, held: HeldLists
    ) -> None:
        self.cluster = cluster
        self.remote = remote
        self.proxy = proxy
        self.tls = tls
        self.held = held

    @classmethod
    @asynccontextmanager
    async def open(cls, load: Load) -> "AsyncIterator[Stage]":
        """Set it up."""
        with ExitStack() as stack:
            plane = stack.enter_context(ControlPlane.start())
            plane.kubectl("apply", "-k", str(_ROOT / "manifests" / "default"))
            plane.kubectl("wait", "--for=condition=Established", "crd/appbackuprefs.astra-mirror.io")
            certificate, key = plane.certificate_for("127.0.0.1")
            proxy = stack.enter_context(
                FaultProxy(plane.url, authority=plane.authority_pem, certificate=certificate, key=key)
            )
            remote = stack.enter_context(world.Remote.start())
            tls = stack.enter_context(FaultProxy(remote.url, certificate=certificate, key=key))
            held = stack.enter_context(HeldLists(large=[large_account(each) for each in range(load.large)]))
            async with world.Cluster.open(plane) as cluster:
                yield cls(cluster, remote, proxy, tls, held)

    @property
    def urls(self) -> tuple[str, ...]:
        """The addresses that Secrets may name."""
        return self.remote.url, self.tls.url, self.held.url

    @contextmanager
    def operator(self, resolver: Path | None) -> Iterator[tuple[Process, str, int]]:
        """Run it under the shipped role; the process, the address of /healthz, its process id."""
        plane = self.cluster.control_plane
        kubeconfig = plane.kubeconfig_for("astra-mirror-system", "astra-mirror", server=self.proxy.url)
        allowed = [f"--allowed-url={url}" for url in (*self.urls, "https://*.slow.netapp.io")]
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
                operator = Process(process, log)
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
                raise RuntimeError(f"{await self.unsynced()} of the victim's refs were never observed")
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


@dataclass(frozen=True)
class Scene:
    """An attack under way: all that is needed to look at it."""

    stage: Stage
    victim: Victim
    attack: Attack
    operator: Process
    address: str
    pid: int
    lease: tuple[str, int]

    async def lease_kept(self) -> bool:
        """Whether the Lease has the holder that it had before, and never had another."""
        return await _lease(self.stage.cluster) == self.lease


@asynccontextmanager
async def under_attack(*, equal: bool, load: Load) -> AsyncIterator[Scene]:
    """The victim's refs are observed, then the attack begins; it ends with the block.

    Raises:
        ExceptionGroup: the attack itself has failed, which is no merit of the operator's.
    """
    async with Stage.open(load) as stage:
        with silent_resolver(stage.cluster.control_plane.folder) as resolver:
            load = load if resolver else replace(load, names=0)
            stage.cluster.control_plane.kubectl("apply", "-f", "-", stdin=role(load.names))
            victim = Victim(stage)
            await victim.prepare()
            with stage.operator(resolver) as (operator, address, pid):
                await victim.until_synced()
                lease = await _lease(stage.cluster)
                token = stage.remote.token if equal else stage.remote.do("token")
                content = {"url": stage.remote.url, "token": token}
                plane = stage.cluster.control_plane
                attack = Attack(
                    cluster=stage.cluster,
                    proxy=stage.proxy,
                    content=content,
                    equal=equal,
                    held_url=stage.held.url,
                    tls_url=stage.tls.url,
                    authority=plane.authority_pem,
                    load=load,
                )
                known = {"refs": load.refs, "apps": load.apps, "accounts": load.accounts, "active": 1.0}
                await attack.prepare(stage.remote.do("add", world=NAMESPACE, **known))
                under_way = asyncio.ensure_future(attack.run())
                try:
                    yield Scene(stage, victim, attack, operator, address, pid, lease)
                    if under_way.done():
                        await under_way
                finally:
                    under_way.cancel()
                    await asyncio.gather(under_way, return_exceptions=True)
